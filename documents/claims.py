"""Who works on a version: claimed by a conditional UPDATE, kept by a heartbeat, fenced by attempt.

A worker that was given up for dead may still be running. Every write here names the attempt it
belongs to, so what comes late changes nothing: the writer gets ``ClaimLost`` and stops.

Three ways an attempt can end early are counted apart: the document's own failure ends its
processing; what is away for a time postpones it; a lost worker is not the document's fault.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from documents.models import DocumentVersion, ProcessingStage
from documents.workers import is_gone, worker_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from django.db.models import QuerySet

State = DocumentVersion.State
Stage = ProcessingStage.Stage

HEARTBEAT_EXPIRES = timedelta(minutes=5)
"""A worker that has not written for so long is given up; longer than any one step takes."""
LOSSES_BEFORE_ALONE = 2
"""A version that lost so many workers is processed while nothing else is in work."""
MOST_LOSSES = LOSSES_BEFORE_ALONE + 3
"""After three more losses, while alone, it has failed: nothing else can have been the reason."""
ALONE_PAUSE = timedelta(seconds=30)
"""So long a version that runs alone lets others pass after a loss."""
MOST_POSTPONEMENTS = 48
"""About seven hours of waiting for what is away; then the version has failed."""
FIRST_POSTPONEMENT = timedelta(seconds=10)
LONGEST_POSTPONEMENT = timedelta(minutes=10)
"""Each postponement is twice as long as the one before, up to this."""

STATE_OF_STAGE = {
    Stage.PARSE: State.PARSING,
    Stage.CHUNK: State.CHUNKING,
    Stage.EMBED: State.EMBEDDING,
    Stage.INDEX: State.EMBEDDING,
}


ENTERED = ["state", "worker", "progress_done", "progress_total", "started_at", "finished_at"]


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

    def beat(self) -> bool:
        """Leave a sign of life. False when the claim does not hold any more."""
        return bool(self.rows().update(heartbeat_at=timezone.now()))


def claim(version_id: int) -> Claim | None:
    """Take a waiting version. None when it is not waiting, gone, or its knowledge base paused.

    Whose turn it is, is not asked here: see ``turns``.
    """
    now = timezone.now()
    taken = DocumentVersion.objects.filter(
        pk=version_id,
        state=State.PENDING,
        knowledge_base__is_paused=False,
    ).update(
        state=State.PARSING,
        attempt=F("attempt") + 1,
        worker=worker_name(),
        heartbeat_at=now,
        started_at=now,
        finished_at=None,
        not_before=None,
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
    now = timezone.now()
    entered = ProcessingStage(
        version_id=claim.version_id,
        stage=stage,
        attempt=claim.attempt,
        state=ProcessingStage.State.RUNNING,
        worker=worker_name(),
        progress_total=total,
        started_at=now,
    )
    with without_waiting_for_the_disk():
        _write(
            claim,
            state=STATE_OF_STAGE[stage],
            heartbeat_at=now,
            progress_done=0,
            progress_total=total,
        )
        _close_stage(claim, ProcessingStage.State.DONE)
        # Entered again when what was computed was overtaken and has to be computed anew.
        ProcessingStage.objects.bulk_create(
            [entered],
            update_conflicts=True,
            unique_fields=["version", "stage", "attempt"],
            update_fields=ENTERED,
        )


def progress(claim: Claim, done: int) -> None:
    """Say how far the present stage is, which is the heartbeat too. Raises ``ClaimLost``."""
    with without_waiting_for_the_disk():
        _write(claim, heartbeat_at=timezone.now(), progress_done=done)
        _running_stage(claim).update(progress_done=done)


def finish(claim: Claim, **values: Any) -> None:
    """The version is ready. Raises ``ClaimLost``. Call it in the transaction of the swap."""
    _write(
        claim,
        state=State.READY,
        lost_attempts=0,
        postponements=0,
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
    """Back to waiting for a while, with the reason; failed instead, and False, after too many.

    Raises ``ClaimLost``.
    """
    before = claim.rows().values_list("postponements", flat=True).first()
    if before is None:
        raise ClaimLost
    if before + 1 >= MOST_POSTPONEMENTS:
        fail(claim, code, detail)
        return False
    now = timezone.now()
    _write(
        claim,
        state=State.PENDING,
        postponements=before + 1,
        queued_at=now,
        not_before=now + _pause_after(before),
        heartbeat_at=None,
        error_code=code[:40],
        error_detail=detail[:500],
    )
    _close_stage(claim, ProcessingStage.State.FAILED, code, detail)
    return True


def _pause_after(postponements: int) -> timedelta:
    return min(LONGEST_POSTPONEMENT, FIRST_POSTPONEMENT * (1 << min(postponements, 10)))


# ---- from outside --------------------------------------------------------------------------------
def hasten(versions: QuerySet[DocumentVersion]) -> int:
    """Let those of ``versions`` that wait for their next try wait no longer. Returns how many."""
    return versions.filter(state=State.PENDING, not_before__gt=timezone.now()).update(
        not_before=None
    )


def wait_again(version_ids: Collection[int]) -> list[int]:
    """Set final versions back to the start, as if nothing had been tried. Returns which."""
    queued = []
    for pk in version_ids:
        reset = DocumentVersion.objects.filter(pk=pk, state__in=DocumentVersion.FINAL).update(
            state=State.PENDING,
            # Without the mark of what was indexed, processing cannot find that nothing changed.
            indexed_fingerprint="",
            lost_attempts=0,
            postponements=0,
            progress_done=0,
            progress_total=0,
            error_code="",
            error_detail="",
            queued_at=timezone.now(),
            not_before=None,
            started_at=None,
            finished_at=None,
            heartbeat_at=None,
        )
        if reset:
            queued.append(pk)
    return queued


def call_off(versions: QuerySet[DocumentVersion]) -> list[int]:
    """Cancel those of ``versions`` that wait or are in work. Returns which.

    A worker that has one finds out at its next write, and within seconds while it parses.
    """
    unfinished = versions.filter(state__in=[State.PENDING, *DocumentVersion.RUNNING])
    called_off = []
    for pk in list(unfinished.order_by("pk").values_list("pk", flat=True)):
        now = timezone.now()
        # Row by row, and asked again: a swap that is just being written is waited for, and wins.
        stopped = DocumentVersion.objects.filter(
            pk=pk, state__in=[State.PENDING, *DocumentVersion.RUNNING]
        ).update(state=State.CANCELLED, error_code="cancelled", not_before=None, finished_at=now)
        if stopped:
            called_off.append(pk)
    ProcessingStage.objects.filter(
        version__in=called_off, state=ProcessingStage.State.RUNNING
    ).update(state=ProcessingStage.State.FAILED, error_code="cancelled", finished_at=timezone.now())
    return called_off


def lose(claim: Claim) -> None:
    """The program that read the file was killed from outside: a loss, as of the whole worker.

    Raises ``ClaimLost``.
    """
    if not _lose(claim, claim.rows()):
        raise ClaimLost


def give_up_lost() -> int:
    """Take back versions whose worker fell silent or is known to be gone. Returns how many."""
    silent_since = timezone.now() - HEARTBEAT_EXPIRES
    running = DocumentVersion.objects.filter(state__in=DocumentVersion.RUNNING)
    count = 0
    for pk, attempt, worker, heartbeat in running.values_list(
        "pk", "attempt", "worker", "heartbeat_at"
    ):
        if not (heartbeat is None or heartbeat < silent_since or is_gone(worker)):
            continue
        # A sign of life since it was read proves the worker alive.
        lost = Claim(pk, attempt)
        if _lose(lost, lost.rows().filter(heartbeat_at=heartbeat)):
            count += 1
    return count


def set_back_all() -> int:
    """Let every version in work wait again: call it only while no worker runs. Returns how many.

    No loss is counted: that all of it was stopped at once is no version's doing.
    """
    running = DocumentVersion.objects.filter(state__in=DocumentVersion.RUNNING)
    with transaction.atomic():
        ProcessingStage.objects.filter(
            version__in=running, state=ProcessingStage.State.RUNNING
        ).update(
            state=ProcessingStage.State.FAILED,
            error_code="interrupted",
            finished_at=timezone.now(),
        )
        return running.update(**_waiting_anew())


def _waiting_anew() -> dict[str, Any]:
    return {
        "state": State.PENDING,
        "queued_at": timezone.now(),
        "heartbeat_at": None,
        "progress_done": 0,
    }


def _lose(lost: Claim, rows: QuerySet[DocumentVersion]) -> bool:
    """Note a loss of ``rows``, which is the row of ``lost`` or none: it waits again, or failed."""
    now = timezone.now()
    again = _waiting_anew()
    few = {"lost_attempts__lt": LOSSES_BEFORE_ALONE - 1}
    several = {"lost_attempts__range": (LOSSES_BEFORE_ALONE - 1, MOST_LOSSES - 2)}
    changed = (
        rows.filter(**few).update(**again, lost_attempts=F("lost_attempts") + 1)
        or rows.filter(**several).update(
            **again, lost_attempts=F("lost_attempts") + 1, not_before=now + ALONE_PAUSE
        )
        or rows.filter(lost_attempts__gte=MOST_LOSSES - 1).update(
            state=State.FAILED,
            lost_attempts=F("lost_attempts") + 1,
            finished_at=now,
            error_code="lost",
        )
    )
    if changed:
        _close_stage(lost, ProcessingStage.State.FAILED, "lost")
    return bool(changed)


def _write(claim: Claim, **values: Any) -> None:
    if not claim.rows().update(**values):
        raise ClaimLost


@contextmanager
def without_waiting_for_the_disk() -> Iterator[None]:
    """One transaction, for signs of life: should the server crash now, the last ones are lost.

    Never for a claim: its attempt must not be given out twice. Inside another transaction it is
    that one's to wait.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit TO off")
        yield


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
