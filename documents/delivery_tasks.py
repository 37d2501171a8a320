"""Background work that takes documents in. It stands above the upload, which ``tasks`` is below.

Rows are the jobs; a message only says that there is work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import shared_task

from documents import archives, delivery_claims, web_pages
from documents.deliveries import Delivery

if TYPE_CHECKING:
    from documents.queueing import Task


@shared_task(acks_late=True, soft_time_limit=3000, time_limit=3300)
def unpack_archive(delivery_id: int) -> None:
    archives.unpack(delivery_id)


@shared_task(acks_late=True, soft_time_limit=300, time_limit=330)
def fetch_page(delivery_id: int) -> None:
    web_pages.fetch(delivery_id)


@shared_task
def take_up_deliveries() -> None:
    delivery_claims.give_up_lost()
    for delivery_id, kind in delivery_claims.unheard():
        task_of(kind).delay(delivery_id)
    delivery_claims.erase_originals()


def task_of(kind: str) -> Task:
    """The task that works on a delivery of this kind."""
    task: Task = unpack_archive if kind == Delivery.Kind.ARCHIVE else fetch_page
    return task
