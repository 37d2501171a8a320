"""Read a file in a separate program with limits, and turn every way it can end into an answer."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from documents.parsing.base import ERROR_CODES, ParseError
from documents.parsing.program import (
    EXIT_DISK_FULL,
    EXIT_MEMORY,
    EXIT_OUTPUT_TOO_LARGE,
    EXIT_REFUSED,
)
from documents.parsing.sandbox import GUARDS
from documents.parsing.standby import Standby
from documents.parsing.wire import WireError, decode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from documents.types import ParsedDocument

logger = logging.getLogger(__name__)

PROGRAM = "documents.parsing.program"
OUTPUT_LIMIT_MB = 256
_REPOSITORY = Path(__file__).resolve().parents[2]
_STANDBY = Standby(_REPOSITORY)
_POLL_S = 0.02
_POLL_GROWTH = 1.3
_MAX_POLL_S = 0.25
_STDERR_BYTES = 500
_NO_MEMORY = ("memory allocation of", "bad_alloc")
"""Last words of Rust and of C++: one large demand fails before there is much in use."""
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
"""Nothing of ours: keys and passwords live in the environment of a worker."""
_TESSDATA = "TESSDATA_PREFIX"


@dataclass(frozen=True, slots=True)
class _Ended:
    """How the reading child ended: exit status, peak memory in MiB, guards that it was under."""

    status: int
    peak_mb: float
    guards: tuple[str, ...]


def _never() -> bool:
    return False


def parse_file(
    path: Path,
    media_type: str,
    *,
    time_limit_s: float = 60,
    recognition_s: float = 600,
    memory_mb: int = 1024,
    cancelled: Callable[[], bool] = _never,
) -> ParsedDocument:
    """Read ``path`` as ``media_type`` in a program of its own, and wait for it.

    ``time_limit_s`` bounds the wall clock and the processor time, ``memory_mb`` the address space.
    Where text recognition is installed, it may take ``recognition_s`` of the wall clock on top; a
    file that asks for none gains nothing by that.
    ``cancelled`` is asked several times a second. When the call returns or raises, the program and
    whatever it may have started are gone.

    Raises ``ParseError`` with one of ``ERROR_CODES``; ``cancelled`` when ``cancelled()`` was true.
    A disk without room is not the file's fault: ``OSError``.
    """
    task = ["--media-type", media_type]
    command = find_recogniser()
    wall_limit_s = time_limit_s
    if command:
        task += ["--recogniser", command, "--recognition-s", str(math.ceil(recognition_s))]
        wall_limit_s += recognition_s
    task += ["--time-limit-s", str(math.ceil(time_limit_s))]
    return _document(_run(path, task, wall_limit_s, memory_mb, OUTPUT_LIMIT_MB, cancelled))


def run_job(
    path: Path,
    job: str,
    options: Mapping[str, object],
    *,
    time_limit_s: float = 60,
    memory_mb: int = 1024,
    output_mb: int = OUTPUT_LIMIT_MB,
    cancelled: Callable[[], bool] = _never,
) -> bytes:
    """Have the program do one of its other ``JOBS`` with ``path``; limits and errors are the same.

    ``options`` are at most 100 kB of JSON. What comes back is whatever the program wrote, at most
    ``output_mb``: check it, it was made from an untrusted file.
    """
    task = ["--job", job, "--options", json.dumps(options)]
    task += ["--time-limit-s", str(math.ceil(time_limit_s))]
    return _run(path, task, time_limit_s, memory_mb, output_mb, cancelled)


@cache
def find_recogniser() -> str:
    """Where tesseract is; ``""`` where it is not installed."""
    return shutil.which("tesseract") or ""


def _run(
    path: Path,
    task: list[str],
    wall_limit_s: float,
    memory_mb: int,
    output_mb: int,
    cancelled: Callable[[], bool],
) -> bytes:
    if not path.stat().st_size:
        raise ParseError("empty")
    with tempfile.TemporaryDirectory(prefix="ragsite-parse-") as directory:
        output, errors = Path(directory) / "out", Path(directory) / "stderr.txt"
        errors.touch()
        arguments = [
            *(os.fspath(path.resolve()), os.fspath(output)),
            *task,
            *("--memory-mb", str(memory_mb)),
            *("--output-mb", str(output_mb)),
        ]
        ended = _wait_for(arguments, errors, wall_limit_s, cancelled)
        return _output(ended, memory_mb, output, _tail(errors))


def _wait_for(
    arguments: list[str], errors: Path, wall_limit_s: float, cancelled: Callable[[], bool]
) -> _Ended:
    program = [sys.executable, "-E", "-s", "-B", "-X", "utf8", "-m", PROGRAM]
    environment = dict(_ENVIRONMENT)
    if _TESSDATA in os.environ:
        environment[_TESSDATA] = os.environ[_TESSDATA]
    deadline = time.monotonic() + wall_limit_s
    done = _STANDBY.attend(program, environment, arguments, errors, deadline, cancelled)
    if done is None:
        reason, ended = _start([*program, *arguments], environment, errors, deadline, cancelled)
    else:
        reason, ended = done.reason, _ended(done.report, done.status)
    if reason:
        raise ParseError(reason)
    if ended.status >= 0:
        _warn_of_missing(tuple(name for name in GUARDS if name not in ended.guards))
    return ended


def _start(
    command: list[str],
    environment: Mapping[str, str],
    errors: Path,
    deadline: float,
    cancelled: Callable[[], bool],
) -> tuple[str, _Ended]:
    """Start a program for this file alone, and wait: why it was ended, if it was, and how."""
    with errors.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [*command, "--started-by", str(os.getpid())],
            cwd=_REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    reason = ""
    try:
        reason = _wait(process.pid, deadline, cancelled)
    finally:
        ended = _end(process)
    return reason, ended


def _wait(pid: int, deadline: float, cancelled: Callable[[], bool]) -> str:
    """Wait for the end without taking it: "" or the reason to end it."""
    pause = _POLL_S
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            return "timeout"
        if cancelled():
            return "cancelled"
        time.sleep(pause)
        pause = min(_MAX_POLL_S, pause * _POLL_GROWTH)
    return ""


def _end(process: subprocess.Popen[bytes]) -> _Ended:
    """Kill the whole group, and take what its leader reported of the child that read the file.

    The leader is not taken before, so its process id, the group's name, cannot be another's.
    """
    os.killpg(process.pid, signal.SIGKILL)
    report, _ = process.communicate()
    return _ended(report, process.returncode)


def _ended(report: str | bytes, returncode: int) -> _Ended:
    try:
        said = json.loads(report)
        return _Ended(int(said["status"]), float(said["peak_mb"]), tuple(said["guards"]))
    except (ValueError, KeyError, TypeError):
        # It ended before its child did, and cannot have been told of guards.
        return _Ended(returncode or 1, 0.0, GUARDS)


@cache
def _warn_of_missing(guards: tuple[str, ...]) -> None:
    """Once for each worker; the health page says the same of the system."""
    if guards:
        logger.warning("parser.unguarded", extra={"missing": ", ".join(guards)})


def _output(ended: _Ended, memory_mb: int, output: Path, stderr: str) -> bytes:
    """What the child wrote, or ``ParseError`` for the way it ended."""
    status = ended.status
    if status == EXIT_MEMORY:
        raise ParseError("memory", stderr)
    if status == -signal.SIGKILL:
        # By the system that had no memory left, or by a person: the file may be innocent.
        code = "memory" if ended.peak_mb > 0.7 * memory_mb else "killed"
        raise ParseError(code, stderr)
    if status in (-signal.SIGXCPU, -signal.SIGALRM):
        raise ParseError("timeout", "processor time")
    if status == EXIT_OUTPUT_TOO_LARGE or status == -signal.SIGXFSZ:
        raise ParseError("too_large", stderr)
    if status == EXIT_DISK_FULL:
        raise OSError(errno.ENOSPC, f"no room for the output of a parser: {stderr}")
    if status < 0:
        # Native code aborts when it gets no memory: how much it had, or what it says, tells that
        # from a defect.
        wanted_more = any(words in stderr for words in _NO_MEMORY)
        code = "memory" if wanted_more or ended.peak_mb > 0.7 * memory_mb else "crashed"
        raise ParseError(code, f"{_name_of(-status)} {stderr}".strip())
    if status not in (0, EXIT_REFUSED):
        raise ParseError("crashed", f"exit status {status}: {stderr}")
    written = output.read_bytes()
    if status == EXIT_REFUSED:
        _document(written)
        raise ParseError("crashed", "refused without a reason")
    return written


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # those that programs may give a meaning of their own have no name
        return f"signal {number}"


def _document(written: bytes) -> ParsedDocument:
    try:
        message = decode_message(written)
    except WireError as error:
        raise ParseError("crashed", str(error)) from error
    if isinstance(message, tuple):
        code, detail = message
        raise ParseError(code if code in ERROR_CODES else "crashed", detail)
    return message


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _STDERR_BYTES))
        data = file.read(_STDERR_BYTES)
    return " ".join(data.decode("utf-8", errors="replace").split())
