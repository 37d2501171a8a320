"""Handing work to the workers after the transaction that asks for it.

The row is the job and the message only rings: without a broker the row stays as it is, and the
watchdog rings again later. So a page that enqueues never fails because Redis is away.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Protocol

from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


class Task(Protocol):
    """What this module needs of a Celery task."""

    name: str

    def delay(self, *args: int) -> object: ...


def enqueue_on_commit(task: Task, *args: int) -> None:
    """Send ``task`` with ids as arguments once the current transaction has committed."""
    transaction.on_commit(partial(_ring, task, args), robust=True)


def _ring(task: Task, args: tuple[int, ...]) -> None:
    try:
        task.delay(*args)
    except OperationalError:
        logger.warning("task.enqueue.failed", extra={"task": task.name, "arguments": list(args)})
