"""The supervisor: one log, parts that come again. Small programs stand for those of the stack."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from ragsite.embedded import supervisor as supervision
from ragsite.embedded.console import Console
from ragsite.embedded.layout import StateLayout
from ragsite.embedded.problems import StackError
from ragsite.embedded.processes import Program
from ragsite.embedded.stack import Plan, only_one, run
from ragsite.embedded.supervisor import Running, StopRequested, Supervisor
from tests.integration.embedded.test_processes import eventually, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SLEEP = "import time; time.sleep(600)"
SAYS_BYE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("bye"), sys.exit()))
print("up")
time.sleep(600)
"""


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(out: io.StringIO, tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(Console(out), tmp_path, {"GIVEN": "yes"})
    yield made
    made.stop_all()


def _program(name: str, code: str, *, quiet: bool = False) -> Program:
    return Program(name, (sys.executable, "-u", "-c", code), quiet=quiet)


def test_a_step_runs_in_the_given_environment_and_is_shown(
    supervisor: Supervisor, out: io.StringIO
) -> None:
    supervisor.run_python("prepare", ("-c", "import os; print(os.environ['GIVEN'])"))
    assert out.getvalue() == "prepare  | yes\n"


def test_a_step_that_fails_is_an_error_with_its_code(supervisor: Supervisor) -> None:
    with pytest.raises(StackError, match="prepare failed with exit code 3"):
        supervisor.run_python("prepare", ("-c", "raise SystemExit(3)"))


def test_the_death_of_a_part_names_it_and_repeats_its_last_lines(supervisor: Supervisor) -> None:
    supervisor.start(_program("beat", "print('no more ticks'); raise SystemExit(7)"))
    with pytest.raises(StackError) as caught:
        supervisor.wait_until(lambda: False)
    assert "The process 'beat' ended with code 7" in str(caught.value)
    assert "no more ticks" in str(caught.value)


def test_a_killed_part_is_said_to_be_killed(supervisor: Supervisor) -> None:
    running = supervisor.start(_program("web", SLEEP))
    running.process.kill()
    with pytest.raises(StackError, match="'web' was killed by SIGKILL"):
        supervisor.wait_until(lambda: False)


def test_the_last_lines_of_a_quiet_part_are_told_when_it_dies(
    supervisor: Supervisor, out: io.StringIO
) -> None:
    supervisor.start(
        _program("postgres", "print('FATAL: no space'); raise SystemExit(1)", quiet=True)
    )
    with pytest.raises(StackError, match="FATAL: no space"):
        supervisor.wait_until(lambda: False)
    assert out.getvalue() == ""


def test_a_part_that_dies_during_a_step_ends_the_step(supervisor: Supervisor) -> None:
    supervisor.start(_program("redis", "raise SystemExit(1)"))
    with pytest.raises(StackError, match="'redis' ended with code 1"):
        supervisor.run_python("prepare", ("-c", SLEEP))


def _kept_up(supervisor: Supervisor, until: Callable[[], bool]) -> None:
    """Let the supervisor keep its parts up until something holds."""
    thread = threading.Thread(target=_stopped, args=(supervisor,))
    thread.start()
    try:
        assert eventually(until)
    finally:
        supervisor._request_stop(signal.SIGTERM, None)
        thread.join()


def _stopped(supervisor: Supervisor) -> None:
    with suppress(StopRequested):
        supervisor.keep_up()


def test_a_part_that_is_killed_is_started_again_and_the_others_are_left_alone(
    supervisor: Supervisor, out: io.StringIO
) -> None:
    web, redis = [supervisor.start(_program(name, SAYS_BYE)) for name in ("web", "redis")]
    assert eventually(lambda: out.getvalue().count("up") == 2)
    web.process.kill()
    _kept_up(supervisor, lambda: out.getvalue().count("web      | up") == 2)
    assert "The process 'web' was killed by SIGKILL, so it is started again." in out.getvalue()
    assert is_alive(redis.process.pid)
    supervisor.stop_all()
    assert out.getvalue().count("web      | bye") == 1
    assert not is_alive(redis.process.pid)


def test_what_a_killed_part_had_started_is_ended_before_it_comes_again(
    supervisor: Supervisor, out: io.StringIO
) -> None:
    code = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid)"
    part = supervisor.start(_program("answers", f"{code}; {SLEEP}"))
    assert eventually(lambda: out.getvalue().endswith("\n"))
    child = int(out.getvalue().split()[-1])
    part.process.kill()
    _kept_up(supervisor, lambda: not is_alive(child))


def test_a_part_that_ends_at_every_start_is_tried_after_longer_and_longer_pauses(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "LONGEST_PAUSE_S", 0.2)
    supervisor.start(_program("postgres", "raise SystemExit(1)", quiet=True)).pause_s = 0.06
    pauses = []
    launch = supervisor._launch

    def noted(program: Program) -> Running:
        pauses.append(round(supervisor._running[0].pause_s, 2))
        if len(pauses) == 2:
            raise StackError("no room for another process")
        return launch(program)

    monkeypatch.setattr(supervisor, "_launch", noted)
    _kept_up(supervisor, lambda: len(pauses) >= 5)
    assert pauses[:5] == [0.06, 0.12, 0.2, 0.2, 0.2]


def test_stopping_ends_every_part_servers_last(supervisor: Supervisor, out: io.StringIO) -> None:
    parts = [supervisor.start(_program(name, SAYS_BYE)) for name in ("redis", "web", "answers")]
    assert eventually(lambda: out.getvalue().count("up") == 3)
    supervisor.stop_all()
    assert not any(is_alive(part.process.pid) for part in parts)
    farewells = [line.split()[0] for line in out.getvalue().splitlines() if line.endswith("bye")]
    assert farewells[-1] == "redis"
    assert sorted(farewells) == ["answers", "redis", "web"]


def test_a_program_that_does_not_exist_is_one_sentence(supervisor: Supervisor) -> None:
    running = supervisor.start(Program("redis", ("/nowhere/redis-server",)))
    running.process.wait()
    with pytest.raises(StackError, match="'redis' ended with code 1"):
        supervisor.check()


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_stop_is_no_error(supervisor: Supervisor, name: signal.Signals) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    supervisor.listen_to_signals()
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), name)).start()
        with pytest.raises(StopRequested):
            supervisor.wait_until(lambda: False)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_the_state_folder_has_one_supervisor_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "supervisor.lock"
    with only_one(lock), pytest.raises(StackError, match=f"process {os.getpid()}"), only_one(lock):
        pass
    with only_one(lock):
        pass


def test_a_taken_port_stops_the_start_before_anything_runs(
    tmp_path: Path, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Supervisor, "listen_to_signals", lambda self: None)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        plan = Plan(StateLayout(tmp_path / "var"), "127.0.0.1", port, welcome=("-c", ""))
        assert run(plan, Console(out)) == 1
    assert len(out.getvalue().splitlines()) == 1
    assert f"Port {port} is taken" in out.getvalue()
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["supervisor.lock"]
