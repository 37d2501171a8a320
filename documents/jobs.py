"""Rows that are jobs, and who works on one.

Claimed by a conditional UPDATE, kept by a heartbeat, fenced by attempt: a worker that was given up
for dead may still be running, and what it writes late changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from documents.workers import is_gone

if TYPE_CHECKING:
    from datetime import timedelta

    from django.db.models import QuerySet

RUNNING, DONE, FAILED = "running", "done", "failed"
"""States that every job has; it waits under a name of its own."""


class Job(models.Model):
    """What a row tells of the work on it. ``state`` is the job's own."""

    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    attempt = models.PositiveIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


Row = TypeVar("Row", bound=Job)


class ClaimLost(Exception):
    """The job is no longer this worker's: cancelled, given up, or claimed by another."""


@dataclass(frozen=True, slots=True)
class JobClaim:
    """The right to work on one job, for one attempt."""

    model: ClassVar[type[Job]]
    job_id: int
    attempt: int

    def rows(self) -> QuerySet[Any]:
        """The row as long as the claim holds, else no row."""
        jobs: QuerySet[Any] = self.model._default_manager.filter(pk=self.job_id)
        return jobs.filter(attempt=self.attempt, state=RUNNING)

    def write(self, **values: Any) -> None:
        """Set fields of the row, which is the heartbeat too. Raises ``ClaimLost``."""
        if not self.rows().update(heartbeat_at=timezone.now(), **values):
            raise ClaimLost

    def end(self, state: str, **values: Any) -> None:
        """Nothing is left to do. Raises ``ClaimLost``."""
        self.write(state=state, finished_at=timezone.now(), **values)

    def fail(self, code: str, detail: str = "") -> None:
        """It cannot be done; ``code`` is explained where it is shown. Raises ``ClaimLost``."""
        self.end(FAILED, error_code=code[:40], error_detail=detail[:500])


def take(waiting: QuerySet[Row], job_id: int, **values: Any) -> int | None:
    """Claim one of ``waiting``. Returns the attempt, or None when it is not among them."""
    now = timezone.now()
    claimed: dict[str, Any] = {
        "state": RUNNING,
        "attempt": F("attempt") + 1,
        "heartbeat_at": now,
        "started_at": Coalesce("started_at", now),
        "finished_at": None,
        "error_code": "",
        "error_detail": "",
    }
    if not waiting.filter(pk=job_id).update(**{**claimed, **values}):
        return None
    jobs: Any = waiting.model._default_manager
    attempt: int = jobs.values_list("attempt", flat=True).get(pk=job_id)
    return attempt


def give_up(
    running: QuerySet[Any], *, silent_for: timedelta, most_losses: int, waiting: str, code: str
) -> int:
    """Set those of ``running`` without a worker back to ``waiting``, or fail them with ``code``.

    A worker is gone when it fell silent, or when it ran on this machine and has ended. The rows
    have ``worker`` and ``lost_attempts``. Returns how many they were.
    """
    now = timezone.now()
    gone = [worker for worker in running.values_list("worker", flat=True) if is_gone(worker)]
    lost = running.filter(Q(worker__in=gone) | Q(heartbeat_at__lt=now - silent_for))
    losses = F("lost_attempts") + 1
    failed = lost.filter(lost_attempts__gte=most_losses - 1).update(
        state=FAILED, lost_attempts=losses, finished_at=now, error_code=code
    )
    return failed + lost.update(state=waiting, lost_attempts=losses, heartbeat_at=None)


def unheard(waiting: QuerySet[Row], after: timedelta) -> list[Row]:
    """Those of ``waiting`` that nobody seems to have heard of for so long, oldest first.

    Each is named at most once in that time; one that was given up is named at once.
    """
    now = timezone.now()
    since = Coalesce("heartbeat_at", "created_at")
    due = waiting.alias(since=since).filter(since__lt=now - after)
    found = list(due.order_by("created_at", "pk"))
    waiting.filter(pk__in=[job.pk for job in found]).update(heartbeat_at=now)
    return found
