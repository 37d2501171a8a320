"""What the watchdog does with answers whose worker is lost, and with those nobody heard of."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from qa import answering, claims, streams
from qa.events import Failed
from qa.models import Answer

if TYPE_CHECKING:
    from qa.events import Event

pytestmark = pytest.mark.django_db

State = Answer.State


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What the stream was told, in order."""
    events: list[Event] = []

    def publish(answer_id: int, event: Event) -> str:
        events.append(event)
        return ""

    monkeypatch.setattr(streams, "publish", publish)
    return events


def silence(answer: Answer, **values: object) -> None:
    long_ago = timezone.now() - claims.HEARTBEAT_EXPIRES - timedelta(seconds=1)
    Answer.objects.filter(pk=answer.pk).update(
        heartbeat_at=long_ago, started_at=long_ago, created_at=long_ago, **values
    )


def test_the_answer_of_a_lost_worker_is_tried_once_more(waiting: Answer) -> None:
    assert claims.claim(waiting.pk) is not None
    silence(waiting)
    assert answering.release_expired_answers() == [waiting.pk]
    answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.DONE
    assert waiting.attempt == 2


def test_an_answer_that_lost_two_workers_fails(waiting: Answer, published: list[Event]) -> None:
    silence(waiting, state=State.RUNNING, attempt=2)
    assert answering.release_expired_answers() == []
    waiting.refresh_from_db()
    assert waiting.state == State.FAILED
    assert waiting.error_code == "worker_lost"
    assert published == [Failed("worker_lost")]


def test_a_running_answer_with_a_heartbeat_is_left_alone(waiting: Answer) -> None:
    assert claims.claim(waiting.pk) is not None
    assert answering.release_expired_answers() == []
    waiting.refresh_from_db()
    assert waiting.state == State.RUNNING


def test_an_answer_nobody_heard_of_is_named_once_a_minute(waiting: Answer) -> None:
    assert answering.release_expired_answers() == []
    silence(waiting)
    Answer.objects.filter(pk=waiting.pk).update(heartbeat_at=None, started_at=None)
    assert answering.release_expired_answers() == [waiting.pk]
    assert answering.release_expired_answers() == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_heard_of_while_a_model_keeps_it_waiting(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_EVERY_S", 0.01)
    claim = claims.claim(waiting.pk)
    assert claim is not None
    silence(waiting)
    with claims.Watch(claim, time_limit_s=60.0):
        deadline = time.monotonic() + 20.0
        while claims.silent().exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert answering.release_expired_answers() == []
    assert claim.rows().exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_hangs_beyond_its_time_limit_falls_silent(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_EVERY_S", 0.0)
    claim = claims.claim(waiting.pk)
    assert claim is not None
    silence(waiting)
    with claims.Watch(claim, time_limit_s=-1.0):
        for thread in threading.enumerate():
            if thread.name == "answer-heartbeat":
                thread.join(10)
    assert answering.release_expired_answers() == [waiting.pk]
