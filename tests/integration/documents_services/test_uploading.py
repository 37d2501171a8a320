"""Uploading: what is taken, what is refused, and that nothing is left behind."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.files import File
from django.db import transaction
from kombu.exceptions import OperationalError

from accounts.models import AuditEvent
from documents import curating, tasks, uploading
from documents.models import Document, DocumentVersion, KnowledgeBase
from documents.uploading import UploadRefused
from tests.integration.documents_services.conftest import SLEEP, file_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

    from accounts.models import User

State = DocumentVersion.State


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def stored(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


def test_an_upload_stores_the_bytes_the_rows_and_the_record(
    alice: User, knowledge_base: KnowledgeBase, media: Path
) -> None:
    outcome = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))

    assert not outcome.duplicate
    assert outcome.version.state == State.PENDING
    assert outcome.version.media_type == "text/markdown"
    assert outcome.document.title == "sleep"
    assert outcome.document.created_by == alice
    with outcome.version.original.open("rb") as original:
        assert original.read() == SLEEP.encode()
    (path,) = stored(media)
    assert "sleep" not in path.name, "the stored name is ours, not the uploader's"
    event = AuditEvent.objects.get(action="document.upload")
    assert event.actor == alice
    assert event.data["sha256"] == outcome.version.sha256


def test_the_worker_is_rung_only_after_the_commit(
    alice: User,
    knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    rung: list[bool] = []
    monkeypatch.setattr(tasks.process_next, "delay", lambda: rung.append(True))
    with django_capture_on_commit_callbacks(execute=True):
        uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
        assert rung == []
    assert rung == [True]


def test_an_upload_without_a_broker_waits_instead_of_failing(
    alice: User,
    knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def away() -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.process_next, "delay", away)
    with django_capture_on_commit_callbacks(execute=True):
        outcome = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    outcome.version.refresh_from_db()
    assert outcome.version.state == State.PENDING


def test_an_uploaded_document_is_searchable_when_its_task_has_run(
    alice: User,
    knowledge_base: KnowledgeBase,
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    with run_tasks():
        outcome = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    outcome.document.refresh_from_db()
    assert outcome.document.title == "Sleeping well"
    assert outcome.document.current_version == outcome.version
    assert outcome.document.chunks.exists()


def test_the_same_bytes_are_recognised_whatever_they_are_called(
    alice: User, knowledge_base: KnowledgeBase, media: Path
) -> None:
    first = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    again = uploading.upload(
        actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP, "other.md")
    )
    assert again.duplicate
    assert again.document == first.document
    assert Document.objects.count() == 1
    assert len(stored(media)) == 1


def test_the_same_bytes_are_another_document_in_another_knowledge_base(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    other = KnowledgeBase.objects.create(name="Other", slug="other")
    uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    assert not uploading.upload(actor=alice, knowledge_base=other, file=file_of(SLEEP)).duplicate


def test_a_deleted_document_does_not_hinder_its_file_from_coming_back(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    first = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    curating.delete_document(actor=alice, document=first.document)
    again = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    assert not again.duplicate
    assert again.document != first.document


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "empty.md", "empty"),
        (b"MZ\x90\x00\x03\x00\x00\x00", "tool.exe", "unsupported"),
        (b"PK\x03\x04 this is no pdf", "report.pdf", "mislabelled"),
    ],
)
def test_a_bad_file_is_refused_with_its_own_sentence_and_leaves_nothing(
    alice: User, knowledge_base: KnowledgeBase, media: Path, content: bytes, name: str, code: str
) -> None:
    with pytest.raises(UploadRefused) as refused:
        uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(content, name))
    assert refused.value.code == code
    assert refused.value.message
    assert not Document.objects.exists()
    assert stored(media) == []


def test_a_file_over_the_limit_is_refused_and_the_limit_is_named(
    alice: User, knowledge_base: KnowledgeBase, settings: Settings
) -> None:
    settings.RAGSITE_MAX_UPLOAD_MB = 1
    with pytest.raises(UploadRefused, match="1 megabyte,"):
        uploading.upload(
            actor=alice, knowledge_base=knowledge_base, file=file_of(b"a" * (1024 * 1024 + 1))
        )
    exactly = file_of(b"a" * 1024 * 1024)
    uploading.upload(actor=alice, knowledge_base=knowledge_base, file=exactly)
    assert Document.objects.count() == 1


def test_a_failing_transaction_takes_the_stored_file_with_it(
    alice: User,
    knowledge_base: KnowledgeBase,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        assert len(stored(media)) == 1
        raise RuntimeError

    monkeypatch.setattr(uploading, "record", broken)
    with pytest.raises(RuntimeError), transaction.atomic():
        uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    assert stored(media) == []
    assert not DocumentVersion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_interrupt_while_the_queue_is_told_keeps_the_file_of_the_committed_row(
    alice: User, knowledge_base: KnowledgeBase, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks.process_next, "delay", interrupted)
    with pytest.raises(KeyboardInterrupt):
        uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    assert DocumentVersion.objects.get().state == State.PENDING
    assert len(stored(media)) == 1


def test_a_full_disk_is_said_in_words(
    alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage._save", full)
    with pytest.raises(UploadRefused) as refused:
        uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    assert refused.value.code == "disk_full"


def test_a_new_version_keeps_the_document_and_counts_up(
    alice: User, knowledge_base: KnowledgeBase, indexed: Callable[..., Document]
) -> None:
    document = indexed()
    serving = document.current_version
    outcome = uploading.upload_version(
        actor=alice, document=document, file=file_of(SLEEP + "\nNap early.")
    )
    document.refresh_from_db()
    assert outcome.document == document
    assert outcome.version.number == 2
    assert document.current_version == serving, "the old version serves until the new is ready"


def test_a_document_that_failed_is_queued_again_once(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    outcome = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file_of(SLEEP))
    assert not uploading.reprocess(actor=alice, document=outcome.document), "it waits already"
    DocumentVersion.objects.update(state=State.FAILED, error_code="timeout", attempt=3)

    assert uploading.reprocess(actor=alice, document=outcome.document)
    assert not uploading.reprocess(actor=alice, document=outcome.document)
    outcome.version.refresh_from_db()
    assert (outcome.version.state, outcome.version.error_code) == (State.PENDING, "")
    assert outcome.version.attempt == 3, "attempts count on, so that a late worker is fenced off"


def test_retrying_a_knowledge_base_takes_only_what_stopped_and_is_still_there(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    made = {}
    for name, state in (("a", State.FAILED), ("b", State.CANCELLED), ("c", State.READY)):
        outcome = uploading.upload(
            actor=alice, knowledge_base=knowledge_base, file=file_of(f"Text {name}", f"{name}.md")
        )
        DocumentVersion.objects.filter(pk=outcome.version.pk).update(state=state)
        made[name] = outcome
    gone = uploading.upload(
        actor=alice, knowledge_base=knowledge_base, file=file_of("Text d", "d.md")
    )
    DocumentVersion.objects.filter(pk=gone.version.pk).update(state=State.FAILED)
    curating.delete_document(actor=alice, document=gone.document)

    assert uploading.retry_failed(actor=alice, knowledge_base=knowledge_base) == 2
    states = dict(DocumentVersion.objects.values_list("pk", "state"))
    assert states[made["a"].version.pk] == State.PENDING
    assert states[made["c"].version.pk] == State.READY
    assert states[gone.version.pk] == State.FAILED


def test_names_with_folders_in_them_do_not_leave_ours(
    alice: User, knowledge_base: KnowledgeBase, media: Path
) -> None:
    file = File(io.BytesIO(SLEEP.encode()), name="../../etc/passwd.md")
    outcome = uploading.upload(actor=alice, knowledge_base=knowledge_base, file=file)
    assert outcome.version.filename == "passwd.md"
    (path,) = stored(media)
    assert path.is_relative_to(Path(settings.MEDIA_ROOT))
