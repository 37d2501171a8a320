"""What the list and the page of a document show of its processing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, OuterRef, Subquery
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from documents.models import Chunk, DocumentVersion
from documents.problems import explain, warnings_of
from documents.waiting import waits_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from accounts.models import User
    from documents.models import Document, ProcessingStage
    from documents.problems import PageWarning, Problem
    from documents.querysets import DocumentQuerySet
    from documents.waiting import Wait

State = DocumentVersion.State
UNFINISHED = (State.PENDING, *DocumentVersion.RUNNING)
STOPPED = (State.FAILED, State.CANCELLED)
FAR_AHEAD = 10


@dataclass(frozen=True, slots=True)
class StageLine:
    """One stage of the present attempt."""

    stage: ProcessingStage

    @property
    def took(self) -> str:
        """How long it took, or has taken so far."""
        return clock(self.stage.started_at, self.stage.finished_at)


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document with its newest version, and how far that is."""

    document: Document
    version: DocumentVersion | None
    stages: tuple[StageLine, ...]
    """Stages of the present attempt, in the order they began."""
    passages: int
    """How many passages of it are searched now."""
    wait: Wait | None = None
    """What it waits for, if it waits."""

    @property
    def is_processing(self) -> bool:
        return self.version is not None and not self.version.is_final

    @property
    def problem(self) -> Problem | None:
        """Why it stopped or waits, with the remedy; None when nothing is wrong."""
        if self.version is None or not self.version.error_code:
            return None
        return explain(self.version.error_code)

    @property
    def warnings(self) -> list[PageWarning]:
        """What is less than perfect about it though it is ready."""
        if self.version is None or self.version.state != State.READY:
            return []
        return warnings_of(self.version.metadata)

    @property
    def badge(self) -> str:
        """The colour of the state's badge."""
        return "" if self.version is None else badge_of(self.version)

    @property
    def waits_for(self) -> str:
        """A sentence that says what it waits for; empty when it does not wait."""
        return "" if self.wait is None else words_of(self.wait)

    @property
    def asks_every(self) -> str:
        """How often its row asks for itself: seldom while it has long to wait."""
        return "2s" if self.wait is None or self.wait.ahead < FAR_AHEAD else "10s"

    @property
    def elapsed(self) -> str:
        """How long it has waited, or has been processed so far or in all; empty before that."""
        if self.version is None:
            return ""
        if self.version.state == State.PENDING:
            return clock(self.version.queued_at)
        if self.version.started_at is None:
            return ""
        return clock(self.version.started_at, self.version.finished_at)


def words_of(wait: Wait) -> str:
    """What a version waits for, as a sentence."""
    if wait.reason == "turn" and wait.ahead:
        said = ngettext(
            "Waiting: %(count)d document ahead.", "Waiting: %(count)d documents ahead.", wait.ahead
        )
        return said % {"count": wait.ahead}
    if wait.reason == "later" and wait.until is not None:
        at = time_format(timezone.localtime(wait.until), "H:i:s")
        return _("Waiting: tried again at %(time)s.") % {"time": at}
    return {
        "paused": _("Waiting: processing is paused in this knowledge base."),
        "alone": _("Waiting until nothing else is processed: its worker ended more than once."),
        "other_alone": _("Waiting for a document that has to be processed alone."),
    }.get(wait.reason, _("Waiting: next in turn."))


def clock(begun: datetime, ended: datetime | None = None) -> str:
    """From ``begun`` to ``ended`` or now, as ``3:05`` (minutes, seconds) or ``1:03:05``."""
    seconds = max(0, int(((ended or timezone.now()) - begun).total_seconds()))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def badge_of(version: DocumentVersion) -> str:
    """The colour of a badge that names the version's state."""
    if version.state == State.PENDING:
        return ""
    return {State.READY: "ok", State.FAILED: "bad", State.CANCELLED: "warn"}.get(
        State(version.state), "info"
    )


def with_newest(documents: DocumentQuerySet) -> DocumentQuerySet:
    """The documents, each with ``newest_id`` and ``newest_state`` of its newest version."""
    newest = DocumentVersion.objects.filter(document=OuterRef("pk")).order_by("-number")
    return documents.annotate(
        newest_id=Subquery(newest.values("pk")[:1]),
        newest_state=Subquery(newest.values("state")[:1]),
    )


def rows_of(viewer: User, documents: Iterable[Document]) -> list[DocumentRow]:
    """One row per document that ``with_newest`` gave, by few queries however many there are."""
    documents = list(documents)
    newest: list[int] = [getattr(document, "newest_id", None) or 0 for document in documents]
    versions = {
        version.pk: version
        for version in DocumentVersion.objects.filter(pk__in=newest).prefetch_related("stages")
    }
    counts = dict(
        Chunk.objects.visible_to(viewer)
        .filter(document__in=[document.pk for document in documents])
        .values_list("document")
        .annotate(count=Count("pk"))
    )
    waits = waits_of(versions.values())
    return [
        _row(document, versions.get(pk), counts.get(document.pk, 0), waits.get(pk))
        for document, pk in zip(documents, newest, strict=True)
    ]


def _row(
    document: Document, version: DocumentVersion | None, passages: int, wait: Wait | None
) -> DocumentRow:
    stages: list[ProcessingStage] = []
    if version is not None:
        stages = [stage for stage in version.stages.all() if stage.attempt == version.attempt]
    return DocumentRow(
        document=document,
        version=version,
        stages=tuple(StageLine(stage) for stage in sorted(stages, key=lambda stage: stage.pk)),
        passages=passages,
        wait=wait,
    )
