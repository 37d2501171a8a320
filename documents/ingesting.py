"""A folder of files, taken through the ordinary upload and followed until each is done.

An archive is handed to the workers as on the upload page, and its files are followed like others.
Nothing is kept about a run: what is stored is found again by its bytes, so that a second run goes
on where the first one ended, however that was.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, TypeVar

from django.core.files.base import File
from django.db import InterfaceError, OperationalError, connection

from documents import delivering, uploading
from documents.deliveries import DeliveredFile, Delivery
from documents.models import DocumentVersion, KnowledgeBase
from documents.parsing.registry import SUPPORTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from accounts.models import User
    from documents.folders import FoundFile, Skipped

T = TypeVar("T")
Outcome = Literal["stored", "known", "refused", "unsupported"]
State = DocumentVersion.State

POLL_S = 1.0
PATIENCE_S = 60.0
"""A database that restarts is waited for so long."""
_AT_ONCE = 5_000
"""Ids asked for in one query."""


@dataclass(slots=True)
class Entry:
    """One file of the run. ``code`` is as in ``documents.problems``, empty when all is well."""

    name: str
    outcome: Outcome
    code: str = ""
    document_id: int | None = None
    version_id: int | None = None
    state: str = ""
    """The version's state when last looked at; empty for a file that was not taken."""

    @property
    def has_failed(self) -> bool:
        if self.code == "superseded":  # an older version of a document that has a newer one
            return False
        return self.outcome == "refused" or self.state in {State.FAILED, State.CANCELLED}

    @property
    def is_waiting(self) -> bool:
        return self.version_id is not None and self.state not in DocumentVersion.FINAL


@dataclass(slots=True)
class Archive:
    """An archive of the run, which a worker takes apart. Its files become entries of the run."""

    name: str
    delivery_id: int
    state: str
    """The delivery's state when last looked at."""
    code: str = ""
    """Why it ended early, as in ``documents.delivery_problems``."""
    waiting: int = 0
    """Files that are known to be in it and are not settled yet."""
    settled: set[int] = field(default_factory=set)
    """Ids of its files that are entries of the run already."""

    @property
    def is_waiting(self) -> bool:
        return self.state in Delivery.UNFINISHED

    @property
    def has_failed(self) -> bool:
        return not self.is_waiting and self.state != Delivery.State.DONE


@dataclass(slots=True)
class Ingest:
    """What became of a run so far."""

    entries: list[Entry] = field(default_factory=list)
    archives: list[Archive] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    not_tried: int = 0
    """Files left when the run was stopped or the disk was full."""
    stopped: bool = False
    paused: bool = False
    """Whether it was not followed to the end because the knowledge base is paused."""

    def count(self, outcome: Outcome) -> int:
        return sum(entry.outcome == outcome for entry in self.entries)

    def unsupported(self) -> Counter[str]:
        """Files of formats that are not read, by ending; ``""`` for none."""
        return Counter(
            PurePath(entry.name).suffix.lower()
            for entry in self.entries
            if entry.outcome == "unsupported"
        )

    def failures(self) -> dict[str, list[str]]:
        """Names of failed files by code, the most frequent code first."""
        found: dict[str, list[str]] = {}
        for entry in self.entries:
            if entry.has_failed:
                found.setdefault(entry.code or entry.state, []).append(entry.name)
        for archive in self.archives:
            if archive.has_failed:
                found.setdefault(archive.code or archive.state, []).append(archive.name)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    @property
    def waiting(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.is_waiting]

    @property
    def unpacking(self) -> list[Archive]:
        """Archives that a worker has not taken apart yet."""
        return [archive for archive in self.archives if archive.is_waiting]

    @property
    def is_complete(self) -> bool:
        """Whether nothing failed, was left over, or kept from being read."""
        return not (self.stopped or self.not_tried or self.failures())


def take(
    run: Ingest,
    files: Iterable[FoundFile],
    *,
    actor: User,
    base: KnowledgeBase,
    retry_failed: bool = False,
    on_entry: Callable[[Entry], None],
    should_stop: Callable[[], bool],
) -> None:
    """Hand each file to ``uploading.upload``, or an archive to ``delivering``, and note it in
    ``run``.

    One that is refused harms no other; a full disk ends the run, since each further file would
    meet it. ``should_stop`` is asked between files, so that none is left half stored. With
    ``retry_failed`` what is stored but failed is queued again.
    """
    left = list(files)
    for position, file in enumerate(left):
        if should_stop():
            run.stopped = True
            run.not_tried = len(left) - position
            return
        entry = _patiently(partial(_take, file, actor, base, retry_failed=retry_failed))
        if isinstance(entry, Archive):
            if all(archive.delivery_id != entry.delivery_id for archive in run.archives):
                run.archives.append(entry)
                continue
            entry = Entry(file.name, "known")  # the same archive again, while that one waits
        run.entries.append(entry)
        on_entry(entry)
        if entry.outcome == "refused" and entry.code == "disk_full":
            run.not_tried = len(left) - position - 1
            return


def follow(
    run: Ingest,
    *,
    actor: User,
    base: KnowledgeBase,
    retry_failed: bool = False,
    on_entry: Callable[[Entry], None],
    on_poll: Callable[[], None],
    should_stop: Callable[[], bool],
    poll_s: float = POLL_S,
) -> None:
    """Look at what waits until each is final, the base is paused, or ``should_stop`` says so.

    ``on_entry`` is called for each file that came out of an archive, ``on_poll`` after each look.
    A document that was deleted meanwhile is no longer waited for.
    """
    while True:
        for archive in run.unpacking:
            for entry in _patiently(partial(_came_out, archive)):
                if retry_failed:
                    _patiently(partial(_retry, entry, actor))
                run.entries.append(entry)
                on_entry(entry)
            if archive.has_failed:
                run.not_tried += archive.waiting
        _patiently(lambda: _look(run))
        on_poll()
        if not run.waiting and not run.unpacking:
            return
        if _patiently(lambda: KnowledgeBase.objects.filter(pk=base.pk, is_paused=True).exists()):
            run.paused = True
            return
        if should_stop():
            run.stopped = True
            return
        time.sleep(poll_s)


def _take(
    file: FoundFile, actor: User, base: KnowledgeBase, *, retry_failed: bool
) -> Entry | Archive:
    try:
        opened = file.path.open("rb")
    except OSError:
        return Entry(file.name, "refused", "unreadable")
    with opened:
        given_file = File(opened, name=PurePath(file.name).name)
        try:
            if delivering.is_archive(file.name):
                asked = delivering.request_archive(
                    actor=actor, knowledge_base=base, file=given_file
                )
                return Archive(file.name, asked.delivery.pk, asked.delivery.state)
            given = uploading.upload(actor=actor, knowledge_base=base, file=given_file)
        except uploading.UploadRefused as refusal:
            return _refused(file.name, refusal.code)
    version = given.version
    entry = Entry(
        file.name,
        "known" if given.duplicate else "stored",
        version.error_code,
        given.document.pk,
        version.pk,
        version.state,
    )
    if retry_failed:
        _retry(entry, actor)
    return entry


def _retry(entry: Entry, actor: User) -> None:
    """Queue the entry's document again if its processing failed."""
    if entry.version_id is None or not entry.has_failed:
        return
    version = DocumentVersion.objects.select_related("document").get(pk=entry.version_id)
    if uploading.reprocess(actor=actor, document=version.document):
        entry.state, entry.code = State.PENDING, ""


def _came_out(archive: Archive) -> list[Entry]:
    """Files of the archive that were settled since the last look, and its state in ``archive``."""
    # First the state: after a final one no file is settled any more.
    row = Delivery.objects.filter(pk=archive.delivery_id).first()
    archive.state = row.state if row is not None else Delivery.State.CANCELLED
    archive.code = row.error_code if row is not None else "deleted"
    files = DeliveredFile.objects.filter(delivery=archive.delivery_id).order_by("position")
    archive.waiting = files.filter(outcome=DeliveredFile.Outcome.WAITING).count()
    settled = list(
        files.exclude(outcome=DeliveredFile.Outcome.WAITING).exclude(pk__in=archive.settled)
    )
    archive.settled.update(file.pk for file in settled)
    versions = _newest_versions(file.document_id for file in settled)
    return [_entry_of(archive, file, versions) for file in settled]


def _entry_of(archive: Archive, file: DeliveredFile, versions: dict[int, DocumentVersion]) -> Entry:
    name = f"{archive.name}/{file.name}"
    if file.outcome == DeliveredFile.Outcome.REFUSED:
        return _refused(name, file.code)
    outcome: Outcome = "stored" if file.outcome == DeliveredFile.Outcome.STORED else "known"
    version = versions.get(file.document_id or 0)
    if version is None:
        return Entry(name, outcome, "deleted", state=State.CANCELLED)
    return Entry(name, outcome, version.error_code, version.document_id, version.pk, version.state)


def _newest_versions(documents: Iterable[int | None]) -> dict[int, DocumentVersion]:
    """Document id -> its newest version; none for a document that was deleted."""
    versions = DocumentVersion.objects.filter(
        document__in=[pk for pk in documents if pk is not None], document__deleted_at=None
    )
    return {version.document_id: version for version in versions.order_by("number")}


def _refused(name: str, code: str) -> Entry:
    # A film that is too large is first of all a film.
    is_read = PurePath(name).suffix.lower() in SUPPORTED or delivering.is_archive(name)
    if code in {"too_large", "empty"} and not is_read:
        code = "unsupported"
    return Entry(name, "unsupported" if code == "unsupported" else "refused", code)


def _look(run: Ingest) -> None:
    waiting = run.waiting
    found: dict[int, tuple[str, str]] = {}
    ids = [entry.version_id for entry in waiting if entry.version_id is not None]
    for start in range(0, len(ids), _AT_ONCE):
        rows = DocumentVersion.objects.filter(
            pk__in=ids[start : start + _AT_ONCE], document__deleted_at=None
        ).values_list("pk", "state", "error_code")
        found |= {pk: (state, code) for pk, state, code in rows}
    for entry in waiting:
        gone = (State.CANCELLED.value, "deleted")
        entry.state, entry.code = found.get(entry.version_id or 0, gone)


def _patiently(action: Callable[[], T]) -> T:
    """What ``action`` gives, tried again while the database cannot be reached."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError):
            if time.monotonic() > give_up_at:
                raise
            if not connection.in_atomic_block:  # a caller's transaction is not ours to end
                connection.close_if_unusable_or_obsolete()
            time.sleep(POLL_S)
