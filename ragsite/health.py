"""Whether the parts work: Postgres, Redis, and the workers by the heartbeats they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

if TYPE_CHECKING:
    from collections.abc import Mapping

WorkerState = Literal["loading", "ready", "down"]
IngestState = WorkerState | Literal["away"]
"""``away``: Redis cannot be reached, so that nothing is known of the worker."""

HEARTBEAT_EVERY_S = 5.0
HEARTBEAT_EXPIRES_S = 20
CACHED_FOR_S = 10
QUEUES = ("ingest", "answers")


def connect() -> redis.Redis:
    """A Redis client whose every call ends within a second: health must not hang on the ill."""
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1.0, socket_connect_timeout=1.0, decode_responses=True
    )
    return client


def record_worker(client: redis.Redis, queue: str, state: WorkerState) -> None:
    """Leave one heartbeat of the worker of ``queue``. Raises ``redis.RedisError``."""
    client.set(_heartbeat_key(queue), state, ex=HEARTBEAT_EXPIRES_S)


def worker_state(queue: str) -> WorkerState:
    """What the worker of ``queue`` last said of itself; ``down`` when nothing for 20 s."""
    try:
        with connect() as client:
            said = client.get(_heartbeat_key(queue))
    except redis.RedisError:
        return "down"
    if said == "ready":
        return "ready"
    return "loading" if said == "loading" else "down"


def answers_worker(request: HttpRequest) -> Mapping[str, object]:
    """Template context: ``answers_worker`` is ``loading``, ``ready`` or ``down``; read on use.

    ``ingest_worker`` is the same for documents, or ``away`` when it is Redis that is missing; at
    most ``CACHED_FOR_S`` old: rows of a long list ask often, and without Redis a look takes time.
    """
    del request
    return {
        "answers_worker": SimpleLazyObject(lambda: worker_state("answers")),
        "ingest_worker": SimpleLazyObject(_ingest_worker),
    }


def _ingest_worker() -> IngestState:
    return cast("IngestState", cache.get_or_set("ingest_worker", _ingest_state, CACHED_FOR_S))


def _ingest_state() -> IngestState:
    state = worker_state("ingest")
    return "away" if state == "down" and not _redis_answers() else state


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Open to anyone, tells no more than names and states. 503 when a page could not be served."""
    del request
    database = "up" if _database_answers() else "down"
    broker = "up" if _redis_answers() else "down"
    workers = {queue: worker_state(queue) for queue in QUEUES}
    body = {"database": database, "redis": broker, "workers": workers}
    return JsonResponse(body, status=200 if database == "up" else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _redis_answers() -> bool:
    try:
        with connect() as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _heartbeat_key(queue: str) -> str:
    return f"ragsite:worker:{queue}"
