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
    from collections.abc import Mapping, Sequence

WorkerState = Literal["loading", "ready", "down"]
IngestState = WorkerState | Literal["away"]
"""``away``: Redis cannot be reached, so that nothing is known of the worker."""

HEARTBEAT_EVERY_S = 5.0
HEARTBEAT_EXPIRES_S = 20
CACHED_FOR_S = 10
QUEUES = ("ingest", "answers")
_GUARDS_KEY = "ragsite:parser:missing_guards"
_NONE_MISSING = "none"


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


def record_missing_guards(client: redis.Redis, names: Sequence[str]) -> None:
    """Say which guards files are read without, for as long as a heartbeat lasts.

    Raises ``redis.RedisError``.
    """
    client.set(_GUARDS_KEY, " ".join(names) or _NONE_MISSING, ex=HEARTBEAT_EXPIRES_S)


def missing_guards() -> tuple[str, ...] | None:
    """Which guards the worker that reads files does without; None when no worker says anything."""
    try:
        with connect() as client:
            said = client.get(_GUARDS_KEY)
    except redis.RedisError:
        return None
    if said is None:
        return None
    return () if said == _NONE_MISSING else tuple(str(said).split())


def answers_worker(request: HttpRequest) -> Mapping[str, object]:
    """Template context: ``answers_worker`` is ``loading``, ``ready`` or ``down``; read on use.

    ``ingest_worker`` is the same for documents, or ``away`` when it is Redis that is missing; at
    most ``CACHED_FOR_S`` old: rows of a long list ask often, and without Redis a look takes time.
    ``missing_guards`` names what files are read without, as one text.
    """
    del request
    return {
        "answers_worker": SimpleLazyObject(lambda: worker_state("answers")),
        "ingest_worker": SimpleLazyObject(_ingest_worker),
        "missing_guards": SimpleLazyObject(lambda: ", ".join(missing_guards() or ())),
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
    missing = missing_guards()
    guards = {"missing_guards": None if missing is None else list(missing)}
    body = {"database": database, "redis": broker, "workers": workers, "parsing": guards}
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
