"""The whole stack on one machine: in which order its parts start, and what is said meanwhile."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragsite import env
from ragsite.embedded import commands
from ragsite.embedded.memory import PeakMemory
from ragsite.embedded.postgres import PostgresServer
from ragsite.embedded.preflight import GIGABYTE, disk_problem, port_problem, python_problem
from ragsite.embedded.problems import StackError
from ragsite.embedded.redis import RedisServer
from ragsite.embedded.supervisor import WATCH_EVERY_S, StopRequested, Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ragsite.embedded.commands import Command
    from ragsite.embedded.console import Console
    from ragsite.embedded.layout import StateLayout

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDED_BYTES = GIGABYTE // 2
WEB_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start. ``welcome`` runs once all serve: demo data, or the first-run token."""

    layout: StateLayout
    host: str
    port: int
    welcome: Command
    once: bool = False
    began_at: float = 0.0
    """Seconds since the epoch at which the whole command began, installation included."""

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}/"


def run(plan: Plan, console: Console) -> int:
    """Start everything, stay until asked to stop, end everything. Returns the exit code."""
    supervisor = Supervisor(console, ROOT, environment(os.environ, plan.layout))
    supervisor.listen_to_signals()
    memory = PeakMemory()
    try:
        # First the lock: a port taken by a running Ragsite is no other program's.
        with only_one(plan.layout.supervisor_lock):
            check_machine(plan)
            memory.start()
            try:
                _start_all(plan, console, supervisor)
                _report(plan, console, memory)
                if not plan.once:
                    supervisor.keep_up()
            finally:
                if supervisor.stop_requested:
                    console.say("Stopping; this takes a few seconds.")
                supervisor.stop_all()
    except StopRequested:
        console.say("Stopped.")
    except StackError as error:
        console.say(str(error))
        return 1
    except OSError as error:
        console.say(f"Ragsite cannot go on: {error.strerror or error} ({error.filename or ''}).")
        return 1
    finally:
        memory.stop()
    return 0


def check_machine(plan: Plan) -> None:
    """Raise ``StackError`` with one sentence when the stack could not run here."""
    for problem in (
        python_problem(sys.version_info[:2]),
        disk_problem(plan.layout.root, NEEDED_BYTES),
        port_problem(plan.host, plan.port),
    ):
        if problem:
            raise StackError(problem)


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold the state folder; raise ``StackError`` when another supervisor does."""
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            message = (
                f"Ragsite already runs from {lock.parent} (process {file.read().strip()}); "
                "end that one first, or set another RAGSITE_STATE_DIR."
            )
            raise StackError(message) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def environment(outer: Mapping[str, str], layout: StateLayout) -> dict[str, str]:
    """What each process gets on top of the outer environment."""
    given = {
        "DJANGO_SETTINGS_MODULE": "ragsite.settings",
        "RAGSITE_STATE_DIR": str(layout.root),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Bars redraw a line; in a log of several processes they are noise.
        "TQDM_DISABLE": "1",
    }
    return {**given, "HF_HUB_OFFLINE": outer.get("HF_HUB_OFFLINE", "1")}


def _start_all(plan: Plan, console: Console, supervisor: Supervisor) -> None:
    layout = plan.layout
    console.say(f"Starting PostgreSQL and Redis; their data is in {layout.root}.")
    _start_servers(layout, supervisor)
    console.say("Preparing the database, static files and translations.")
    supervisor.run_python("prepare", commands.prepare())
    supervisor.run_python("prepare", ("manage.py", "release_orphans"))
    console.say("Starting the web server.")
    _start_web(plan, supervisor)
    # After the pages are there: loading models takes both cores of a small machine for a while.
    console.say(f"Pages are served at {plan.address} - starting two workers and the scheduler.")
    supervisor.start_python("answers", commands.answers_worker())
    supervisor.start_python("ingest", commands.ingest_worker())
    layout.beat_schedule.parent.mkdir(parents=True, exist_ok=True)
    supervisor.start_python("beat", commands.beat(str(layout.beat_schedule)))
    supervisor.run_python("welcome", plan.welcome)


def _start_servers(layout: StateLayout, supervisor: Supervisor) -> None:
    if not env.secret("DATABASE_URL"):
        postgres = PostgresServer.of(layout)
        postgres.prepare()
        running = supervisor.start(postgres.program())
        postgres.wait_until_ready(supervisor.keeps_going(running))
        supervisor.check()
    if not env.secret("REDIS_URL"):
        broker = RedisServer.of(layout)
        broker.prepare()
        running = supervisor.start(broker.program())
        broker.wait_until_ready(supervisor.keeps_going(running))
        supervisor.check()


def _start_web(plan: Plan, supervisor: Supervisor) -> None:
    supervisor.start_python("web", commands.web(plan.host, plan.port))
    deadline = time.monotonic() + WEB_LIMIT_S
    while not _web_answers(plan):
        supervisor.check()
        if time.monotonic() > deadline:
            message = f"The web server did not answer within {WEB_LIMIT_S:.0f} seconds."
            raise StackError(message)
        time.sleep(WATCH_EVERY_S)


def _web_answers(plan: Plan) -> bool:
    try:
        with urllib.request.urlopen(f"{plan.address}healthz", timeout=2) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _report(plan: Plan, console: Console, memory: PeakMemory) -> None:
    seconds = time.time() - plan.began_at if plan.began_at else 0.0
    peak = memory.peak_bytes / 1024**2
    console.say(f"Ready after {seconds:.0f} s; peak memory of all processes {peak:.0f} MiB.")
    start = {"at": int(time.time()), "seconds": round(seconds, 1), "peak_mib": round(peak)}
    with plan.layout.starts.open("a", encoding="ascii") as file:
        file.write(json.dumps(start) + "\n")
    console.say("" if plan.once else f"Open {plan.address} - Ctrl-C ends everything.")
