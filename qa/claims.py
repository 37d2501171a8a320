"""Who works on an answer: claimed by a conditional UPDATE, kept by a heartbeat, fenced by attempt.

Every write names the attempt it belongs to, so that a worker that was given up for dead changes
nothing when it comes back: it gets ``ClaimLost`` and stops.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from django.db import DatabaseError, connection
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from qa.models import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

State = Answer.State

HEARTBEAT_EVERY_S = 5.0
STOP_CHECK_EVERY_S = 0.3
HEARTBEAT_EXPIRES = timedelta(seconds=60)
"""A dozen heartbeats: a worker that lives is not silent for so long."""
RING_AGAIN_AFTER = timedelta(seconds=60)
"""An answer that waits for so long may not have been heard of."""
MOST_ATTEMPTS = 2
"""An answer whose worker was lost is tried once more; then something about it loses workers."""


class ClaimLost(Exception):
    """The answer is no longer this worker's: given up, claimed by another, or removed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one answer, for one attempt."""

    answer_id: int
    attempt: int

    def rows(self) -> QuerySet[Answer]:
        """The answer's row as long as the claim holds, else no row."""
        return Answer.objects.filter(pk=self.answer_id, attempt=self.attempt, state=State.RUNNING)

    def write(self, **values: Any) -> None:
        """Set fields of the row. Raises ``ClaimLost``."""
        if not self.rows().update(**values):
            raise ClaimLost


class Watch:
    """Asked between the steps and tokens of one answer: is it to be stopped, is it too late?

    Looks at the row at most every ``STOP_CHECK_EVERY_S``. As a context it writes the heartbeat from
    a thread of its own: a reranker or a chat model's first token may take longer than a worker may
    be silent. It stops with the time limit, so that a worker that hangs is found out.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        time_limit_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.claim = claim
        self.is_late = False
        self.is_stopped = False
        self._clock = clock
        self._deadline = clock() + time_limit_s
        self._asked_at = float("-inf")
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="answer-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._heart.join()

    def should_stop(self) -> bool:
        """Whether to end here. Raises ``ClaimLost`` when another worker has the answer."""
        now = self._clock()
        self.is_late = now > self._deadline
        if self.is_late or self.is_stopped:
            return True
        if now - self._asked_at < STOP_CHECK_EVERY_S:
            return False
        self._asked_at = now
        row = self.claim.rows().values_list("stop_requested_at").first()
        if row is None:
            raise ClaimLost
        self.is_stopped = row[0] is not None
        return self.is_stopped

    def _beat(self) -> None:
        try:
            while not self._ended.wait(HEARTBEAT_EVERY_S) and self._clock() <= self._deadline:
                try:
                    if not self.claim.rows().update(heartbeat_at=timezone.now()):
                        return
                except DatabaseError:
                    # It may be back for the next one; what the answer's own thread does meets it.
                    connection.close()
        finally:
            connection.close()


def claim(answer_id: int) -> Claim | None:
    """Take a waiting answer; ``None`` when it is not waiting."""
    now = timezone.now()
    taken = Answer.objects.filter(pk=answer_id, state=State.PENDING).update(
        state=State.RUNNING,
        attempt=F("attempt") + 1,
        heartbeat_at=now,
        started_at=now,
        error_code="",
    )
    if not taken:
        return None
    attempt = Answer.objects.values_list("attempt", flat=True).get(pk=answer_id)
    return Claim(answer_id, attempt)


def silent() -> QuerySet[Answer]:
    """Answers in work whose worker has not been heard of for ``HEARTBEAT_EXPIRES``."""
    silent_since = timezone.now() - HEARTBEAT_EXPIRES
    return Answer.objects.filter(state=State.RUNNING, heartbeat_at__lt=silent_since)


def give_up_lost() -> list[int]:
    """Answers whose worker fell silent: back to waiting once, then failed. Returns the failed."""
    lost = silent()
    lost.filter(attempt__lt=MOST_ATTEMPTS).update(state=State.PENDING, heartbeat_at=None)
    failed: list[int] = []
    for answer_id, attempt in lost.values_list("pk", "attempt"):
        if (
            silent()
            .filter(pk=answer_id, attempt=attempt)
            .update(state=State.FAILED, error_code="worker_lost", finished_at=timezone.now())
        ):
            failed.append(answer_id)
    return failed


def unheard() -> list[int]:
    """Answers that have waited for a while, oldest first; each at most once in that while.

    One given back by ``give_up_lost`` is named at once.
    """
    now = timezone.now()
    waiting = Answer.objects.filter(state=State.PENDING).annotate(
        since=Coalesce("heartbeat_at", "started_at", "created_at")
    )
    overdue = waiting.filter(since__lt=now - RING_AGAIN_AFTER).order_by("created_at", "pk")
    found = list(overdue.values_list("pk", flat=True))
    Answer.objects.filter(pk__in=found, state=State.PENDING).update(heartbeat_at=now)
    return found
