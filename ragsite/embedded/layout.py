"""Where the embedded stack keeps its state, and the addresses that follow from it.

Settings read the addresses from here when no ``DATABASE_URL`` or ``REDIS_URL`` is given, so any
``manage.py`` command finds the running servers without being told.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

DATABASE_NAME = "ragsite"
DATABASE_USER = "ragsite"
LONGEST_SOCKET_FOLDER = 80
"""A Unix socket's whole path holds at most 107 bytes; the file names take up to 20."""


@dataclass(frozen=True, slots=True)
class StateLayout:
    """Paths below one state folder. Nothing is created by asking."""

    root: Path

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    @property
    def media(self) -> Path:
        return self.root / "media"

    @property
    def static(self) -> Path:
        return self.root / "static"

    @property
    def secret_key(self) -> Path:
        return self.root / "secret_key"

    @property
    def starts(self) -> Path:
        """One line of JSON for each start: how long it took, and the peak memory by then."""
        return self.root / "starts.jsonl"

    @property
    def demo_accounts(self) -> Path:
        return self.root / "demo" / "accounts.json"

    @property
    def beat_schedule(self) -> Path:
        return self.root / "beat" / "schedule"

    @property
    def supervisor_lock(self) -> Path:
        return self.root / "supervisor.lock"

    @property
    def sockets(self) -> Path:
        """Folder of the servers' sockets: below the root, or a private one with a shorter path."""
        inside = self.root / "run"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_FOLDER:
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"ragsite-{os.getuid()}-{digest}"

    @property
    def postgres_sockets(self) -> Path:
        return self.sockets / "pg"

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    @property
    def database_url(self) -> str:
        host = quote(str(self.postgres_sockets), safe="")
        return f"postgresql://{DATABASE_USER}@{host}/{DATABASE_NAME}"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.redis_socket}"
