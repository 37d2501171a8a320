"""The event stream of an answer: what is relayed, resumed and withheld."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.test import AsyncClient
from django.urls import reverse

from qa import streams
from qa.events import Done, Stage, Token
from qa.models import Answer

if TYPE_CHECKING:
    import redis

    from accounts.models import User
    from tests.functional.qa.conftest import Answered

pytestmark = pytest.mark.django_db(transaction=True)


async def events_of(user: User, pk: int, **headers: str) -> str:
    client = AsyncClient()
    await sync_to_async(client.force_login)(user)
    response = await client.get(reverse("qa:answer_events", args=[pk]), headers=headers)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/event-stream"
    return b"".join([part async for part in response.streaming_content]).decode()  # type: ignore[attr-defined]


def publish_all(answer: Answer) -> list[str]:
    return [
        streams.publish(answer.pk, event)
        for event in (Stage("recall"), Token("Keep <b>"), Token("calm"), Done("done"))
    ]


async def test_a_reader_gets_every_event_and_then_the_finished_answer(
    answered: Answered, bob: User, redis_client: redis.Redis
) -> None:
    await sync_to_async(publish_all)(answered.answer)
    text = await events_of(bob, answered.answer.pk)
    assert "event: stage" in text
    assert "data: Keep &lt;b&gt;" in text
    assert "event: done" in text
    assert f'id="answer-{answered.answer.pk}"' in text


async def test_a_lost_connection_goes_on_after_the_last_event_it_saw(
    answered: Answered, bob: User, redis_client: redis.Redis
) -> None:
    ids = await sync_to_async(publish_all)(answered.answer)
    text = await events_of(bob, answered.answer.pk, **{"Last-Event-ID": ids[1]})
    assert "Keep" not in text.split("event: done")[0]
    assert "data: calm" in text


async def test_a_forged_last_event_id_starts_from_the_beginning(
    answered: Answered, bob: User, redis_client: redis.Redis
) -> None:
    await sync_to_async(publish_all)(answered.answer)
    text = await events_of(bob, answered.answer.pk, **{"Last-Event-ID": "$; DROP"})
    assert "data: calm" in text


async def test_tokens_are_withheld_when_a_source_is_closed_to_the_reader(
    answered: Answered, bob: User, redis_client: redis.Redis
) -> None:
    def close() -> None:
        answered.documents[0].visible_to_groups.add(Group.objects.create(name="board"))
        publish_all(answered.answer)

    await sync_to_async(close)()
    text = await events_of(bob, answered.answer.pk)
    assert "event: token" not in text
    assert "Keep" not in text
    assert "event: done" in text


async def test_a_stranger_gets_404(answered: Answered, charlie: User) -> None:
    client = AsyncClient()
    await sync_to_async(client.force_login)(charlie)
    response = await client.get(reverse("qa:answer_events", args=[answered.answer.pk]))
    assert response.status_code == 404
