"""Who works on a delivery: claimed by a conditional UPDATE, kept by a heartbeat, fenced by attempt.

As ``claims`` for versions: a worker that was given up for dead may still be running, and what it
writes late changes nothing.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from documents import access
from documents.deliveries import Delivery
from documents.parsing.base import ParseError
from documents.workers import is_gone, worker_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from accounts.models import User

logger = logging.getLogger(__name__)

State = Delivery.State

HEARTBEAT_EXPIRES = timedelta(seconds=90)
"""Written every few seconds also while a batch is unpacked or a page is fetched."""
RING_AGAIN_AFTER = timedelta(minutes=1)
"""A delivery that waits for so long was perhaps not heard of."""
MOST_LOSSES = 3
"""One whose worker was lost so often is not tried again by itself."""
HEARTBEAT_EVERY_S = 2.0
KEPT_AFTER_FAILURE = timedelta(days=7)
"""So long a failed archive can be tried again without being sent again."""


class ClaimLost(Exception):
    """The delivery is no longer this worker's: cancelled, given up, or claimed by another."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one delivery, for one attempt."""

    delivery_id: int
    attempt: int

    def rows(self) -> QuerySet[Delivery]:
        """The row as long as the claim holds, else no row."""
        return Delivery.objects.filter(
            pk=self.delivery_id, attempt=self.attempt, state=State.RUNNING
        )

    def row(self) -> Delivery:
        """The row as it is now. Raises ``ClaimLost``."""
        found = self.rows().select_related("knowledge_base", "requested_by", "document").first()
        if found is None:
            raise ClaimLost
        return found

    def cancellation(self) -> Callable[[], bool]:
        """Whether to stop, for what asks often while it takes long.

        Every few seconds at most this is the heartbeat too.
        """
        asked_at = time.monotonic()

        def cancelled() -> bool:
            nonlocal asked_at
            if time.monotonic() - asked_at < HEARTBEAT_EVERY_S:
                return False
            asked_at = time.monotonic()
            return not self.rows().update(heartbeat_at=timezone.now())

        return cancelled

    def write(self, **values: Any) -> None:
        """Set fields of the row, which is the heartbeat too. Raises ``ClaimLost``."""
        if not self.rows().update(heartbeat_at=timezone.now(), **values):
            raise ClaimLost

    def finish(self) -> None:
        """All of it is settled. Raises ``ClaimLost``."""
        self.write(state=State.DONE, finished_at=timezone.now(), lost_attempts=0)

    def fail(self, code: str, detail: str = "") -> None:
        """It cannot go on; what was taken out of it stays. Raises ``ClaimLost``."""
        self.write(
            state=State.FAILED,
            finished_at=timezone.now(),
            error_code=code[:40],
            error_detail=detail[:500],
        )
        logger.warning(
            "delivery.failed", extra={"delivery_id": self.delivery_id, "error_code": code}
        )


def requester(delivery: Delivery) -> User:
    """Whoever asked for it. Raises ``ParseError`` unless they may still add documents there."""
    actor = delivery.requested_by
    if actor is None or not (
        access.knowledge_bases_for(actor, role="curator")
        .filter(pk=delivery.knowledge_base_id)
        .exists()
    ):
        raise ParseError("not_allowed")
    return actor


def claim(delivery_id: int, kind: Delivery.Kind) -> Claim | None:
    """Take a waiting delivery. None when it does not wait, or its knowledge base is not working."""
    now = timezone.now()
    taken = Delivery.objects.filter(
        pk=delivery_id,
        kind=kind,
        state=State.PENDING,
        knowledge_base__is_paused=False,
        knowledge_base__deleted_at=None,
    ).update(
        state=State.RUNNING,
        attempt=F("attempt") + 1,
        worker=worker_name(),
        heartbeat_at=now,
        started_at=Coalesce("started_at", now),
        finished_at=None,
        error_code="",
        error_detail="",
    )
    if not taken:
        return None
    return Claim(
        delivery_id, Delivery.objects.values_list("attempt", flat=True).get(pk=delivery_id)
    )


def give_up_lost() -> int:
    """Set deliveries without a worker back to waiting, or fail them. Returns how many.

    A worker is gone when it fell silent, or when it ran on this machine and has ended.
    """
    running = Delivery.objects.filter(state=State.RUNNING)
    gone = [worker for worker in running.values_list("worker", flat=True) if is_gone(worker)]
    silent = running.filter(
        Q(worker__in=gone) | Q(heartbeat_at__lt=timezone.now() - HEARTBEAT_EXPIRES)
    )
    failed = silent.filter(lost_attempts__gte=MOST_LOSSES - 1).update(
        state=State.FAILED, finished_at=timezone.now(), error_code="lost"
    )
    return failed + silent.update(
        state=State.PENDING, lost_attempts=F("lost_attempts") + 1, heartbeat_at=timezone.now()
    )


def unheard() -> list[tuple[int, str]]:
    """Id and kind of deliveries that have waited for long, oldest first.

    Each is named at most once per ``RING_AGAIN_AFTER``.
    """
    now = timezone.now()
    waiting = (
        Delivery.objects.filter(
            state=State.PENDING,
            knowledge_base__is_paused=False,
            knowledge_base__deleted_at=None,
        )
        .annotate(since=Coalesce("heartbeat_at", "created_at"))
        .filter(since__lt=now - RING_AGAIN_AFTER)
    )
    found = list(waiting.order_by("created_at").values_list("pk", "kind"))
    Delivery.objects.filter(pk__in=[pk for pk, _kind in found], state=State.PENDING).update(
        heartbeat_at=now
    )
    return found


def erase_originals() -> int:
    """Delete archives that are not needed any more. Returns how many. Call outside a transaction.

    The row names its file until that is gone, so what is cut short is finished by the next call.
    """
    kept = Delivery.objects.filter(state__in=Delivery.FINAL).exclude(original="")
    failed_lately = kept.filter(
        state=State.FAILED, finished_at__gt=timezone.now() - KEPT_AFTER_FAILURE
    )
    done = list(kept.exclude(pk__in=failed_lately.values("pk")).only("original"))
    for delivery in done:
        delivery.original.delete(save=False)
        Delivery.objects.filter(pk=delivery.pk).update(original="")
    return len(done)
