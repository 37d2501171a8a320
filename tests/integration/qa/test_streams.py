"""An answer's events can be followed, left and taken up again, and Redis may be away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from qa import streams
from qa.events import Done, Stage, Token

if TYPE_CHECKING:
    import redis

    from qa.events import Event

Item = tuple[str, "Event"] | None
ANSWER = 4711
QUICK = 0.05


@pytest.fixture(autouse=True)
def _no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams._Outage, "until", 0.0)


async def follow(
    after: str = streams.FROM_START, limit: int = 20
) -> list[tuple[str, Event] | None]:
    items: list[tuple[str, Event] | None] = []
    async for item in streams.read(ANSWER, after, heartbeat_s=QUICK):
        items.append(item)
        if len(items) == limit:
            break
    return items


def publish_all(*events: Event) -> list[str]:
    return [streams.publish(ANSWER, event) for event in events]


async def test_a_late_reader_sees_everything_from_the_start(redis_client: redis.Redis) -> None:
    events = (Stage("recall"), Token("睡得"), Token("\n更好"), Done("done"))
    ids = publish_all(*events)
    assert await follow() == list(zip(ids, events, strict=True))


async def test_a_reader_takes_up_after_the_last_event_it_saw(redis_client: redis.Redis) -> None:
    ids = publish_all(Token("a"), Token("b"), Done("done"))
    items = await follow(after=ids[0])
    assert [item[1] for item in items if item] == [Token("b"), Done("done")]


async def test_reading_ends_with_the_terminal_event(redis_client: redis.Redis) -> None:
    publish_all(Done("done"), Token("never read"))
    assert len(await follow()) == 1


async def test_silence_is_broken_by_heartbeats(redis_client: redis.Redis) -> None:
    publish_all(Token("a"))
    items = await follow(limit=3)
    assert items[1:] == [None, None]


@pytest.mark.parametrize("after", ["", "nonsense", "1-2-3", "-1", "1; DEL x"])
async def test_a_forged_position_means_the_start(redis_client: redis.Redis, after: str) -> None:
    publish_all(Token("a"), Done("done"))
    assert len(await follow(after=after)) == 2


async def test_a_stream_is_bounded_in_time(redis_client: redis.Redis) -> None:
    publish_all(Token("a"))
    assert 0 < int(redis_client.ttl(f"answer:{ANSWER}")) <= streams.EXPIRE_S


async def test_what_an_earlier_attempt_said_can_be_dropped(redis_client: redis.Redis) -> None:
    publish_all(Token("first attempt"))
    streams.forget(ANSWER)
    publish_all(Token("second"), Done("done"))
    items = await follow()
    assert [item[1] for item in items if item] == [Token("second"), Done("done")]


async def test_without_redis_reading_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    away = AsyncRedis.from_url("unix:///nowhere/redis.sock")
    monkeypatch.setattr(streams, "_async_client", lambda: away)
    assert await follow() == []


def test_without_redis_publishing_only_logs_and_pauses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    def away() -> Redis:
        nonlocal calls
        calls += 1
        return Redis.from_url("unix:///nowhere/redis.sock")

    monkeypatch.setattr(streams, "_client", away)
    assert publish_all(Token("a"), Token("b")) == ["", ""]
    streams.forget(ANSWER)
    assert "not_published" in caplog.text
    assert calls == 2  # The second token was not even tried; dropping was.
