"""The standing program outlives files, and nothing of one file reaches the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from documents.parsing import runner
from documents.parsing import standby as standing_by
from documents.parsing.base import ParseError
from documents.parsing.runner import parse_file
from documents.parsing.standby import Standby

ROOT = Path(runner.__file__).resolve().parents[2]


@pytest.fixture
def standby(monkeypatch: pytest.MonkeyPatch) -> Iterator[Standby]:
    """One that nobody else uses."""
    mine = Standby(ROOT)
    monkeypatch.setattr(runner, "_STANDBY", mine)
    yield mine
    mine._dismiss()


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], str]:
    def of(text: str) -> str:
        path = tmp_path / f"{time.monotonic_ns()}.txt"
        path.write_text(text)
        return parse_file(path, "text/plain").text

    return of


def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PROGRAM", "tests.unit.documents.parsing.hostile_program")


def process_of(standby: Standby) -> subprocess.Popen[bytes]:
    assert standby._standing is not None
    return standby._standing.process


def test_the_next_file_is_read_by_the_same_standing_program(
    standby: Standby, read: Callable[[str], str]
) -> None:
    assert read("Sleep well.") == "Sleep well."
    first = process_of(standby).pid
    assert read("Rest a lot.") == "Rest a lot."
    assert process_of(standby).pid == first


def test_a_standing_program_is_replaced_after_many_files(
    standby: Standby, read: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing_by, "MOST_JOBS", 2)
    read("Sleep well.")
    first = process_of(standby)
    assert [read("Rest a lot."), read("Rest more.")] == ["Rest a lot.", "Rest more."]
    assert process_of(standby).pid != first.pid
    assert first.returncode is not None, "it ended"


@pytest.mark.parametrize(
    ("behaviour", "stays"),
    [("quit", True), ("raise_an_error", True), ("grow", True), ("segfault", False)],
)
def test_what_a_file_does_to_its_reader_does_not_reach_the_reader_of_the_next(
    standby: Standby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str, stays: bool
) -> None:
    hostile(monkeypatch)
    path = tmp_path / "input.txt"
    path.write_text("behave")
    assert parse_file(path, "text/plain").text == "fine"
    first = process_of(standby).pid
    path.write_text(behaviour)
    with pytest.raises(ParseError):
        parse_file(path, "text/plain")
    path.write_text("behave")
    assert parse_file(path, "text/plain").text == "fine"
    assert (process_of(standby).pid == first) == stays


@pytest.mark.parametrize("reason", ["timeout", "cancelled"])
def test_a_file_that_was_ended_leaves_the_standing_program_to_the_next(
    standby: Standby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    hostile(monkeypatch)
    path = tmp_path / "input.txt"
    path.write_text("sleep")
    with pytest.raises(ParseError) as caught:
        parse_file(
            path,
            "text/plain",
            time_limit_s=0.5 if reason == "timeout" else 60,
            recognition_s=0,
            cancelled=lambda: reason == "cancelled",
        )
    assert caught.value.code == reason
    first = process_of(standby).pid
    path.write_text("behave")
    assert parse_file(path, "text/plain").text == "fine"
    assert process_of(standby).pid == first


class TimeIsUpError(Exception):
    """As a worker raises it in whatever is being done."""


@pytest.mark.parametrize("place", ["_tell", "_wait", "_answer"])
def test_an_answer_that_was_never_read_is_not_given_to_the_next_file(
    standby: Standby, read: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    read("Sleep well.")
    step = getattr(standing_by, place)

    def interrupted(*arguments: object) -> object:
        if place != "_answer":
            step(*arguments)
        raise TimeIsUpError

    with monkeypatch.context() as patched:
        patched.setattr(standing_by, place, interrupted)
        with pytest.raises(TimeIsUpError):
            read("Never mind.")
    assert [read("Rest a lot."), read("Rest more.")] == ["Rest a lot.", "Rest more."]


@pytest.mark.parametrize(("number", "is_taken"), [("job['number']", True), ("0", False)])
def test_an_answer_to_another_job_is_not_taken(
    standby: Standby, tmp_path: Path, number: str, is_taken: bool
) -> None:
    program = (
        "import json, sys\nfor line in sys.stdin:\n    job = json.loads(line)\n"
        f"    print(json.dumps({{'number': {number}, 'status': 0, 'report': 'x'}}), flush=True)"
    )
    command = [sys.executable, "-c", program]
    attended = standby.attend(
        command, {}, [], tmp_path / "errors", time.monotonic() + 60, lambda: False
    )
    assert (attended is not None) == is_taken
    assert (standby._standing is not None) == is_taken


def test_a_standing_program_that_was_killed_is_replaced(
    standby: Standby, read: Callable[[str], str]
) -> None:
    read("Sleep well.")
    first = process_of(standby).pid
    os.kill(first, signal.SIGKILL)
    assert read("Rest a lot.") == "Rest a lot."
    assert read("Rest more.") == "Rest more."
    assert process_of(standby).pid != first


def test_a_file_whose_standing_program_is_killed_is_read_by_one_of_its_own(
    standby: Standby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile(monkeypatch)
    path = tmp_path / "input.txt"
    path.write_text("behave")
    parse_file(path, "text/plain")
    path.write_text("sleep")
    asked: list[int] = []

    def kill_once() -> bool:
        if not asked:
            asked.append(process_of(standby).pid)
            path.write_text("behave")
            os.kill(asked[0], signal.SIGKILL)
        return False

    assert parse_file(path, "text/plain", cancelled=kill_once).text == "fine"
    assert asked


def test_two_threads_do_not_wait_for_each_other(
    standby: Standby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile(monkeypatch)
    slow, quick = tmp_path / "slow.txt", tmp_path / "quick.txt"
    slow.write_text("sleep")
    quick.write_text("behave")
    began, finish = threading.Event(), threading.Event()
    ended: list[str] = []

    def cancelled() -> bool:
        began.set()
        return finish.is_set()

    def wait() -> None:
        try:
            parse_file(slow, "text/plain", cancelled=cancelled)
        except ParseError as error:
            ended.append(error.code)

    thread = threading.Thread(target=wait)
    thread.start()
    assert began.wait(60)
    assert parse_file(quick, "text/plain").text == "fine"
    assert ended == []
    finish.set()
    thread.join()
    assert ended == ["cancelled"]


def test_a_fork_of_the_worker_has_a_standing_program_of_its_own(
    standby: Standby, read: Callable[[str], str], tmp_path: Path
) -> None:
    read("Sleep well.")
    first = process_of(standby).pid
    told = tmp_path / "told"
    child = os.fork()
    if not child:
        try:
            text = read("Rest a lot.")
            told.write_text(f"{text} {process_of(standby).pid != first}")
            standby._dismiss()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert told.read_text() == "Rest a lot. True"
    assert read("Rest more.") == "Rest more."
    assert process_of(standby).pid == first


def test_the_standing_program_ends_with_its_worker(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("Sleep well.")
    program = (
        "import sys, time; from pathlib import Path; from documents.parsing import runner;"
        "runner.parse_file(Path(sys.argv[1]), 'text/plain');"
        "print(runner._STANDBY._standing.process.pid, flush=True); time.sleep(600)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    standing = int(worker.stdout.readline())
    assert is_running(standing)
    worker.kill()
    worker.communicate()
    for _ in range(200):
        if not is_running(standing):
            break
        time.sleep(0.05)
    assert not is_running(standing)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


def test_the_standing_program_ends_when_nobody_asks_for_a_while(tmp_path: Path) -> None:
    program = (
        "from documents.parsing import forking; forking.IDLE_S = 0.1;"
        "forking.serve(lambda arguments: 0, lambda arguments: None); print('over', flush=True)"
    )
    done = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert done.stdout is not None
    assert done.stdout.read() == b"over\n"
    assert done.wait() == 0
    assert done.stdin is not None
    done.stdin.close()
