"""The servers that every database test of this run stands on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.db import connection

from ragsite.embedded import postgres
from ragsite.embedded.postgres import PostgresServer, make_private_folder
from ragsite.embedded.problems import StackError
from ragsite.embedded.redis import find_server

if TYPE_CHECKING:
    from redis import Redis

    from documents.models import KnowledgeBase


def test_the_database_has_vectors_and_folds_case_of_all_letters(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT '[1,2]'::vector <=> '[2,4]'::vector, lower('É')")
        assert cursor.fetchone() == (0.0, "é")


def test_the_database_listens_on_no_network_address(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW listen_addresses")
        assert cursor.fetchone() == ("",)


def test_the_socket_folder_is_closed_to_others(servers: None) -> None:
    assert settings.STATE.postgres_sockets.stat().st_mode & 0o077 == 0


def test_redis_answers_at_the_address_in_the_settings(redis_client: Redis) -> None:
    redis_client.set("seen", "yes")
    assert redis_client.get("seen") == "yes"


def test_redis_never_drops_queued_work(redis_client: Redis) -> None:
    assert redis_client.config_get("maxmemory-policy")["maxmemory-policy"] == "volatile-ttl"


def test_members_of_the_shared_knowledge_base_have_their_roles(
    knowledge_base: KnowledgeBase,
) -> None:
    members = knowledge_base.memberships.values_list("user__username", "roles")
    assert dict(members) == {"alice": ["owner"], "bob": ["viewer"]}


@pytest.mark.slow
def test_the_web_process_may_keep_a_pool_of_connections(db: None) -> None:
    code = (
        "import django; django.setup();"
        "from django.db import connection as c;"
        "cursor = c.cursor(); cursor.execute('SELECT 7'); print(cursor.fetchone()[0]);"
        "print(type(c.pool).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "ragsite.settings",
            "DATABASE_POOL_SIZE": "2",
        },
    )
    assert done.stdout.split() == ["7", "ConnectionPool"], done.stderr


def test_a_server_still_ending_is_waited_for_then_named(
    servers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PREDECESSOR_LIMIT_S", 0.0)
    with pytest.raises(StackError, match="still runs on"):
        PostgresServer.of(settings.STATE).prepare()


def test_a_lock_file_of_a_process_that_is_gone_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text("999999999\n", encoding="ascii")
    assert PostgresServer(tmp_path, tmp_path)._holder() is None


def test_a_private_folder_is_private_even_if_it_was_open_before(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    make_private_folder(folder, None)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_private_folder_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(StackError, match="belongs to another user"):
        make_private_folder(tmp_path / "link", None)


def test_without_any_redis_server_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragsite.embedded.redis._candidates", lambda: [Path("/nowhere/redis")])
    with pytest.raises(StackError, match="install redis-server or valkey-server"):
        find_server()
