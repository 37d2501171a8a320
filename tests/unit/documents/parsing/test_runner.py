from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from documents.parsing import runner
from documents.parsing.base import ERROR_CODES, ParseError
from documents.parsing.program import EXIT_MEMORY, EXIT_OUTPUT_TOO_LARGE
from documents.parsing.runner import parse_file
from documents.types import ParsedDocument

Hostile = Callable[..., ParsedDocument]


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hostile:
    """Run the program with a parser that behaves as told."""
    monkeypatch.setattr(runner, "PROGRAM", "tests.unit.documents.parsing.hostile_program")

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
        ("connect", {}, "crashed"),
        ("start_a_program", {}, "crashed"),
        ("write_elsewhere", {}, "crashed"),
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


@pytest.mark.parametrize("behaviour", ["connect", "start_a_program", "write_elsewhere"])
def test_sockets_programs_and_other_files_are_refused_inside(
    hostile: Hostile, behaviour: str
) -> None:
    with pytest.raises(ParseError) as caught:
        hostile(behaviour)

    assert "PermissionError" in caught.value.detail


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
        hostile("leave_a_child")

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
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_wait", note)
    with pytest.raises(KeyboardInterrupt):
        hostile("sleep", cancelled=interrupt)

    # Only the program is asked for: the test's process may have other children, a database too.
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


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
        (-signal.SIGKILL, 10.0, "memory"),
        (-signal.SIGABRT, 900.0, "memory"),
        (-signal.SIGABRT, 90.0, "crashed"),
        (-signal.SIGSEGV, 90.0, "crashed"),
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
    with pytest.raises(ParseError) as caught:
        runner._output(status, peak_mb, 1024, tmp_path / "out.json", "")

    assert caught.value.code == code


@pytest.mark.parametrize(
    "output", [b"", b"{}", b"no json", b'{"version":1,"error":"odd","detail":""}']
)
def test_output_that_makes_no_sense_is_a_crash(tmp_path: Path, output: bytes) -> None:
    path = tmp_path / "out.json"
    path.write_bytes(output)

    with pytest.raises(ParseError) as caught:
        runner._document(runner._output(0, 1.0, 1024, path, ""))

    assert caught.value.code == "crashed"
    assert caught.value.code in ERROR_CODES
