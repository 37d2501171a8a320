"""Who works on an index build (``jobs``), which is given back and claimed again as it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from documents import jobs
from documents.models import IndexBuild
from documents.workers import worker_name

State = IndexBuild.State

HEARTBEAT_EXPIRES = timedelta(minutes=5)
"""A worker that has not written for so long is given up; longer than any one step takes."""
RING_AGAIN_AFTER = timedelta(minutes=1)
"""A build that waits for so long was not heard of, or its model is to be tried again."""
MOST_LOSSES = 5
"""One whose worker was lost so often is not tried again by itself."""
MOST_POSTPONEMENTS = 10
"""Nor one that a model, database or disk failed so often in a row."""


@dataclass(frozen=True, slots=True)
class BuildClaim(jobs.JobClaim):
    """The right to work on one build, for one attempt."""

    model = IndexBuild

    def give_back(self) -> None:
        """Let the next one go on where this one stops. Raises ``ClaimLost``.

        It has come on: workers lost and models away before do not count any more.
        """
        self.write(state=State.WAITING, lost_attempts=0, postponements=0)

    def finish(self) -> None:
        """Its generation is searched. Raises ``ClaimLost``. Call it in the swap's transaction."""
        self.end(State.DONE, error_code="", error_detail="", progress_done=F("progress_total"))

    def postpone(self, code: str, detail: str = "") -> bool:
        """Back to waiting, with the reason; failed instead, and False, when that came too often.

        Raises ``ClaimLost``.
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
    waiting = IndexBuild.objects.filter(state=State.WAITING)
    if not even_paused:
        waiting = waiting.filter(knowledge_base__is_paused=False)
    attempt = jobs.take(waiting, build_id, worker=worker_name())
    return None if attempt is None else BuildClaim(build_id, attempt)


def give_up_lost() -> int:
    """Set builds without a worker back to waiting, or fail them. Returns how many."""
    return jobs.give_up(
        IndexBuild.objects.filter(state=State.RUNNING),
        silent_for=HEARTBEAT_EXPIRES,
        most_losses=MOST_LOSSES,
        waiting=State.WAITING,
        code="lost_build",
    )


def unheard() -> list[int]:
    """Builds that wait for a while already: ``jobs.unheard``."""
    waiting = IndexBuild.objects.filter(state=State.WAITING, knowledge_base__is_paused=False)
    return [job.pk for job in jobs.unheard(waiting, RING_AGAIN_AFTER)]
