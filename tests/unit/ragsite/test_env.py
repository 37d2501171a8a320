"""Reading the environment: what is taken, and what is refused with which words."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ImproperlyConfigured

from ragsite import env
from ragsite.embedded.layout import StateLayout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", True),
        ("true", True),
        ("Yes", True),
        ("on", True),
        ("0", False),
        ("off", False),
    ],
)
def test_a_flag_reads_the_usual_words(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    monkeypatch.setenv("X", value)
    assert env.flag("X", default=not expected) is expected


@pytest.mark.parametrize("default", [True, False])
def test_a_flag_that_is_not_given_has_its_default(
    monkeypatch: pytest.MonkeyPatch, default: bool
) -> None:
    monkeypatch.delenv("X", raising=False)
    assert env.flag("X", default=default) is default


@pytest.mark.parametrize("empty", ["", " "])
def test_what_compose_passes_empty_has_its_default(
    monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    monkeypatch.setenv("X", empty)
    assert [env.flag("X", default=default) for default in (True, False)] == [True, False]
    assert env.text("X", "INFO") == "INFO"
    assert env.number("X", 5) == 5
    assert env.words("X", "a,b") == ["a", "b"]


def test_a_flag_refuses_other_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "maybe")
    with pytest.raises(ImproperlyConfigured, match="X must be 1 or 0, not 'maybe'"):
        env.flag("X", default=False)


@pytest.mark.parametrize(("value", "words"), [("many", "whole number"), ("0", "at least 1")])
def test_a_number_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, value: str, words: str
) -> None:
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured, match=words):
        env.number("X", 5, minimum=1)


def test_words_drops_empty_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " a, ,b,")
    assert env.words("X") == ["a", "b"]


def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n", encoding="utf-8")
    monkeypatch.setenv("X_FILE", str(file))
    assert env.secret("X") == "hush"


def test_a_secret_given_directly_comes_before_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("X_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("X", "direct")
    assert env.secret("X") == "direct"


def test_an_unreadable_secret_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("X_FILE", str(tmp_path / "absent"))
    with pytest.raises(ImproperlyConfigured, match=r"X_FILE names .*absent"):
        env.secret("X")


def test_a_kept_secret_is_made_once_and_private(tmp_path: Path) -> None:
    file = tmp_path / "var" / "key"
    first = env.kept_secret(file)
    assert len(first) >= 50
    assert env.kept_secret(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_processes_that_start_at_once_keep_the_same_secret(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: env.kept_secret(file), range(16)))
    assert len(made) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_a_database_url_is_taken_apart() -> None:
    found = env.database("postgresql://me:p%40ss@db.example.org:6543/rag?sslmode=require")
    assert found["HOST"] == "db.example.org"
    assert found["PORT"] == "6543"
    assert found["USER"] == "me"
    assert found["PASSWORD"] == "p@ss"
    assert found["NAME"] == "rag"
    assert found["OPTIONS"]["sslmode"] == "require"


def test_a_database_url_may_name_an_ipv6_address() -> None:
    found = env.database("postgresql://me@[::1]:5433/rag")
    assert (found["HOST"], found["PORT"]) == ("::1", "5433")


def test_a_socket_folder_keeps_its_letters_case(tmp_path: Path) -> None:
    layout = StateLayout(tmp_path / "Var")
    assert env.database(layout.database_url)["HOST"] == str(layout.postgres_sockets)


@pytest.mark.parametrize("url", ["mysql://a@b/c", "postgresql://host", "ragsite"])
def test_another_database_url_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must look like"):
        env.database(url)


def test_a_pool_is_for_those_who_ask() -> None:
    assert "pool" not in env.database("postgresql://a@b/c")["OPTIONS"]
    assert env.database("postgresql://a@b/c", pool_size=4)["OPTIONS"]["pool"]["max_size"] == 4


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://r:6379/0", "redis://r:6379/0"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
    ],
)
def test_the_broker_address_follows_celery_spelling(url: str, expected: str) -> None:
    assert env.broker(url) == expected
