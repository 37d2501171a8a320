"""Who works on a delivery (``jobs``): an archive, or a page on the web."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from documents import access, jobs
from documents.deliveries import Delivery
from documents.jobs import ClaimLost
from documents.parsing.base import ParseError
from documents.workers import worker_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from accounts.models import User

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


@dataclass(frozen=True, slots=True)
class Claim(jobs.JobClaim):
    """The right to work on one delivery, for one attempt."""

    model = Delivery

    def row(self) -> Delivery:
        """The row as it is now. Raises ``ClaimLost``."""
        row = self.rows().select_related("knowledge_base", "requested_by", "document")
        found: Delivery | None = row.first()
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

    def finish(self) -> None:
        """All of it is settled. Raises ``ClaimLost``."""
        self.end(State.DONE, lost_attempts=0)


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
    attempt = jobs.take(_waiting().filter(kind=kind), delivery_id, worker=worker_name())
    return None if attempt is None else Claim(delivery_id, attempt)


def give_up_lost() -> int:
    """Set deliveries without a worker back to waiting, or fail them. Returns how many."""
    return jobs.give_up(
        Delivery.objects.filter(state=State.RUNNING),
        silent_for=HEARTBEAT_EXPIRES,
        most_losses=MOST_LOSSES,
        waiting=State.PENDING,
        code="lost",
    )


def unheard() -> list[tuple[int, str]]:
    """Id and kind of deliveries that wait for long: ``jobs.unheard``."""
    return [(job.pk, job.kind) for job in jobs.unheard(_waiting(), RING_AGAIN_AFTER)]


def _waiting() -> QuerySet[Delivery]:
    return Delivery.objects.filter(
        state=State.PENDING, knowledge_base__is_paused=False, knowledge_base__deleted_at=None
    )


def erase_originals() -> int:
    """Delete archives that are not needed any more. Returns how many. Call outside a transaction.

    Nor is one kept for another try that a document came from which was erased for good: its bytes
    are in it. The row names its file until that is gone, so what is cut short is finished by the
    next call.
    """
    kept = Delivery.objects.filter(state__in=Delivery.FINAL).exclude(original="")
    failed_lately = kept.filter(
        state=State.FAILED, finished_at__gt=timezone.now() - KEPT_AFTER_FAILURE
    ).exclude(files__document__purged_at__isnull=False)
    done = list(kept.exclude(pk__in=failed_lately.values("pk")).only("original"))
    for delivery in done:
        delivery.original.delete(save=False)
        Delivery.objects.filter(pk=delivery.pk).update(original="")
    return len(done)
