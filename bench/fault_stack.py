"""A stack of its own whose parts can be killed: PostgreSQL, Redis, the worker and the scheduler."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ragsite.embedded import commands, processes
from ragsite.embedded.layout import StateLayout
from ragsite.embedded.postgres import PostgresServer
from ragsite.embedded.processes import Program
from ragsite.embedded.redis import RedisServer
from ragsite.embedded.stack import environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
BASE = "faults"
_PEOPLE = f"""
from accounts.models import User
from documents.bases import create_knowledge_base
admin = User.objects.create_superuser("faults", "faults@example.org", None)
base = create_knowledge_base(actor=admin, name="{BASE}")
assert base.slug == "{BASE}", base.slug
"""


class FaultStack:
    """Servers, one worker for documents, and the scheduler, on ``state``. Use it with ``with``."""

    def __init__(self, state: Path, concurrency: int, embedder: str) -> None:
        self.state = state
        self._layout = StateLayout(state)
        self._postgres = PostgresServer.of(self._layout)
        self._redis = RedisServer(self._layout.redis, self._layout.redis_socket, keeps_data=False)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("RAGSITE_") and name not in {"DATABASE_URL", "REDIS_URL"}
        }
        self._environment = {**inherited, **environment(inherited, self._layout)}
        if embedder:
            self._environment["RAGSITE_EMBEDDER"] = embedder
        self._programs: dict[str, Callable[[], Program]] = {
            "postgres": self._postgres.program,
            "redis": self._redis.program,
            "worker": partial(self._python, "worker", commands.ingest_worker(concurrency)),
            "beat": partial(self._python, "beat", commands.beat(str(self._layout.beat_schedule))),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._seen: set[tuple[int, str]] = set()
        """Every program that a worker was seen to have, by number and start."""

    @property
    def database(self) -> str:
        return self._postgres.url()

    def __enter__(self) -> Self:
        self._postgres.prepare()
        self._redis.prepare()
        self._layout.beat_schedule.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._start_server("postgres")
            self._start_server("redis")
            self._manage("prepare")
            self._manage("shell", "--command", _PEOPLE)
            self._start("worker")
            self._start("beat")
        except BaseException:
            self._stop_all()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_all()

    def ingest(self, folder: Path) -> subprocess.Popen[bytes]:
        """Hand the folder to ``manage.py ingest``, which ends when all of it is stored."""
        self._running["ingest"] = self._launch(
            self._python("ingest", ("manage.py", "ingest", str(folder), "--kb", BASE, "--no-wait"))
        )
        return self._running["ingest"]

    def shell(self, statements: str) -> Any:
        """What Python statements print inside the product, which is JSON."""
        done = subprocess.run(  # noqa: S603 - our own commands, no shell
            [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", statements],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        return json.loads(done.stdout)

    @property
    def is_alive(self) -> bool:
        """Whether the worker still runs."""
        return self._running["worker"].poll() is None

    def pids(self, *names: str) -> list[int]:
        """The processes that run under these names, without what they started."""
        return [self._running[name].pid for name in names]

    def keep_going(self) -> None:
        """What a supervisor does: start again what has ended."""
        for name in ("worker", "beat"):
            if self._running[name].poll() is not None:
                self._start(name)

    def note_programs(self) -> None:
        """Remember what the worker has started by now: see ``leftovers``."""
        if "worker" in self._running:
            self._seen |= _family(self._running["worker"].pid)

    # ---- faults ----------------------------------------------------------------------------------
    def kill_worker(self) -> None:
        """The worker itself; what it has started is left to notice."""
        self.note_programs()
        self._running["worker"].send_signal(signal.SIGKILL)
        self._running["worker"].wait()

    def kill_child(self, process: int) -> None:
        self.note_programs()
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    def empty_redis(self) -> None:
        self._running["redis"].kill()
        self._running["redis"].wait()
        shutil.rmtree(self._layout.redis)
        self._redis.prepare()
        self._start_server("redis")

    def restart_postgres(self, *, in_order: bool) -> None:
        """In order: sessions are ended, their transactions undone. Else: as after a crash."""
        server = self._running["postgres"]
        server.send_signal(signal.SIGINT if in_order else signal.SIGQUIT)
        server.wait(60)
        self._start_server("postgres")

    # ---- the end ---------------------------------------------------------------------------------
    def stop_workers(self) -> None:
        self.note_programs()
        for name in ("beat", "worker"):
            self._stop(name)

    def leftovers(self) -> int:
        """Programs that a worker was seen to have and that still run, a second after it ended."""
        time.sleep(1.0)
        return sum(_started(process) == began for process, began in self._seen)

    def _stop_all(self) -> None:
        for name in reversed(list(self._running)):
            self._stop(name)

    def _stop(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is not None:
            program = self._programs[name]() if name in self._programs else Program(name, ())
            processes.stop(process, program, patience_s=30.0)

    # ---- starting --------------------------------------------------------------------------------
    def _start_server(self, name: str) -> None:
        self._start(name)
        server = self._postgres if name == "postgres" else self._redis
        running = self._running[name]
        if not server.wait_until_ready(lambda: running.poll() is None):
            message = f"{name} ended; its words are in {self._log(name)}"
            raise RuntimeError(message)

    def _start(self, name: str) -> None:
        self._running[name] = self._launch(self._programs[name]())

    def _launch(self, program: Program) -> subprocess.Popen[bytes]:
        with self._log(program.name).open("ab") as output:
            return processes.start(program, output=output, cwd=ROOT)

    def _python(self, name: str, command: commands.Command) -> Program:
        return Program(name, (sys.executable, *command), environment=self._environment)

    def _manage(self, *command: str) -> None:
        subprocess.run(  # noqa: S603 - our own commands, no shell
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def _log(self, name: str) -> Path:
        return self.state / f"{name}.log"


def _family(process: int) -> set[tuple[int, str]]:
    """A process and all below it."""
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        children = [
            int(child) for task in tasks for child in (task / "children").read_text().split()
        ]
    except OSError:  # it has ended meanwhile
        return set()
    own = {(process, began)} if (began := _started(process)) else set()
    return own.union(*map(_family, children))


def _started(process: int) -> str:
    """When a running process began, which tells it from a later one of its number; else ``""``."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]
