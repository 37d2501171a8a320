"""Handing work to the workers after the transaction that asks for it.

The row is the job and the message only rings: without a broker the row stays as it is, and the
watchdog rings again later. So a page that enqueues never fails because Redis is away.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Protocol

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


class Task(Protocol):
    """What this module needs of a Celery task."""

    name: str

    def delay(self, *args: int) -> object: ...


def enqueue_on_commit(task: Task, *args: int) -> None:
    """Send ``task`` with ids as arguments once the current transaction has committed."""
    transaction.on_commit(partial(ring, task, *args), robust=True)


def ring(task: Task, *args: int) -> None:
    """Send ``task`` now; without a broker only the log hears of it."""
    try:
        task.delay(*args)
    except OperationalError:
        logger.warning("task.enqueue.failed", extra={"task": task.name, "arguments": list(args)})


def is_empty(queue: str) -> bool:
    """Whether no message waits in ``queue``. Raises ``OperationalError`` without a broker."""
    with current_app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1)
        try:
            declared = connection.channel().queue_declare(queue=queue, passive=True)
        except connection.channel_errors:  # it comes into being with its first message
            return True
    return not declared.message_count
