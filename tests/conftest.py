"""Servers, people and a knowledge base that all tests share.

The first test that needs the database starts one PostgreSQL and one Redis for the whole run,
whichever worker it runs in; they end with the run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import redis
from django.conf import settings
from django.utils import translation
from filelock import FileLock

from accounts.models import User
from documents.models import KnowledgeBase, Membership
from ragsite.celery import app as celery_app
from ragsite.embedded import processes
from ragsite.embedded.postgres import THROWAWAY, PostgresServer
from ragsite.embedded.redis import RedisServer
from tests.settings import RUN_FOLDER

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pytest_django import DjangoCaptureOnCommitCallbacks

EAGER = ("task_always_eager", "task_eager_propagates")
PASSWORD = "correct horse battery staple"
LOCAL_ADDRESSES = ("127.", "::1", "localhost", "0.0.0.0")  # noqa: S104
_PROCESS_IDS = RUN_FOLDER / "processes"


# ---- servers -----------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def servers() -> None:
    """Start PostgreSQL and Redis unless another worker of this run already has."""
    with FileLock(RUN_FOLDER / "servers.lock"):
        if _PROCESS_IDS.exists():
            return
        postgres = PostgresServer.of(settings.STATE, THROWAWAY)
        broker = RedisServer(settings.STATE.redis, settings.STATE.redis_socket, keeps_data=False)
        for server in (postgres, broker):
            server.prepare()
            program = server.program()
            # The run's controller ends them: the worker that starts them may be done first.
            with (RUN_FOLDER / f"{program.name}.log").open("wb") as log:
                process = processes.start(program, output=log, ends_with_parent=False)
            with _PROCESS_IDS.open("a", encoding="ascii") as file:
                file.write(f"{process.pid} {int(program.stop_signal)}\n")
            assert server.wait_until_ready(partial(_is_alive, process))


def _is_alive(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    if _PROCESS_IDS.exists():
        for line in _PROCESS_IDS.read_text(encoding="ascii").splitlines():
            _end(*(int(word) for word in line.split()))
    shutil.rmtree(RUN_FOLDER, ignore_errors=True)


def _end(process_id: int, stop_signal: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process_id, stop_signal)
        for _ in range(100):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process_id, os.WNOHANG)
            os.kill(process_id, 0)
            time.sleep(0.05)
        os.killpg(process_id, signal.SIGKILL)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    servers: None, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Let pytest-django create its database only when there is a server."""


@pytest.fixture
def redis_client(servers: None) -> Iterator[redis.Redis]:
    """An empty Redis database of this worker's own, at ``settings.REDIS_URL``."""
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for another machine fails, and says so."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOCAL_ADDRESSES):
            pytest.fail(f"this test tried to connect to {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    """A page served in another language leaves it active in the thread; no test inherits it."""
    translation.activate("en")
    yield
    translation.deactivate()


# ---- background work -----------------------------------------------------------------------------
@pytest.fixture
def run_tasks(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> Callable[[], AbstractContextManager[object]]:
    """``with run_tasks(): ...`` runs what the block enqueues, inline, when the block ends.

    What a task raises is raised out of the block.
    """

    @contextlib.contextmanager
    def run() -> Iterator[None]:
        before = {name: getattr(celery_app.conf, name) for name in EAGER}
        celery_app.conf.update(dict.fromkeys(EAGER, True))
        try:
            with django_capture_on_commit_callbacks(execute=True):
                yield
        finally:
            celery_app.conf.update(before)

    return run


# ---- people --------------------------------------------------------------------------------------
@pytest.fixture
def alice(db: None) -> User:
    """Owns ``knowledge_base``."""
    return User.objects.create_user("alice", "alice@example.org", PASSWORD)


@pytest.fixture
def bob(db: None) -> User:
    """May ask ``knowledge_base``, no more."""
    return User.objects.create_user("bob", "bob@example.org", PASSWORD)


@pytest.fixture
def charlie(db: None) -> User:
    """Signed in, and a stranger to everything."""
    return User.objects.create_user("charlie", "charlie@example.org", PASSWORD)


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("admin", "admin@example.org", PASSWORD)


@pytest.fixture
def knowledge_base(alice: User, bob: User) -> KnowledgeBase:
    """A private knowledge base: Alice owns it, Bob views it, nobody else may know of it."""
    made = KnowledgeBase.objects.create(
        name="Health", slug="health", visibility=KnowledgeBase.Visibility.PRIVATE, created_by=alice
    )
    for user, roles in ((alice, [Membership.Role.OWNER]), (bob, [Membership.Role.VIEWER])):
        Membership.objects.create(knowledge_base=made, user=user, roles=roles)
    return made
