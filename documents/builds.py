"""Who works on an index build: claimed by a conditional UPDATE, fenced by attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q
from django.utils import timezone

from documents.models import IndexBuild
from documents.workers import is_gone, worker_name

if TYPE_CHECKING:
    from django.db.models import QuerySet

State = IndexBuild.State

HEARTBEAT_EXPIRES = timedelta(minutes=5)
"""A worker that has not written for so long is given up; longer than any one step takes."""
RING_AGAIN_AFTER = timedelta(minutes=1)
"""A build that waits for so long was not heard of, or its model is to be tried again."""
MOST_LOSSES = 5
"""One whose worker was lost so often is not tried again by itself."""
MOST_POSTPONEMENTS = 10
"""Nor one that its model failed so often in a row."""


class BuildLost(Exception):
    """The build is no longer this worker's: cancelled, or given up for dead."""


@dataclass(frozen=True, slots=True)
class BuildClaim:
    """The right to work on one build, for one attempt."""

    build_id: int
    attempt: int

    def rows(self) -> QuerySet[IndexBuild]:
        """The row as long as the claim holds, else no row."""
        return IndexBuild.objects.filter(
            pk=self.build_id, attempt=self.attempt, state=State.RUNNING
        )

    def write(self, **values: Any) -> None:
        """Set fields of the row, which is the heartbeat too. Raises ``BuildLost``."""
        if not self.rows().update(heartbeat_at=timezone.now(), **values):
            raise BuildLost

    def give_back(self) -> None:
        """Let the next one go on where this one stops. Raises ``BuildLost``.

        It has come on: workers lost and models away before do not count any more.
        """
        self.write(state=State.WAITING, lost_attempts=0, postponements=0)

    def finish(self) -> None:
        """Its generation is searched. Raises ``BuildLost``. Call it in the swap's transaction."""
        self.write(
            state=State.DONE,
            finished_at=timezone.now(),
            error_code="",
            error_detail="",
            progress_done=F("progress_total"),
        )

    def fail(self, code: str, detail: str = "") -> None:
        """It cannot be completed; what is searched stays. Raises ``BuildLost``."""
        self.write(
            state=State.FAILED,
            finished_at=timezone.now(),
            error_code=code[:40],
            error_detail=detail[:500],
        )

    def postpone(self, code: str, detail: str = "") -> bool:
        """Back to waiting, with the reason; failed instead, and False, when that came too often.

        Raises ``BuildLost``.
        """
        again = self.rows().filter(postponements__lt=MOST_POSTPONEMENTS - 1)
        if again.update(
            state=State.WAITING,
            postponements=F("postponements") + 1,
            heartbeat_at=timezone.now(),
            error_code=code[:40],
            error_detail=detail[:500],
        ):
            return True
        self.fail(code, detail)
        return False


def claim(build_id: int, *, even_paused: bool = False) -> BuildClaim | None:
    """Take a waiting build. None when it does not wait, or its knowledge base is paused."""
    now = timezone.now()
    waiting = IndexBuild.objects.filter(pk=build_id, state=State.WAITING)
    if not even_paused:
        waiting = waiting.filter(knowledge_base__is_paused=False)
    if not waiting.update(
        state=State.RUNNING,
        attempt=F("attempt") + 1,
        worker=worker_name(),
        heartbeat_at=now,
        error_code="",
        error_detail="",
    ):
        return None
    IndexBuild.objects.filter(pk=build_id, started_at=None).update(started_at=now)
    attempt = IndexBuild.objects.values_list("attempt", flat=True).get(pk=build_id)
    return BuildClaim(build_id, attempt)


def give_up_lost() -> list[IndexBuild]:
    """Builds whose worker ended or fell silent: waiting again, or failed. Returns the failed."""
    silent_since = timezone.now() - HEARTBEAT_EXPIRES
    failed = []
    for build in IndexBuild.objects.filter(state=State.RUNNING):
        still = BuildClaim(build.pk, build.attempt).rows()
        if not is_gone(build.worker):
            still = still.filter(heartbeat_at__lt=silent_since)
        if build.lost_attempts < MOST_LOSSES - 1:
            still.update(
                state=State.WAITING, lost_attempts=F("lost_attempts") + 1, heartbeat_at=None
            )
        elif still.update(
            state=State.FAILED,
            lost_attempts=F("lost_attempts") + 1,
            finished_at=timezone.now(),
            error_code="lost_build",
        ):
            failed.append(build)
    return failed


def unheard() -> list[int]:
    """Builds that wait for a while already, each named at most once per ``RING_AGAIN_AFTER``."""
    now = timezone.now()
    early = now - RING_AGAIN_AFTER
    due = IndexBuild.objects.filter(
        Q(heartbeat_at=None, created_at__lt=early) | Q(heartbeat_at__lt=early), state=State.WAITING
    )
    found = list(due.order_by("created_at", "pk").values_list("pk", flat=True))
    IndexBuild.objects.filter(pk__in=found, state=State.WAITING).update(heartbeat_at=now)
    return found
