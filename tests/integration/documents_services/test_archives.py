"""Archives: their documents are taken in by a worker, once each, whatever happens to it."""

from __future__ import annotations

import errno
import io
import zipfile
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.utils import timezone

from accounts.models import AuditEvent
from documents import (
    archives,
    curating,
    delivering,
    delivery_claims,
    delivery_tasks,
    jobs,
    purging,
    uploading,
)
from documents.deliveries import DeliveredFile, Delivery
from documents.delivery_problems import explain_delivery
from documents.models import Document, DocumentVersion, KnowledgeBase, Membership
from documents.parsing.base import ERROR_CODES, ParseError
from documents.parsing.runner import run_job
from documents.uploading import UploadRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

    from accounts.models import User

State = Delivery.State
Outcome = DeliveredFile.Outcome
TEXTS: dict[str, str | bytes] = {
    "Health/Sleep/bedtime.md": "# Bedtime\n\nGo to bed at the same hour.",
    "Health/Sleep/coffee.md": "# Coffee\n\nCoffee late in the day keeps people awake.",
    "walk.txt": "A walk a day.",
}


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def packed(
    files: dict[str, str | bytes] | None = None, name: str = "all.zip"
) -> SimpleUploadedFile:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for file, content in (files or TEXTS).items():
            archive.writestr(file, content)
    return SimpleUploadedFile(name, data.getvalue())


def asked(
    alice: User, base: KnowledgeBase, files: dict[str, str | bytes] | None = None
) -> Delivery:
    given = delivering.request_archive(actor=alice, knowledge_base=base, file=packed(files))
    assert not given.duplicate
    return given.delivery


def outcomes(delivery: Delivery) -> dict[str, tuple[str, str]]:
    return {file.name: (file.outcome, file.code) for file in delivery.files.all()}


def originals(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


def test_each_file_of_an_archive_becomes_a_document_with_its_folders_as_tags(
    alice: User,
    knowledge_base: KnowledgeBase,
    media: Path,
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    with run_tasks():
        delivery = asked(alice, knowledge_base)
        assert delivery.state == State.PENDING
        assert not Document.objects.exists(), "nothing is unpacked while the page is answered"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.progress_done, delivery.progress_total) == (State.DONE, 3, 3)
    assert {code for _outcome, code in outcomes(delivery).values()} == {""}
    found = {document.title: document for document in Document.objects.all()}
    assert found["Bedtime"].tags == ["Health", "Sleep"]
    assert found["walk"].tags == []
    assert found["Bedtime"].created_by == alice
    assert {version.state for version in DocumentVersion.objects.all()} == {"ready"}
    assert not delivery.original, "the archive is not needed any more"
    assert len(originals(media)) == 3
    assert AuditEvent.objects.get(action="delivery.request_archive").actor == alice
    events = AuditEvent.objects.filter(action="document.upload")
    assert {event.data["delivery"] for event in events} == {delivery.pk}


def test_what_is_known_or_cannot_be_read_is_said_and_harms_no_other(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    known = SimpleUploadedFile("before.txt", b"A walk a day.")
    before = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=known)
    delivery = asked(
        alice,
        knowledge_base,
        {**TEXTS, "empty.md": "", "film.mp4": b"\x00\x01", "inner.zip": "x", "no.pdf": "text"},
    )
    delivery_tasks.unpack_archive(delivery.pk)
    assert outcomes(delivery) == {
        "Health/Sleep/bedtime.md": (Outcome.STORED, ""),
        "Health/Sleep/coffee.md": (Outcome.STORED, ""),
        "walk.txt": (Outcome.KNOWN, ""),
        "empty.md": (Outcome.REFUSED, "empty"),
        "film.mp4": (Outcome.REFUSED, "unsupported"),
        "inner.zip": (Outcome.REFUSED, "archive_nested"),
        "no.pdf": (Outcome.REFUSED, "mislabelled"),
    }
    assert delivery.files.get(name="walk.txt").document == before.document


@pytest.mark.parametrize("code", ["crashed", "memory", "timeout", "too_large"])
def test_a_file_that_ends_the_program_which_unpacks_it_harms_no_other(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    ordinary = run_job

    def ended(path: Path, job: str, options: dict[str, Any], **limits: Any) -> bytes:
        if 1 in options.get("positions", ()):
            raise ParseError(code)
        return ordinary(path, job, options, **limits)

    monkeypatch.setattr(archives, "run_job", ended)
    delivery = asked(alice, knowledge_base)
    archives.unpack(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.progress_done) == (State.DONE, 3)
    assert outcomes(delivery) == {
        "Health/Sleep/bedtime.md": (Outcome.STORED, ""),
        "Health/Sleep/coffee.md": (Outcome.REFUSED, code),
        "walk.txt": (Outcome.STORED, ""),
    }


def test_a_program_that_is_killed_from_outside_is_no_fault_of_a_file(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = run_job

    def killed(path: Path, job: str, options: dict[str, Any], **limits: Any) -> bytes:
        if options:
            raise ParseError("killed")
        return ordinary(path, job, options, **limits)

    delivery = asked(alice, knowledge_base)
    with monkeypatch.context() as broken:
        broken.setattr(archives, "run_job", killed)
        archives.unpack(delivery.pk)
    assert {outcome for outcome, _code in outcomes(delivery).values()} == {Outcome.WAITING}
    assert delivering.try_again(actor=alice, delivery=delivery)
    archives.unpack(delivery.pk)
    assert Document.objects.count() == 3


def test_a_lost_worker_is_followed_by_another_that_takes_no_file_twice(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "BATCH_FILES", 1)
    delivery = asked(alice, knowledge_base)
    ordinary = uploading.upload

    def killed(**given: Any) -> Any:
        if Document.objects.count() == 1:
            raise SystemExit
        return ordinary(**given)

    monkeypatch.setattr(uploading, "upload", killed)
    with pytest.raises(SystemExit):
        archives.unpack(delivery.pk)
    monkeypatch.setattr(uploading, "upload", ordinary)
    archives.unpack(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.state == State.RUNNING, "its worker may still be there"

    Delivery.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=6))
    assert delivery_claims.give_up_lost() == 1
    archives.unpack(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.lost_attempts, delivery.attempt) == (State.DONE, 0, 2)
    assert {outcome for outcome, _code in outcomes(delivery).values()} == {Outcome.STORED}
    assert Document.objects.count() == 3


@pytest.mark.parametrize("full", ["where originals are kept", "where the program writes"])
def test_a_full_disk_ends_it_with_a_reason_and_it_goes_on_when_there_is_room(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    delivery = asked(alice, knowledge_base)

    def no_room(*args: Any, **given: Any) -> Any:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as broken:
        if full == "where originals are kept":
            broken.setattr("django.core.files.storage.FileSystemStorage._save", no_room)
        else:
            broken.setattr(archives, "run_job", no_room)
        archives.unpack(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_code) == (State.FAILED, "disk_full")
    assert not Document.objects.exists()
    assert delivering.try_again(actor=alice, delivery=delivery)
    archives.unpack(delivery.pk)
    assert Document.objects.count() == 3


def test_a_defect_of_ours_and_the_end_of_its_time_are_on_the_row(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = asked(alice, knowledge_base)
    broken: dict[str, type[Exception]] = {"internal": TypeError, "timeout": SoftTimeLimitExceeded}
    for code, error in broken.items():
        monkeypatch.setattr(archives, "run_job", Mock(side_effect=error))
        with pytest.raises(TypeError) if code == "internal" else nullcontext():
            archives.unpack(delivery.pk)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.error_code) == (State.FAILED, code)
        assert delivering.try_again(actor=alice, delivery=delivery)


def test_a_database_that_goes_away_leaves_it_to_another_worker(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = asked(alice, knowledge_base)
    with monkeypatch.context() as away, pytest.raises(OperationalError):
        away.setattr(archives, "run_job", Mock(side_effect=OperationalError))
        archives.unpack(delivery.pk)
    Delivery.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=6))
    assert delivery_claims.give_up_lost() == 1
    archives.unpack(delivery.pk)
    assert Document.objects.count() == 3


def test_a_worker_that_was_killed_on_this_machine_is_not_waited_for(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = asked(alice, knowledge_base)
    assert delivery_claims.claim(delivery.pk, Delivery.Kind.ARCHIVE) is not None
    assert delivery_claims.give_up_lost() == 0, "it lives"
    monkeypatch.setattr(jobs, "is_gone", lambda worker: bool(worker))
    assert delivery_claims.give_up_lost() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.lost_attempts) == (State.PENDING, 1)


def test_what_takes_long_keeps_its_heartbeat_and_hears_of_a_cancellation(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_claims, "HEARTBEAT_EVERY_S", 0.0)
    delivery = asked(alice, knowledge_base)
    held = delivery_claims.claim(delivery.pk, Delivery.Kind.ARCHIVE)
    assert held is not None
    cancelled = held.cancellation()
    Delivery.objects.update(heartbeat_at=timezone.now() - timedelta(hours=1))
    assert not cancelled()
    assert delivery_claims.give_up_lost() == 0
    delivering.cancel(actor=alice, delivery=delivery)
    assert cancelled()


def test_a_worker_that_was_given_up_writes_nothing_any_more(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    delivery = asked(alice, knowledge_base)
    lost = delivery_claims.claim(delivery.pk, Delivery.Kind.ARCHIVE)
    assert lost is not None
    long_ago = timezone.now() - timedelta(minutes=6)
    Delivery.objects.update(heartbeat_at=long_ago, created_at=long_ago)
    delivery_claims.give_up_lost()
    assert delivery_claims.unheard() == [(delivery.pk, Delivery.Kind.ARCHIVE)], "rung for at once"
    assert delivery_claims.claim(delivery.pk, Delivery.Kind.ARCHIVE) is not None
    for write in (lost.finish, lost.write, lambda: lost.fail("crashed"), lost.row):
        with pytest.raises(jobs.ClaimLost):
            write()


def test_one_that_loses_its_workers_again_and_again_is_failed_with_a_remedy(
    alice: User, knowledge_base: KnowledgeBase, media: Path
) -> None:
    delivery = asked(alice, knowledge_base)
    for _ in range(delivery_claims.MOST_LOSSES):
        assert delivery_claims.claim(delivery.pk, Delivery.Kind.ARCHIVE) is not None
        Delivery.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=6))
        assert delivery_claims.give_up_lost() == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_code) == (State.FAILED, "lost")
    delivery_claims.erase_originals()
    assert originals(media), "kept for another try"
    assert delivering.try_again(actor=alice, delivery=delivery)
    assert not delivering.try_again(actor=alice, delivery=delivery)
    archives.unpack(delivery.pk)
    assert Document.objects.count() == 3


def test_a_cancelled_archive_ends_and_keeps_what_was_taken(
    alice: User, knowledge_base: KnowledgeBase, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = asked(alice, knowledge_base)
    ordinary = uploading.upload

    def upload(**given: Any) -> Any:
        taken = ordinary(**given)
        if Document.objects.count() == 2:
            Delivery.objects.filter(pk=delivery.pk).update(state=State.CANCELLED)
        return taken

    monkeypatch.setattr(uploading, "upload", upload)
    archives.unpack(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.state == State.CANCELLED
    assert Document.objects.count() == 2
    assert sorted(outcome for outcome, _code in outcomes(delivery).values()) == [
        Outcome.STORED,
        Outcome.STORED,
        Outcome.WAITING,
    ]
    assert len(originals(media)) == 2


def test_an_erased_document_is_in_no_failed_archive_either(
    alice: User,
    knowledge_base: KnowledgeBase,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    monkeypatch.setattr(archives, "BATCH_FILES", 1)
    delivery = asked(alice, knowledge_base)
    ordinary = uploading.upload

    def upload(**given: Any) -> Any:
        if Document.objects.exists():
            raise uploading.refusal("disk_full")
        return ordinary(**given)

    monkeypatch.setattr(uploading, "upload", upload)
    archives.unpack(delivery.pk)
    archives.unpack(asked(alice, knowledge_base, {"other.txt": "Rest.", "more.txt": "Nap."}).pk)
    assert Delivery.objects.filter(state=State.FAILED).exclude(original="").count() == 2
    document = Document.objects.get()
    curating.delete_document(actor=alice, document=document)
    delivery_claims.erase_originals()
    assert len(originals(media)) == 3, "what is in the trash comes back with its archive"

    with django_capture_on_commit_callbacks(execute=True):
        assert purging.purge_document(actor=alice, document=document)
    delivery.refresh_from_db()
    assert not delivery.original
    assert not delivering.try_again(actor=alice, delivery=delivery)
    (kept,) = originals(media)
    assert kept == Path(Delivery.objects.exclude(original="").get().original.path)


def test_cancelling_is_on_record_and_possible_once(
    alice: User,
    knowledge_base: KnowledgeBase,
    media: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    delivery = asked(alice, knowledge_base)
    with django_capture_on_commit_callbacks(execute=True):
        assert delivering.cancel(actor=alice, delivery=delivery)
    assert not delivering.cancel(actor=alice, delivery=delivery)
    assert AuditEvent.objects.filter(action="delivery.cancel").count() == 1
    assert originals(media) == []
    archives.unpack(delivery.pk)
    assert not Document.objects.exists()


def test_whoever_may_not_add_documents_any_more_adds_none_by_an_archive(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    delivery = asked(alice, knowledge_base)
    Membership.objects.filter(user=alice).update(roles=[Membership.Role.VIEWER])
    archives.unpack(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_code) == (State.FAILED, "not_allowed")
    assert not Document.objects.exists()


def test_a_paused_knowledge_base_lets_its_archives_wait(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    delivery = asked(alice, knowledge_base)
    Delivery.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    KnowledgeBase.objects.update(is_paused=True)
    archives.unpack(delivery.pk)
    assert delivery_claims.unheard() == []
    delivery.refresh_from_db()
    assert delivery.state == State.PENDING
    KnowledgeBase.objects.update(is_paused=False)
    assert delivery_claims.unheard() == [(delivery.pk, Delivery.Kind.ARCHIVE)]
    assert delivery_claims.unheard() == [], "one bell a minute is enough"


def test_the_watchdog_rings_for_what_was_not_heard(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(delivery_tasks.unpack_archive, "delay", rung.append)
    delivery = asked(alice, knowledge_base)
    Delivery.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    delivery_tasks.take_up_deliveries()
    assert rung == [delivery.pk]


def test_the_same_archive_is_not_unpacked_by_two(
    alice: User, knowledge_base: KnowledgeBase, media: Path
) -> None:
    delivery = asked(alice, knowledge_base)
    again = delivering.request_archive(actor=alice, knowledge_base=knowledge_base, file=packed())
    assert (again.delivery, again.duplicate) == (delivery, True)
    assert len(originals(media)) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"%PDF-1.7", "mislabelled"), (b"PK" * 600_000, "too_large")],
)
def test_what_is_no_archive_is_refused_and_leaves_nothing(
    alice: User,
    knowledge_base: KnowledgeBase,
    media: Path,
    settings: Settings,
    content: bytes,
    code: str,
) -> None:
    settings.RAGSITE_MAX_ARCHIVE_MB = 1
    with pytest.raises(UploadRefused) as refused:
        delivering.request_archive(
            actor=alice, knowledge_base=knowledge_base, file=SimpleUploadedFile("a.zip", content)
        )
    assert refused.value.code == code
    assert not Delivery.objects.exists()
    assert originals(media) == []


def test_a_damaged_archive_fails_with_a_sentence(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    file = SimpleUploadedFile("a.zip", b"PK\x03\x04 and no more")
    given = delivering.request_archive(actor=alice, knowledge_base=knowledge_base, file=file)
    archives.unpack(given.delivery.pk)
    given.delivery.refresh_from_db()
    assert (given.delivery.state, given.delivery.error_code) == (State.FAILED, "truncated")


def test_every_code_of_an_archive_has_words_of_its_own() -> None:
    codes = {code for code in ERROR_CODES if code.startswith("archive_")}
    assert codes
    unknown = explain_delivery("no such code")
    for code in sorted(codes | {"archive_link", "archive_nested", "archive_method", "not_allowed"}):
        assert explain_delivery(code) is not unknown, code


def test_folders_become_tags_that_can_be_written_with_commas_between() -> None:
    assert archives.tags_of(["A,  B", "", "A B", "x" * 60]) == ("A B", "x" * 40)
