"""``/healthz``: what a load balancer and an operator see."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.db import DatabaseError

from ragsite import health

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings as SettingsWrapper
    from redis import Redis

    from accounts.models import User
    from documents.models import KnowledgeBase


def test_anyone_may_ask_and_all_parts_are_named(
    client: Client, db: None, redis_client: Redis
) -> None:
    health.record_worker(redis_client, "answers", "loading")
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {
        "database": "up",
        "redis": "up",
        "workers": {"ingest": "down", "answers": "loading"},
        "parsing": {"missing_guards": None},
    }
    assert "no-store" in response["Cache-Control"]


def test_without_redis_pages_still_work_and_it_is_said(
    client: Client, db: None, settings: SettingsWrapper
) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json()["redis"] == "down"
    assert set(response.json()["workers"].values()) == {"down"}


def test_without_a_database_nothing_can_be_served(
    client: Client, db: None, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise DatabaseError

    monkeypatch.setattr(health, "connection", SimpleNamespace(cursor=refuse))
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["database"] == "down"


@pytest.mark.parametrize("missing", [[], ["landlock"], ["seccomp", "landlock"]])
def test_guards_that_files_are_read_without_are_named(
    client: Client, db: None, redis_client: Redis, missing: list[str]
) -> None:
    health.record_missing_guards(redis_client, missing)
    assert client.get("/healthz").json()["parsing"] == {"missing_guards": missing}


@pytest.mark.parametrize(
    ("is_staff", "missing", "is_told"),
    [(True, ["landlock"], True), (True, [], False), (False, ["landlock"], False)],
)
def test_staff_are_told_on_the_documents_page_what_files_are_read_without(
    client: Client,
    alice: User,
    knowledge_base: KnowledgeBase,
    redis_client: Redis,
    is_staff: bool,
    missing: list[str],
    is_told: bool,
) -> None:
    alice.is_staff = is_staff
    alice.save()
    health.record_missing_guards(redis_client, missing)
    client.force_login(alice)
    page = client.get("/knowledge-bases/health/").content.decode()
    assert ("read here without landlock" in page) == is_told


def test_it_is_only_read(client: Client, db: None) -> None:
    assert client.post("/healthz").status_code == 405


@pytest.mark.parametrize("state", ["loading", "ready"])
def test_a_worker_is_what_it_last_said(redis_client: Redis, state: health.WorkerState) -> None:
    health.record_worker(redis_client, "answers", state)
    assert health.worker_state("answers") == state


def test_a_worker_that_falls_silent_is_down(redis_client: Redis) -> None:
    health.record_worker(redis_client, "answers", "ready")
    (key,) = redis_client.keys("ragsite:worker:*")
    assert 0 < redis_client.ttl(key) <= health.HEARTBEAT_EXPIRES_S
    assert health.HEARTBEAT_EVERY_S * 3 < health.HEARTBEAT_EXPIRES_S
    redis_client.delete(key)
    assert health.worker_state("answers") == "down"


def test_asking_a_redis_that_is_away_gives_up_soon() -> None:
    options = health.connect().connection_pool.connection_kwargs
    assert options["socket_timeout"] <= 1.0
    assert options["socket_connect_timeout"] <= 1.0
    assert settings.REDIS_TIMEOUT_S <= 5.0
