"""``manage.py ingest``: a folder in, gone on with after any end, with reasons for what failed."""

from __future__ import annotations

import io
import json
import os
import signal
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from accounts.models import AuditEvent
from documents import curating, delivery_tasks, indexing, ingesting, terminal, uploading
from documents.deliveries import Delivery
from documents.models import Document, DocumentVersion, KnowledgeBase, Membership
from documents.uploading import UploadRefused
from tests.integration.documents_services.conftest import SLEEP

if TYPE_CHECKING:
    from pytest_django import Settings

    from accounts.models import User

State = DocumentVersion.State


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "papers"
    (made / "deep").mkdir(parents=True)
    (made / "sleep.md").write_text(SLEEP)
    (made / "deep" / "tea.txt").write_text("Green tea has less caffeine than coffee.")
    (made / "deep" / "again.md").write_text(SLEEP)
    (made / "empty.md").write_text("")
    (made / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (made / ".hidden.md").write_text("secret")
    (made / "away.md").symlink_to("/etc/passwd")
    return made


def work() -> None:
    """What a worker does: each waiting archive is unpacked, each waiting version processed."""
    for pk in Delivery.objects.filter(state=Delivery.State.PENDING).values_list("pk", flat=True):
        delivery_tasks.unpack_archive(pk)
    for pk in DocumentVersion.objects.filter(state=State.PENDING).values_list("pk", flat=True):
        indexing.index_document(pk)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that works while the command waits."""
    monkeypatch.setattr("documents.ingesting.time.sleep", lambda _seconds: work())


def run(path: Path, *arguments: str, fails: str = "") -> tuple[str, str]:
    """What the command printed, and what it said meanwhile. ``fails``: the error it ends with."""
    out, said = io.StringIO(), io.StringIO()
    given = [str(path), "--kb", "health", "--user", "alice", *arguments]
    if fails:
        with pytest.raises(CommandError, match=fails):
            call_command("ingest", *given, stdout=out, stderr=said)
    else:
        call_command("ingest", *given, stdout=out, stderr=said)
    return out.getvalue(), said.getvalue()


def test_a_folder_is_stored_followed_and_summed_up(
    alice: User, knowledge_base: KnowledgeBase, folder: Path, worker: None
) -> None:
    printed, said = run(folder, fails="Not everything is ready")
    names = DocumentVersion.objects.values_list("filename", flat=True)
    assert set(names) == {"again.md", "tea.txt"}
    assert set(DocumentVersion.objects.values_list("state", flat=True)) == {State.READY}
    assert AuditEvent.objects.filter(action="document.upload", actor=alice).count() == 2
    assert (
        "5 files: 2 stored, 1 there already, 1 refused, 1 of a format that is not read" in printed
    )
    assert "Ready 3, failed 0, still waiting 0" in printed
    assert "Not read: .mp4 1" in printed
    assert "empty (1): The file is empty. Upload a file that has some content." in printed
    assert "  empty.md" in printed
    assert "skipped .hidden.md: hidden" in said
    assert "skipped away.md: a link out of the folder" in said
    assert "there already: sleep.md" in said
    assert "3 of 3 documents processed" in said
    assert "\r" not in said, "a log gets lines"


def test_a_second_run_stores_nothing_and_says_so(
    alice: User, knowledge_base: KnowledgeBase, folder: Path, worker: None
) -> None:
    (folder / "empty.md").unlink()
    run(folder)
    printed, _ = run(folder)
    assert "4 files: 3 there already" in printed
    assert DocumentVersion.objects.count() == 2


def test_other_bytes_under_the_same_name_are_stored(
    alice: User, knowledge_base: KnowledgeBase, folder: Path, worker: None
) -> None:
    run(folder / "deep" / "tea.txt")
    (folder / "deep" / "tea.txt").write_text("Black tea has more.")
    printed, _ = run(folder / "deep" / "tea.txt")
    assert "1 file: 1 stored" in printed
    assert DocumentVersion.objects.filter(filename="tea.txt").count() == 2


def test_what_another_knowledge_base_has_is_stored_here_too(
    alice: User, knowledge_base: KnowledgeBase, folder: Path, worker: None
) -> None:
    other = KnowledgeBase.objects.create(name="Other", slug="other", created_by=alice)
    Membership.objects.create(knowledge_base=other, user=alice, roles=["owner"])
    run(folder / "sleep.md")
    call_command("ingest", folder / "sleep.md", kb="other", user="alice", stdout=io.StringIO())
    assert DocumentVersion.objects.filter(knowledge_base=other).count() == 1


def test_without_waiting_the_documents_are_left_to_the_workers(
    alice: User, knowledge_base: KnowledgeBase, folder: Path
) -> None:
    printed, _ = run(folder / "deep", "--no-wait")
    assert "still waiting 2" in printed
    assert set(DocumentVersion.objects.values_list("state", flat=True)) == {State.PENDING}


def test_a_document_that_fails_is_named_with_its_reason_and_can_be_tried_again(
    alice: User,
    knowledge_base: KnowledgeBase,
    folder: Path,
    worker: None,
) -> None:
    broken = folder / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\n" + b"nothing" * 40)
    printed, _ = run(broken, fails="Not everything is ready")
    assert "Ready 0, failed 1" in printed
    assert "truncated (1): The file is damaged or incomplete" in printed
    again, _ = run(broken, fails="Not everything is ready")
    assert "1 there already" in again
    assert "truncated (1)" in again
    assert DocumentVersion.objects.get().attempt == 1, "only --retry-failed queues it again"
    run(broken, "--retry-failed", fails="Not everything is ready")
    assert DocumentVersion.objects.get().attempt == 2


def test_one_file_that_cannot_be_opened_harms_no_other(
    alice: User,
    knowledge_base: KnowledgeBase,
    folder: Path,
    worker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = Path.open

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.name == "again.md":
            raise PermissionError
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    printed, _ = run(folder / "deep", fails="Not everything is ready")
    assert "unreadable (1): The file or folder cannot be opened." in printed
    assert DocumentVersion.objects.get().filename == "tea.txt"


def test_json_holds_every_file_and_nothing_else_is_printed(
    alice: User, knowledge_base: KnowledgeBase, folder: Path, worker: None
) -> None:
    printed, _ = run(folder, "--json", fails="Not everything is ready")
    told = json.loads(printed)
    assert told["counts"] == {
        "stored": 2,
        "known": 1,
        "refused": 1,
        "unsupported": 1,
        "skipped": 2,
        "not_tried": 0,
        "waiting": 0,
    }
    states = {one["name"]: one["state"] for one in told["files"] if one["version"]}
    assert states == dict.fromkeys(("deep/again.md", "deep/tea.txt", "sleep.md"), "ready")
    (failure,) = told["failures"]
    assert (failure["code"], failure["files"]) == ("empty", ["empty.md"])
    assert failure["sentence"]
    assert failure["remedy"]
    assert told["unsupported"] == {".mp4": 1}
    assert {one["reason"] for one in told["skipped"]} == {"hidden", "link_out"}


def test_a_file_too_large_of_a_format_that_is_not_read_is_no_failure(
    alice: User, knowledge_base: KnowledgeBase, folder: Path, worker: None, settings: Settings
) -> None:
    settings.RAGSITE_MAX_UPLOAD_MB = 0
    printed, _ = run(folder / "film.mp4", fails="No file was taken")
    assert "Not read: .mp4 1" in printed
    printed, _ = run(folder / "sleep.md", fails="No file was taken")
    assert "too_large (1)" in printed


def test_ctrl_c_ends_between_files_and_the_next_run_goes_on(
    alice: User,
    knowledge_base: KnowledgeBase,
    folder: Path,
    worker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "empty.md").unlink()
    upload = uploading.upload

    def interrupted(**kwargs: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return upload(**kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(uploading, "upload", interrupted)
        printed, _ = run(folder, fails="run this again to go on")
    assert "4 files: 1 stored, 3 not tried" in printed
    version = DocumentVersion.objects.get()
    with version.original.open("rb") as original:
        assert original.read()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run(folder)
    assert DocumentVersion.objects.filter(state=State.READY).count() == 2


def test_ctrl_c_while_waiting_leaves_the_documents_queued(
    alice: User,
    knowledge_base: KnowledgeBase,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "documents.ingesting.time.sleep", lambda _seconds: os.kill(os.getpid(), signal.SIGTERM)
    )
    printed, _ = run(folder / "sleep.md", fails="run this again to go on")
    assert "still waiting 1" in printed
    assert DocumentVersion.objects.get().state == State.PENDING


def test_a_full_disk_ends_the_run_and_says_what_is_left(
    alice: User,
    knowledge_base: KnowledgeBase,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(**_: Any) -> Any:
        raise UploadRefused("disk_full", "")

    monkeypatch.setattr(uploading, "upload", full)
    printed, _ = run(folder, fails="No file was taken")
    assert "5 files: 1 refused, 4 not tried" in printed
    assert "disk_full (1)" in printed


def test_a_paused_knowledge_base_takes_files_and_is_not_waited_for(
    alice: User, knowledge_base: KnowledgeBase, folder: Path
) -> None:
    KnowledgeBase.objects.update(is_paused=True)
    printed, said = run(folder / "deep")
    assert "still waiting 2" in printed
    assert "The knowledge base is paused" in said


def test_a_document_deleted_meanwhile_is_not_waited_for(
    alice: User,
    knowledge_base: KnowledgeBase,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def delete(_seconds: float) -> None:
        curating.delete_document(actor=alice, document=Document.objects.get())

    monkeypatch.setattr("documents.ingesting.time.sleep", delete)
    printed, _ = run(folder / "sleep.md", fails="Not everything is ready")
    assert "deleted (1): The document was deleted" in printed


def test_a_database_that_restarts_is_waited_for(
    alice: User,
    knowledge_base: KnowledgeBase,
    folder: Path,
    worker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload, times = uploading.upload, iter([OperationalError("restarting")])

    def restarting(**kwargs: Any) -> Any:
        for error in times:
            raise error
        return upload(**kwargs)

    monkeypatch.setattr(uploading, "upload", restarting)
    run(folder / "sleep.md")
    assert DocumentVersion.objects.get().state == State.READY


def test_a_database_that_stays_away_ends_the_run_with_a_sentence(
    alice: User,
    knowledge_base: KnowledgeBase,
    folder: Path,
    worker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(**_: Any) -> Any:
        raise OperationalError("away")

    monkeypatch.setattr(uploading, "upload", away)
    monkeypatch.setattr(ingesting, "PATIENCE_S", 0.0)
    run(folder / "sleep.md", fails="database cannot be reached")


@pytest.mark.parametrize(
    ("user", "slug", "words"),
    [
        ("bob", "health", "no such knowledge base"),
        ("charlie", "health", "no such knowledge base"),
        ("alice", "gone", "no such knowledge base"),
        ("nobody", "health", "no active user nobody"),
        ("", "health", "no administrator"),
    ],
)
def test_only_who_curates_the_knowledge_base_may(
    knowledge_base: KnowledgeBase, charlie: User, folder: Path, user: str, slug: str, words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("ingest", folder, kb=slug, user=user, stdout=io.StringIO())
    assert not Document.objects.exists()


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_zip_within_a_folder_is_unpacked_by_the_worker_and_its_files_are_followed(
    alice: User,
    knowledge_base: KnowledgeBase,
    folder: Path,
    worker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(terminal, "SECONDS_BETWEEN_LINES", 0.0)
    (folder / "empty.md").unlink()
    inside = {"Food/tea.md": SLEEP, "Food/soup.md": "# Soup\n\nHot.", "no.md": "", "a.mp4": "x"}
    zipped(folder / "deep" / "more.ZIP", inside)
    zipped(folder / "twice.zip", inside).write_bytes((folder / "deep" / "more.ZIP").read_bytes())
    printed, said = run(folder, fails="Not everything is ready")
    assert (
        "9 files: 3 stored, 3 there already, 1 refused, 2 of a format that is not read" in printed
    )
    assert "Ready 5, failed 0, still waiting 0" in printed
    assert "Not read: .mp4 2" in printed
    assert "  deep/more.ZIP/no.md" in printed
    assert "refused deep/more.ZIP/no.md: The file is empty." in said
    assert "there already: twice.zip" in said
    assert "1 archive to unpack" in said
    assert "5 of 5 documents processed" in said
    assert Document.objects.get(title="Soup").tags == ["Food"]
    assert Delivery.objects.get().requested_by == alice


def test_a_zip_alone_can_be_left_to_the_workers_and_taken_again(
    alice: User, knowledge_base: KnowledgeBase, tmp_path: Path, worker: None
) -> None:
    path = zipped(tmp_path / "all.zip", {"sleep.md": SLEEP, "bad.pdf": "%PDF-1.7\n" + "no" * 99})
    printed, _ = run(path, "--no-wait")
    assert "Archives not unpacked yet: 1" in printed
    assert not Document.objects.exists()
    printed, _ = run(path, fails="Not everything is ready")
    assert "2 files: 2 stored" in printed
    assert "Ready 1, failed 1" in printed
    assert Delivery.objects.count() == 1, "the one that waited was gone on with"
    again, _ = run(path, "--retry-failed", fails="Not everything is ready")
    assert "2 files: 2 there already" in again
    attempts = DocumentVersion.objects.values_list("filename", "attempt")
    assert dict(attempts) == {"sleep.md": 1, "bad.pdf": 2}


def test_a_zip_of_which_nothing_can_be_taken_says_why(
    alice: User, knowledge_base: KnowledgeBase, tmp_path: Path, worker: None
) -> None:
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(b"PK\x03\x04" + b"nothing" * 9)
    printed, _ = run(damaged, "--json", fails="No file was taken")
    told = json.loads(printed)
    assert [one["state"] for one in told["archives"]] == ["failed"]
    assert [(one["code"], one["files"]) for one in told["failures"]] == [
        ("truncated", ["damaged.zip"])
    ]
    damaged.write_text("no archive at all")
    printed, _ = run(damaged, fails="No file was taken")
    assert "mislabelled (1)" in printed


def test_what_was_left_of_a_zip_when_the_disk_was_full_is_counted(
    alice: User,
    knowledge_base: KnowledgeBase,
    tmp_path: Path,
    worker: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload, times = uploading.upload, iter(range(1))

    def full(**kwargs: Any) -> Any:
        for _ in times:
            return upload(**kwargs)
        raise UploadRefused("disk_full", "")

    monkeypatch.setattr(uploading, "upload", full)
    path = zipped(tmp_path / "all.zip", {f"{n}.md": f"# {n}" for n in range(4)})
    printed, _ = run(path, fails="Not everything is ready")
    assert "4 files: 1 stored, 3 not tried" in printed
    assert "disk_full (1)" in printed


def test_a_path_that_is_not_there_and_an_empty_folder_are_said(
    knowledge_base: KnowledgeBase, tmp_path: Path
) -> None:
    run(tmp_path / "gone", fails="There is no file or folder")
    (tmp_path / "none").mkdir()
    run(tmp_path / "none", fails="No file was taken")
