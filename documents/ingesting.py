"""A folder of files, taken through the ordinary upload and followed until each is done.

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

from documents import uploading
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
class Ingest:
    """What became of a run so far."""

    entries: list[Entry] = field(default_factory=list)
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
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    @property
    def waiting(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.is_waiting]

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
    """Hand each file to ``uploading.upload`` and note in ``run`` what became of it.

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
        run.entries.append(entry)
        on_entry(entry)
        if entry.outcome == "refused" and entry.code == "disk_full":
            run.not_tried = len(left) - position - 1
            return


def follow(
    run: Ingest,
    *,
    base: KnowledgeBase,
    on_poll: Callable[[], None],
    should_stop: Callable[[], bool],
    poll_s: float = POLL_S,
) -> None:
    """Look at the versions until each is final, the base is paused, or ``should_stop`` says so.

    ``on_poll`` is called after each look. One that was deleted meanwhile is no longer waited for.
    """
    while True:
        _patiently(lambda: _look(run))
        on_poll()
        if not run.waiting:
            return
        if _patiently(lambda: KnowledgeBase.objects.filter(pk=base.pk, is_paused=True).exists()):
            run.paused = True
            return
        if should_stop():
            run.stopped = True
            return
        time.sleep(poll_s)


def _take(file: FoundFile, actor: User, base: KnowledgeBase, *, retry_failed: bool) -> Entry:
    try:
        opened = file.path.open("rb")
    except OSError:
        return Entry(file.name, "refused", "unreadable")
    with opened:
        try:
            given = uploading.upload(
                actor=actor,
                knowledge_base=base,
                file=File(opened, name=PurePath(file.name).name),
            )
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
    if (
        retry_failed
        and entry.has_failed
        and uploading.reprocess(actor=actor, document=given.document)
    ):
        entry.state, entry.code = State.PENDING, ""
    return entry


def _refused(name: str, code: str) -> Entry:
    # A film that is too large is first of all a film.
    if code in {"too_large", "empty"} and PurePath(name).suffix.lower() not in SUPPORTED:
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
