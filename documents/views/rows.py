"""What the list and the page of a document show of its processing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, OuterRef, Subquery
from django.utils import timezone

from documents.models import Chunk, DocumentVersion
from documents.problems import explain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accounts.models import User
    from documents.models import Document, ProcessingStage
    from documents.problems import Problem
    from documents.querysets import DocumentQuerySet

State = DocumentVersion.State
UNFINISHED = (State.PENDING, *DocumentVersion.RUNNING)
STOPPED = (State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document with its newest version, and how far that is."""

    document: Document
    version: DocumentVersion | None
    stages: tuple[ProcessingStage, ...]
    """Stages of the present attempt, in the order they began."""
    passages: int
    """How many passages of it are searched now."""

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
    def badge(self) -> str:
        """The colour of the state's badge."""
        return "" if self.version is None else badge_of(self.version)

    @property
    def elapsed(self) -> str:
        """Minutes and seconds of processing so far, or in all; empty before it begins."""
        if self.version is None or self.version.started_at is None:
            return ""
        end = self.version.finished_at or timezone.now()
        seconds = max(0, int((end - self.version.started_at).total_seconds()))
        return f"{seconds // 60}:{seconds % 60:02}"


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
    """One row per document that ``with_newest`` gave, by three queries however many there are."""
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
    return [
        _row(document, versions.get(pk), counts.get(document.pk, 0))
        for document, pk in zip(documents, newest, strict=True)
    ]


def _row(document: Document, version: DocumentVersion | None, passages: int) -> DocumentRow:
    stages: list[ProcessingStage] = []
    if version is not None:
        stages = [stage for stage in version.stages.all() if stage.attempt == version.attempt]
    return DocumentRow(
        document=document,
        version=version,
        stages=tuple(sorted(stages, key=lambda stage: stage.pk)),
        passages=passages,
    )
