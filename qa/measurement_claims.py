"""Who works on a measurement (``jobs``), of which one at a time is made.

The worker that took it and the program that it started both write the heartbeat, so that it falls
silent only when neither is there any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from documents import jobs
from documents.jobs import ClaimLost
from qa.models import RerankerMeasurement

if TYPE_CHECKING:
    from django.db.models import QuerySet

State = RerankerMeasurement.State
Stage = RerankerMeasurement.Stage

HEARTBEAT_EXPIRES = timedelta(seconds=90)
"""The worker writes every few seconds, whatever the model does meanwhile."""
RING_AGAIN_AFTER = timedelta(seconds=60)
"""A measurement that waits for so long while none runs was not heard of."""
MOST_ATTEMPTS = 2
"""One whose worker was lost is tried once more; then something about it loses workers."""


class Cancelled(Exception):
    """Somebody asked for the measurement to end."""


@dataclass(frozen=True, slots=True)
class Claim(jobs.JobClaim):
    """The right to make one measurement, for one attempt."""

    model = RerankerMeasurement

    def row(self) -> RerankerMeasurement:
        """The row as it is now. Raises ``ClaimLost``."""
        row = self.rows().select_related("profile", "knowledge_base", "requested_by")
        found: RerankerMeasurement | None = row.first()
        if found is None:
            raise ClaimLost
        return found

    def begin(self, stage: RerankerMeasurement.Stage, total: int = 0) -> None:
        """Enter a stage. Raises ``ClaimLost`` or ``Cancelled``."""
        self.write(stage=stage, progress_done=0, progress_total=total)
        self.go_on()

    def progress(self, done: int) -> None:
        """Say how far the stage is. Raises ``ClaimLost`` or ``Cancelled``."""
        self.write(progress_done=done)
        self.go_on()

    def go_on(self) -> None:
        """Nothing, unless the work is to end here. Raises ``ClaimLost`` or ``Cancelled``."""
        asked = self.rows().values_list("cancel_requested_at", flat=True)
        if not asked:
            raise ClaimLost
        if asked[0] is not None:
            raise Cancelled

    def finish(self, **values: Any) -> None:
        """The measurement is done. Raises ``ClaimLost``."""
        self.end(State.DONE, error_code="", **values)

    def give_back(self) -> None:
        """Let another worker begin it anew. Raises ``ClaimLost``."""
        self.write(state=State.PENDING)

    def cancel(self) -> None:
        """It ends because somebody asked for that. Raises ``ClaimLost``."""
        self.end(State.CANCELLED)


def claim(measurement_id: int) -> Claim | None:
    """Take a waiting measurement; ``None`` when it does not wait, or another runs."""
    begun = {"stage": Stage.LOAD, "progress_done": 0, "progress_total": 0}
    try:
        with transaction.atomic():
            attempt = jobs.take(_waiting(), measurement_id, started_at=timezone.now(), **begun)
    except IntegrityError:  # The database lets one run at a time; this one's turn comes.
        return None
    return None if attempt is None else Claim(measurement_id, attempt)


def give_up_lost() -> list[RerankerMeasurement]:
    """Those whose worker fell silent: back to waiting once, then failed. Returns them."""
    silent = Q(heartbeat_at__lt=timezone.now() - HEARTBEAT_EXPIRES)
    lost = list(RerankerMeasurement.objects.filter(silent, state=State.RUNNING))
    given_up = []
    for row in lost:
        still = Claim(row.pk, row.attempt).rows().filter(silent)
        if row.cancel_requested_at is not None:
            changed = still.update(state=State.CANCELLED, finished_at=timezone.now())
        elif row.attempt < MOST_ATTEMPTS:
            changed = still.update(state=State.PENDING, heartbeat_at=None)
        else:
            changed = still.update(
                state=State.FAILED, error_code="worker_lost", finished_at=timezone.now()
            )
        if changed:
            given_up.append(row)
    return given_up


def next_waiting() -> int | None:
    """The one to take up now: the oldest waiting, while none runs."""
    if RerankerMeasurement.objects.filter(state=State.RUNNING).exists():
        return None
    return _waiting().order_by("created_at", "pk").values_list("pk", flat=True).first()


def unheard() -> int | None:
    """``next_waiting``, once it has waited for a while; at most once in that while."""
    pk = next_waiting()
    if pk is None:
        return None
    return pk if jobs.unheard(_waiting().filter(pk=pk), RING_AGAIN_AFTER) else None


def _waiting() -> QuerySet[RerankerMeasurement]:
    return RerankerMeasurement.objects.filter(state=State.PENDING)
