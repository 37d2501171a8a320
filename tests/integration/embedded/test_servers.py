"""The servers that every database test of this run stands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

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
