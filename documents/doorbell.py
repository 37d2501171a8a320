"""Waking a worker when a version has begun to wait.

The rows are the queue and a worker that was woken goes on while something waits, so a few rings are
enough however many versions come at once; the queue stays short for everything else.
"""

from __future__ import annotations

from django.db import transaction

from documents import tasks, turns
from documents.queueing import ring


def ring_on_commit() -> None:
    """Once the transaction has committed, wake a worker for what waits, unless many were woken."""
    transaction.on_commit(_ring, robust=True)


def _ring() -> None:
    if turns.claimable(tasks.MOST_RINGS + 1) <= tasks.MOST_RINGS:
        ring(tasks.process_next)
