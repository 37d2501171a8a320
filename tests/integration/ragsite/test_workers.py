"""What a worker tells of itself while it loads, works and ends."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from celery import Celery

from inference import conf
from qa.models import RerankerProfile
from ragsite import health, workers
from ragsite.workers import Heartbeat
from tests.integration.embedded.test_processes import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings as SettingsWrapper
    from redis import Redis

    from documents.models import KnowledgeBase


@pytest.fixture(autouse=True)
def _fresh_heartbeats(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    started: dict[str, Heartbeat] = {}
    monkeypatch.setattr(workers, "_heartbeats", started)
    yield
    for heartbeat in started.values():
        heartbeat.end()


def _worker(name: str, queues: str = "documents,ingest") -> SimpleNamespace:
    """What Celery gives: its own object, after it was told which queues to read."""
    app = Celery("worker", set_as_current=False)
    app.amqp.queues.select(queues.split(","))
    return SimpleNamespace(hostname=name, app=app)


def _says(queue: str, state: str) -> bool:
    return eventually(lambda: health.worker_state(queue) == state)


def test_the_answers_worker_loads_its_models_before_it_is_ready(
    redis_client: Redis, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(conf, "warm_up", lambda *_: seen.append(_says("answers", "loading")))
    workers.prepare_worker(sender=_worker("answers@here"))
    assert seen == [True]
    workers.announce_ready(sender=None)
    assert _says("answers", "ready")


def test_the_answers_worker_loads_the_rerankers_that_questions_ask_for(
    redis_client: Redis, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("chosen", "idle"):
        RerankerProfile.objects.create(name=name, kind="local", model=f"org/{name}")
    knowledge_base.reranker = "chosen"
    knowledge_base.save()
    loaded: list[str] = []
    monkeypatch.setattr(conf, "warm_up", lambda specs, _: loaded.extend(s.model for s in specs))
    workers.prepare_worker(sender=_worker("answers@here"))
    assert loaded == ["org/chosen"]


def test_the_ingest_worker_leaves_loading_to_its_children(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conf, "warm_up", lambda *_: pytest.fail("loaded in the parent"))
    workers.prepare_worker(sender=_worker("ingest@here"))
    workers.announce_ready(sender=None)
    assert _says("ingest", "ready")


def test_the_ingest_worker_tells_which_guards_it_lacks(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "missing_guards", lambda: ("landlock",))
    assert health.missing_guards() is None
    workers.prepare_worker(sender=_worker("ingest@here"))
    assert eventually(lambda: health.missing_guards() == ("landlock",))


def test_a_worker_that_never_reads_the_queue_of_documents_is_not_taken_for_theirs(
    redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        workers.prepare_worker(sender=_worker("ingest@here", "ingest"))
    workers.announce_ready(sender=None)
    assert workers._heartbeats == {}
    assert health.worker_state("ingest") == "down"
    assert [record.message for record in caplog.records] == ["worker.queue.not_read"]


def test_a_worker_that_ends_says_so(redis_client: Redis) -> None:
    workers.prepare_worker(sender=_worker("ingest@here"))
    workers.announce_ready(sender=None)
    assert _says("ingest", "ready")
    workers.announce_end(sender=None)
    assert _says("ingest", "down")


def test_a_worker_of_no_queue_of_ours_tells_nothing(redis_client: Redis) -> None:
    workers.prepare_worker(sender=_worker("celery@here"))
    assert workers._heartbeats == {}


def test_a_heartbeat_survives_a_redis_that_is_away(
    settings: SettingsWrapper, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "HEARTBEAT_EVERY_S", 0.01)
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    heartbeat = Heartbeat("answers")
    with caplog.at_level(logging.WARNING):
        heartbeat.start()
        assert eventually(lambda: "worker.heartbeat.failed" in caplog.text)
        assert heartbeat._thread.is_alive()
        heartbeat.become("down")
        heartbeat._thread.join(timeout=20)
    assert not heartbeat._thread.is_alive()
    assert caplog.text.count("worker.heartbeat.failed") == 1
