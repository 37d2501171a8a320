"""Who works on a version: claimed by a conditional UPDATE, kept by a heartbeat, fenced by attempt.

A worker that was given up for dead may still be running. Every write here names the attempt it
belongs to, so what comes late changes nothing: the writer gets ``ClaimLost`` and stops.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from documents.models import DocumentVersion, ProcessingStage

if TYPE_CHECKING:
    from django.db.models import QuerySet

State = DocumentVersion.State
Stage = ProcessingStage.Stage

HEARTBEAT_EXPIRES = timedelta(minutes=5)
"""A worker that has not written for so long is given up; longer than any one step takes."""
RING_AGAIN_AFTER = timedelta(minutes=1)
"""A version that waits for so long while no worker is busy was not heard of."""
RETRY_AFTER = timedelta(minutes=10)
"""The same for one that waits because of a model: the task's own retry comes sooner."""
MOST_LOSSES = 3
"""A version whose worker died so often is not tried again by itself."""
MOST_POSTPONEMENTS = 6
"""Nor one that a model failed so often."""

_STATE_OF_STAGE = {
    Stage.PARSE: State.PARSING,
    Stage.CHUNK: State.CHUNKING,
    Stage.EMBED: State.EMBEDDING,
    Stage.INDEX: State.EMBEDDING,
}


class ClaimLost(Exception):
    """The version is no longer this worker's: cancelled, given up, or claimed by another."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to process one version, for one attempt."""

    version_id: int
    attempt: int

    def rows(self) -> QuerySet[DocumentVersion]:
        """The version's row as long as the claim holds, else no row."""
        return DocumentVersion.objects.filter(
            pk=self.version_id, attempt=self.attempt, state__in=DocumentVersion.RUNNING
        )

    def holds(self) -> bool:
        return self.rows().exists()


def claim(version_id: int) -> Claim | None:
    """Take a waiting version. None when it is not waiting, gone, or its knowledge base paused."""
    now = timezone.now()
    taken = DocumentVersion.objects.filter(
        pk=version_id,
        state=State.PENDING,
        knowledge_base__is_paused=False,
    ).update(
        state=State.PARSING,
        attempt=F("attempt") + 1,
        worker=f"{socket.gethostname()}:{os.getpid()}"[:120],
        heartbeat_at=now,
        started_at=now,
        finished_at=None,
        progress_done=0,
        progress_total=0,
        error_code="",
        error_detail="",
    )
    if not taken:
        return None
    attempt = DocumentVersion.objects.values_list("attempt", flat=True).get(pk=version_id)
    return Claim(version_id, attempt)


def begin(claim: Claim, stage: ProcessingStage.Stage, *, total: int = 0) -> None:
    """Enter a stage; the one before is done. Raises ``ClaimLost``."""
    _write(
        claim,
        state=_STATE_OF_STAGE[stage],
        heartbeat_at=timezone.now(),
        progress_done=0,
        progress_total=total,
    )
    _close_stage(claim, ProcessingStage.State.DONE)
    # Entered again when what was computed was overtaken and has to be computed anew.
    ProcessingStage.objects.update_or_create(
        version_id=claim.version_id,
        stage=stage,
        attempt=claim.attempt,
        defaults={
            "state": ProcessingStage.State.RUNNING,
            "progress_done": 0,
            "progress_total": total,
            "started_at": timezone.now(),
            "finished_at": None,
        },
    )


def progress(claim: Claim, done: int) -> None:
    """Say how far the present stage is, which is the heartbeat too. Raises ``ClaimLost``."""
    _write(claim, heartbeat_at=timezone.now(), progress_done=done)
    _running_stage(claim).update(progress_done=done)


def finish(claim: Claim, **values: Any) -> None:
    """The version is ready. Raises ``ClaimLost``. Call it in the transaction of the swap."""
    _write(
        claim,
        state=State.READY,
        lost_attempts=0,
        finished_at=timezone.now(),
        progress_done=F("progress_total"),
        **values,
    )
    _close_stage(claim, ProcessingStage.State.DONE)


def fail(claim: Claim, code: str, detail: str = "") -> None:
    """The version cannot be processed. Raises ``ClaimLost``."""
    _write(
        claim,
        state=State.FAILED,
        finished_at=timezone.now(),
        error_code=code[:40],
        error_detail=detail[:500],
    )
    _close_stage(claim, ProcessingStage.State.FAILED, code, detail)


def cancel(claim: Claim, code: str) -> None:
    """What the version was processed for is gone. Raises ``ClaimLost``."""
    _write(claim, state=State.CANCELLED, finished_at=timezone.now(), error_code=code)
    _close_stage(claim, ProcessingStage.State.FAILED, code)


def postpone(claim: Claim, code: str, detail: str = "") -> bool:
    """Back to waiting, with the reason; failed instead, and False, when that came too often.

    Raises ``ClaimLost``.
    """
    again = claim.rows().filter(lost_attempts__lt=MOST_POSTPONEMENTS - 1)
    postponed = again.update(
        state=State.PENDING,
        lost_attempts=F("lost_attempts") + 1,
        heartbeat_at=timezone.now(),
        error_code=code[:40],
        error_detail=detail[:500],
    )
    if postponed:
        _close_stage(claim, ProcessingStage.State.FAILED, code, detail)
    else:
        fail(claim, code, detail)
    return bool(postponed)


def give_up_lost() -> int:
    """Set versions whose worker fell silent back to waiting, or fail them. Returns how many."""
    silent = DocumentVersion.objects.filter(
        state__in=DocumentVersion.RUNNING, heartbeat_at__lt=timezone.now() - HEARTBEAT_EXPIRES
    )
    count = 0
    for version_id, attempt in silent.values_list("pk", "attempt"):
        lost = Claim(version_id, attempt)
        still_silent = lost.rows().filter(heartbeat_at__lt=timezone.now() - HEARTBEAT_EXPIRES)
        changed = still_silent.filter(lost_attempts__lt=MOST_LOSSES - 1).update(
            state=State.PENDING, lost_attempts=F("lost_attempts") + 1, heartbeat_at=None
        ) or still_silent.update(
            state=State.FAILED,
            lost_attempts=F("lost_attempts") + 1,
            finished_at=timezone.now(),
            error_code="lost",
        )
        if changed:
            _close_stage(lost, ProcessingStage.State.FAILED, "lost")
            count += 1
    return count


def unheard() -> list[int]:
    """Versions that wait although no worker is busy, oldest first: their message was lost.

    Each is named at most once per ``RING_AGAIN_AFTER``.
    """
    now = timezone.now()
    busy = DocumentVersion.objects.filter(
        state__in=DocumentVersion.RUNNING, heartbeat_at__gte=now - HEARTBEAT_EXPIRES
    )
    if busy.exists():
        return []
    waiting = (
        DocumentVersion.objects.filter(state=State.PENDING, knowledge_base__is_paused=False)
        .annotate(since=Coalesce("heartbeat_at", "created_at"))
        .filter(Q(error_code="", since__lt=now - RING_AGAIN_AFTER) | Q(since__lt=now - RETRY_AFTER))
    )
    found = list(waiting.order_by("created_at").values_list("pk", flat=True))
    DocumentVersion.objects.filter(pk__in=found, state=State.PENDING).update(heartbeat_at=now)
    return found


def _write(claim: Claim, **values: Any) -> None:
    if not claim.rows().update(**values):
        raise ClaimLost


def _running_stage(claim: Claim) -> QuerySet[ProcessingStage]:
    return ProcessingStage.objects.filter(
        version_id=claim.version_id, attempt=claim.attempt, state=ProcessingStage.State.RUNNING
    )


def _close_stage(
    claim: Claim, state: ProcessingStage.State, code: str = "", detail: str = ""
) -> None:
    _running_stage(claim).update(
        state=state, finished_at=timezone.now(), error_code=code[:40], error_detail=detail[:500]
    )
