"""An answer's events in Redis, so that any reader can follow, leave and come back.

One Redis Stream per answer, short-lived: what must last is in Postgres. Without Redis the worker
goes on, and readers poll the answer's row.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

from django.conf import settings
from django.utils import timezone
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from qa.events import TERMINAL_KINDS, from_json
from qa.models import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from qa.events import Event

logger = logging.getLogger(__name__)

EXPIRE_S = 3600
MAX_EVENTS = 5000
READ_AT_ONCE = 200
HEARTBEAT_S = 10.0
FROM_START = "0-0"
QUIET_AFTER_FAILURE_S = 5.0
"""How long nothing is sent after Redis failed: a time-out for each token would stall the answer."""

_ID = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?")
_EVENT = b"event"

_StreamEntries = tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]
"""What protocol 2 answers to XREAD for one stream: its key, then ids with their fields."""

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncRedis] = WeakKeyDictionary()


class _Outage:
    """Remembers that Redis failed a moment ago; shared by the threads of a process."""

    until = 0.0


def publish(answer_id: int, event: Event) -> str:
    """Append the event and return its id; ``""`` when Redis is away, which is logged only."""
    if time.monotonic() < _Outage.until:
        return ""
    key = _key(answer_id)
    try:
        with _client().pipeline(transaction=False) as pipe:
            pipe.xadd(key, {_EVENT: event.to_json()}, maxlen=MAX_EVENTS, approximate=True)
            pipe.expire(key, EXPIRE_S)
            event_id: bytes = pipe.execute()[0]
    except (RedisError, OSError) as error:
        _Outage.until = time.monotonic() + QUIET_AFTER_FAILURE_S
        logger.warning(
            "answer.events.not_published", extra={"answer_id": answer_id, "detail": str(error)}
        )
        return ""
    return event_id.decode()


def forget(answer_id: int) -> None:
    """Drop what an earlier attempt published, so that no reader sees its tokens twice."""
    try:
        _client().delete(_key(answer_id))
    except (RedisError, OSError) as error:
        logger.warning(
            "answer.events.not_dropped", extra={"answer_id": answer_id, "detail": str(error)}
        )


async def read(
    answer_id: int, after: str = FROM_START, *, heartbeat_s: float = HEARTBEAT_S
) -> AsyncIterator[tuple[str, Event] | None]:
    """Yield ``(id, event)`` of everything after the id ``after``, as it comes, to the last event.

    ``None`` comes at least every ``heartbeat_s`` seconds of silence: send a comment, and look at
    the row, for a stream that has expired or whose worker is gone says nothing more. Ends after
    a terminal event, and when Redis is away (then poll the row). A malformed ``after`` means the
    start.
    """
    last = after if _ID.fullmatch(after) else FROM_START
    client = _async_client()
    while True:
        try:
            answer = await client.xread(
                {_key(answer_id): last}, count=READ_AT_ONCE, block=int(heartbeat_s * 1000)
            )
        except (RedisError, OSError) as error:
            logger.warning(
                "answer.events.not_read", extra={"answer_id": answer_id, "detail": str(error)}
            )
            return
        if not answer:
            yield None
            continue
        for raw_id, fields in cast("list[_StreamEntries]", answer)[0][1]:
            last = raw_id.decode()
            event = from_json(fields[_EVENT].decode())
            yield last, event
            if event.kind in TERMINAL_KINDS:
                return


def request_stop(answer_id: int) -> bool:
    """Mark a running answer as to be stopped. False when it is not running."""
    running = Answer.objects.filter(pk=answer_id, state=Answer.State.RUNNING)
    return bool(running.update(stop_requested_at=timezone.now()))


def stop_requested(answer_id: int) -> bool:
    """Whether somebody asked to stop this answer."""
    return Answer.objects.filter(pk=answer_id, stop_requested_at__isnull=False).exists()


def _key(answer_id: int) -> str:
    return f"answer:{answer_id}"


@lru_cache(maxsize=1)
def _client() -> Redis:
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=settings.REDIS_TIMEOUT_S,
        socket_connect_timeout=settings.REDIS_TIMEOUT_S,
        health_check_interval=30,
        protocol=2,
        # The default waits for seconds between tries; one more try is for a connection gone stale.
        retry=Retry(NoBackoff(), 1),
    )


def _async_client() -> AsyncRedis:
    """One client per event loop: its connections belong to the loop that opened them."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = AsyncRedis.from_url(
            settings.REDIS_URL,
            # A blocking read is silent for as long as the heartbeat; only more is a dead server.
            socket_timeout=HEARTBEAT_S + settings.REDIS_TIMEOUT_S,
            socket_connect_timeout=settings.REDIS_TIMEOUT_S,
            health_check_interval=30,
            protocol=2,
            retry=AsyncRetry(NoBackoff(), 1),
        )
    return client
