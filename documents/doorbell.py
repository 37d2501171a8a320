"""Waking a worker when a version has begun to wait.

The rows are the queue and a worker that was woken goes on while something waits, so a few rings are
enough however many versions come at once; the queue stays short for everything else.
"""

from __future__ import annotations

from django.db import transaction

from documents import tasks, turns
from documents.queueing import enqueue_on_commit, ring


def ring_on_commit() -> None:
    """Once the transaction has committed, wake a worker for what waits, unless many were woken."""
    transaction.on_commit(_ring, robust=True)


def ring_once_on_commit() -> None:
    """Once the transaction has committed, wake one worker, however many versions wait.

    For what lets many versions wait at once: nobody has rung for those.
    """
    enqueue_on_commit(tasks.process_next)


def _ring() -> None:
    # Not asked is whether any may be begun now: whoever is waited for hands the bell on.
    if turns.due()[: tasks.MOST_RINGS + 1].count() <= tasks.MOST_RINGS:
        ring(tasks.process_next)
