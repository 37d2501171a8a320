"""What a worker does besides tasks: load its models before the first one, and say how it is.

Celery loads this module in workers only (``include`` in ``ragsite.celery``).
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import redis
from celery.exceptions import SecurityWarning
from celery.signals import worker_init, worker_ready, worker_shutting_down
from django.db import close_old_connections

from documents import tasks
from documents.generations import embedders_in_use
from documents.parsing.sandbox import missing_guards
from inference import conf
from qa.rerankers import specs_in_use
from ragsite.health import (
    HEARTBEAT_EVERY_S,
    QUEUES,
    connect,
    record_missing_guards,
    record_worker,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ragsite.health import WorkerState

logger = logging.getLogger(__name__)

# The warning is about root and pickled messages. Ours are JSON, and in the image nobody is root.
warnings.filterwarnings("ignore", category=SecurityWarning)


class Heartbeat:
    """Tells Redis every few seconds that the worker of ``queue`` is alive, and in what state."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self._state: WorkerState = "loading"
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def become(self, state: WorkerState) -> None:
        """Say so now, and from now on."""
        self._state = state
        self._changed.set()

    def end(self) -> None:
        """Say "down", and return when it is said: nothing is told after this."""
        self.become("down")
        self._thread.join()

    def _run(self) -> None:
        failing = False
        while True:
            # Read once: what is told last must be what ends the loop.
            state = self._state
            try:
                with connect() as client:
                    record_worker(client, self.queue, state)
                    if self.queue == "ingest":
                        record_missing_guards(client, missing_guards())
            except redis.RedisError:
                if not failing:
                    logger.warning("worker.heartbeat.failed", extra={"queue": self.queue})
                failing = True
            else:
                failing = False
            if state == "down":
                return
            self._changed.wait(HEARTBEAT_EVERY_S)
            self._changed.clear()


_heartbeats: dict[str, Heartbeat] = {}


@worker_init.connect
def prepare_worker(sender: object, **_: object) -> None:
    """Before any task is taken: start the heartbeat, and load what answers need.

    The worker of ``ingest`` forks; its children load the embedder with their first document. One
    that never reads what documents wait in says nothing, so that it is not taken for their worker.
    """
    queue = _queue_of(sender)
    if queue not in QUEUES:
        return
    if queue == "ingest" and tasks.QUEUE not in _queues_read_by(sender):
        logger.error("worker.queue.not_read", extra={"queue": tasks.QUEUE})
        return
    heartbeat = _heartbeats.setdefault(queue, Heartbeat(queue))
    heartbeat.start()
    if queue == "answers":
        _load_models(queue)


@worker_ready.connect
def announce_ready(sender: object, **_: object) -> None:
    del sender
    for heartbeat in _heartbeats.values():
        heartbeat.become("ready")


@worker_shutting_down.connect
def announce_end(sender: object, **_: object) -> None:
    del sender
    for heartbeat in _heartbeats.values():
        heartbeat.become("down")


def _load_models(queue: str) -> None:
    logger.info("worker.warm_up.started", extra={"queue": queue})
    began = time.monotonic()
    # What cannot be loaded is logged there; answers go on without it, and say so. A reranker that
    # or an embedder that is only configured takes no memory, and one in use does not load in
    # somebody's question.
    conf.warm_up(specs_in_use(), embedders_in_use())
    close_old_connections()
    seconds = round(time.monotonic() - began, 1)
    logger.info("worker.warm_up.completed", extra={"queue": queue, "seconds": seconds})


def _queue_of(worker: object) -> str:
    """The workers are named after their queues: ``answers@host``."""
    return str(getattr(worker, "hostname", "")).partition("@")[0]


def _queues_read_by(worker: Any) -> Collection[str]:
    """Names of the queues that it was told to read."""
    queues: Mapping[str, object] = worker.app.amqp.queues.consume_from
    return queues.keys()
