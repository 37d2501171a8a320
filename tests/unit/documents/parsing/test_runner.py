from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from documents.parsing import program, runner
from documents.parsing.base import ParseError
from documents.parsing.program import (
    EXIT_DISK_FULL,
    EXIT_MEMORY,
    EXIT_OUTPUT_TOO_LARGE,
    EXIT_REFUSED,
)
from documents.parsing.runner import parse_file
from documents.parsing.sandbox import LANDLOCK, SECCOMP, missing_guards
from documents.parsing.wire import encode_document
from documents.types import Block, ParsedDocument

Hostile = Callable[..., ParsedDocument]


class Nobody:
    """In place of a standing program: a program is started for each file."""

    def attend(self, *_: object) -> None: ...


@pytest.fixture(params=["standing", "started"])
def hostile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Hostile:
    """Run the program with a parser that behaves as told, by a fork and by one of its own."""
    monkeypatch.setattr(runner, "PROGRAM", "tests.unit.documents.parsing.hostile_program")
    if request.param == "started":
        monkeypatch.setattr(runner, "_STANDBY", Nobody())

    def run(behaviour: str, **options: object) -> ParsedDocument:
        path = tmp_path / "input.txt"
        path.write_text(behaviour)
        return parse_file(path, "text/plain", **options)  # type: ignore[arg-type]

    return run


def test_a_file_is_read_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("A note\n\nSleep well. 睡个好觉。")

    parsed = parse_file(path, "text/plain")

    assert parsed.title == "A note"
    assert parsed.text == "A note\n\nSleep well. 睡个好觉。"
    assert [block.kind for block in parsed.blocks] == ["heading", "paragraph"]


def test_an_empty_file_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PROGRAM", "no.such.program")
    path = tmp_path / "empty.txt"
    path.touch()

    with pytest.raises(ParseError) as caught:
        parse_file(path, "text/plain")

    assert caught.value.code == "empty"


def test_an_unknown_media_type_is_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_text("x")

    with pytest.raises(ParseError) as caught:
        parse_file(path, "application/octet-stream")

    assert caught.value.code == "unsupported"


def test_the_name_of_a_file_is_no_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("--media-type").write_text("plain words")

    assert parse_file(Path("--media-type"), "text/plain").text == "plain words"


@pytest.mark.parametrize(
    ("behaviour", "options", "code"),
    [
        ("loop", {"time_limit_s": 1}, "timeout"),
        ("sleep", {"time_limit_s": 1}, "timeout"),
        ("grow", {"memory_mb": 256}, "memory"),
        ("abort_without_memory", {"memory_mb": 256}, "memory"),
        ("segfault", {}, "crashed"),
        ("quit", {}, "crashed"),
        ("raise_an_error", {}, "crashed"),
        ("refuse", {}, "encrypted"),
        ("recurse", {}, "nested"),
        ("unguarded_connect", {}, "crashed"),
        ("unguarded_start_a_program", {}, "crashed"),
        ("unguarded_write_elsewhere", {}, "crashed"),
        ("sleep", {"cancelled": lambda: True}, "cancelled"),
    ],
)
def test_every_bad_end_has_its_code(
    hostile: Hostile, behaviour: str, options: dict[str, object], code: str
) -> None:
    with pytest.raises(ParseError) as caught:
        hostile(behaviour, **options)

    assert caught.value.code == code


def test_memory_that_the_worker_holds_is_not_taken_for_the_programs(hostile: Hostile) -> None:
    model = b"x" * (256 * 1024 * 1024)

    with pytest.raises(ParseError) as caught:
        hostile("segfault", memory_mb=256)

    assert len(model) and caught.value.code == "crashed"


def test_a_well_behaved_parser_passes_the_same_way(hostile: Hostile) -> None:
    assert hostile("behave").text == "fine"


@pytest.mark.parametrize("guards", ["", "unguarded_"])
@pytest.mark.parametrize("behaviour", ["connect", "start_a_program", "write_elsewhere"])
def test_sockets_programs_and_other_files_are_refused_inside(
    hostile: Hostile, behaviour: str, guards: str
) -> None:
    with pytest.raises(ParseError) as caught:
        hostile(guards + behaviour)

    assert "PermissionError" in caught.value.detail


@pytest.mark.skipif(SECCOMP in missing_guards(), reason="this system has no seccomp")
@pytest.mark.parametrize(
    "behaviour",
    [
        "native_socket",
        "native_socket_by_rings",
        "native_fork",
        "native_new_session",
        "native_program",
        "native_file",
        "native_removal",
        "native_signal",
        "native_signal_by_a_pipe",
        "native_priority",
        "native_processors",
        "native_shared_memory",
        "native_limit",
        "native_freedom_from_the_parent",
    ],
)
def test_native_code_is_refused_what_reaches_out_of_the_process(
    hostile: Hostile, behaviour: str
) -> None:
    with pytest.raises(ParseError) as caught:
        hostile(behaviour)

    assert caught.value.detail == f"-1 {errno.errorcode[errno.EPERM]}"


@pytest.mark.skipif(LANDLOCK in missing_guards(), reason="this system has no Landlock")
@pytest.mark.parametrize(
    "behaviour", ["read_secrets_of_the_worker", "read_the_settings", "list_other_uploads"]
)
def test_nothing_but_the_file_and_libraries_can_be_read(hostile: Hostile, behaviour: str) -> None:
    with pytest.raises(ParseError) as caught:
        hostile(behaviour)

    assert "PermissionError" in caught.value.detail


def test_threads_and_libraries_still_work_under_the_guards(hostile: Hostile) -> None:
    assert hostile("use_threads_and_libraries").text == "fine"


def test_a_missing_guard_is_warned_of_once(
    hostile: Hostile, caplog: pytest.LogCaptureFixture
) -> None:
    runner._warn_of_missing.cache_clear()
    hostile("unguarded_behave")
    hostile("unguarded_behave")

    warned = [each for each in caplog.records if each.message == "parser.unguarded"]
    assert [vars(each)["missing"] for each in warned] == ["seccomp, landlock"]


def test_a_crash_is_reported_by_place_and_without_text_of_the_document(hostile: Hostile) -> None:
    with pytest.raises(ParseError) as caught:
        hostile("raise_an_error")

    assert "ValueError at hostile_program.py" in caught.value.detail
    assert "text of a document" not in caught.value.detail


def test_the_program_sees_no_secret_of_ours(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGSITE_CHAT_API_KEY", "secret")

    with pytest.raises(ParseError) as caught:
        hostile("show_environment")

    assert "PATH" in caught.value.detail
    assert "RAGSITE" not in caught.value.detail


def test_a_child_of_the_program_does_not_outlive_the_call(hostile: Hostile) -> None:
    with pytest.raises(ParseError) as caught:
        hostile("unguarded_leave_a_child")

    match = re.search(r"child (\d+)", caught.value.detail)
    assert match is not None
    pid = int(match.group(1))
    for _ in range(100):  # the kill is sent when the call returns; the kernel may lag behind
        if not _is_running(pid):
            break
        time.sleep(0.05)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    """Whether the process runs; one that is dead and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


def test_an_interrupted_wait_ends_the_program_too(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    wait = runner._wait

    def note(pid: int, deadline: float, cancelled: Callable[[], bool]) -> str:
        started.append(pid)
        return wait(pid, deadline, cancelled)

    def interrupt() -> bool:
        standing = getattr(runner._STANDBY, "_standing", None)
        if standing is not None:
            started.extend(_descendants(standing.process.pid))
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_wait", note)
    with pytest.raises(KeyboardInterrupt):
        hostile("sleep", cancelled=interrupt)

    # Only the program is asked for: the test's process may have other children, a database too.
    assert started
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_a_killed_worker_leaves_no_program_behind(tmp_path: Path) -> None:
    path = tmp_path / "input.txt"
    path.write_text("sleep")
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from documents.parsing import runner;"
            "runner.PROGRAM = 'tests.unit.documents.parsing.hostile_program';"
            "runner.parse_file(Path(sys.argv[1]), 'text/plain')",
            str(path),
        ]
    )
    try:
        programs = _wait_for(lambda: _descendants(worker.pid), at_least=2)
    finally:
        worker.kill()
        worker.wait()

    assert _wait_for(lambda: [pid for pid in programs if not _is_running(pid)], at_least=2)


ORPHAN = """
import os, time
from documents.parsing.sandbox import end_with_the_parent
parent = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.01)
end_with_the_parent({parent})
print("lives on", flush=True)
"""


@pytest.mark.parametrize(("parent", "said"), [("parent", ""), ("os.getppid()", "lives on\n")])
def test_a_program_whose_worker_ended_before_it_could_ask_ends_too(parent: str, said: str) -> None:
    orphan = ORPHAN.format(parent=parent)
    ended = subprocess.run(
        [sys.executable, "-c", orphan], cwd=runner._REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert ended.stdout == said


def _wait_for(look: Callable[[], list[int]], *, at_least: int) -> list[int]:
    for _ in range(1200):
        found = look()
        if len(found) >= at_least:
            return found
        time.sleep(0.05)
    return []


def _descendants(pid: int) -> list[int]:
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
    ]
    return [*children, *(each for child in children for each in _descendants(child))]


def test_output_over_the_limit_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "OUTPUT_LIMIT_MB", 1)
    path = tmp_path / "long.txt"
    path.write_text("word " * 300_000)

    with pytest.raises(ParseError) as caught:
        parse_file(path, "text/plain")

    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    ("status", "peak_mb", "code"),
    [
        (EXIT_MEMORY, 10.0, "memory"),
        (-signal.SIGKILL, 900.0, "memory"),
        (-signal.SIGKILL, 10.0, "killed"),
        (-signal.SIGABRT, 900.0, "memory"),
        (-signal.SIGABRT, 90.0, "crashed"),
        (-signal.SIGSEGV, 90.0, "crashed"),
        (-40, 90.0, "crashed"),
        (-signal.SIGXCPU, 90.0, "timeout"),
        (-signal.SIGALRM, 90.0, "timeout"),
        (-signal.SIGXFSZ, 90.0, "too_large"),
        (EXIT_OUTPUT_TOO_LARGE, 90.0, "too_large"),
        (1, 90.0, "crashed"),
    ],
)
def test_exit_statuses_are_told_apart(
    tmp_path: Path, status: int, peak_mb: float, code: str
) -> None:
    ended = runner._Ended(status, peak_mb, ())

    with pytest.raises(ParseError) as caught:
        runner._output(ended, 1024, tmp_path / "out", "")

    assert caught.value.code == code


@pytest.mark.parametrize(
    "words", ["memory allocation of 1073741824 bytes failed", "throwing 'std::bad_alloc'"]
)
def test_who_aborts_over_one_large_demand_lacked_memory(tmp_path: Path, words: str) -> None:
    ended = runner._Ended(-signal.SIGABRT, 90.0, ())

    with pytest.raises(ParseError) as caught:
        runner._output(ended, 1024, tmp_path / "out", words)

    assert caught.value.code == "memory"


@pytest.mark.parametrize(
    "output", [b"", b"{}", b"no json", b'{"version":1,"error":"odd","detail":""}']
)
def test_output_that_makes_no_sense_is_a_crash(output: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        runner._document(output)

    assert caught.value.code == "crashed"


def test_a_refusal_without_a_reason_is_a_crash(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.write_bytes(encode_document(ParsedDocument("fine", (Block("paragraph", 0, 4),))))

    with pytest.raises(ParseError) as caught:
        runner._output(runner._Ended(EXIT_REFUSED, 1.0, ()), 1024, output, "")

    assert caught.value.code == "crashed"


def test_a_full_disk_is_not_the_files_fault(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        runner._output(runner._Ended(EXIT_DISK_FULL, 1.0, ()), 1024, tmp_path / "out", "")

    assert caught.value.errno == errno.ENOSPC


def test_a_message_that_finds_no_room_has_its_own_exit_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no device that is always full")

    assert program._write(os.open(full, os.O_WRONLY), b"words", 0) == EXIT_DISK_FULL
    # Words of its own would find no room either, and Python would end with another status for it.
    assert capsys.readouterr().err == ""
