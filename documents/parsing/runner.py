"""Read a file in a separate program with limits, and turn every way it can end into an answer."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from documents.parsing.base import ERROR_CODES, ParseError
from documents.parsing.program import EXIT_MEMORY, EXIT_OUTPUT_TOO_LARGE, EXIT_REFUSED
from documents.parsing.wire import WireError, decode_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from documents.types import ParsedDocument

PROGRAM = "documents.parsing.program"
OUTPUT_LIMIT_MB = 256
_REPOSITORY = Path(__file__).resolve().parents[2]
_POLL_S = 0.02
_POLL_GROWTH = 1.3
_MAX_POLL_S = 0.25
_STDERR_BYTES = 500
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
"""Nothing of ours: keys and passwords live in the environment of a worker."""


def _never() -> bool:
    return False


def parse_file(
    path: Path,
    media_type: str,
    *,
    time_limit_s: float = 60,
    memory_mb: int = 1024,
    cancelled: Callable[[], bool] = _never,
) -> ParsedDocument:
    """Read ``path`` as ``media_type`` in a program of its own, and wait for it.

    ``time_limit_s`` bounds the wall clock and the processor time, ``memory_mb`` the address space.
    ``cancelled`` is asked several times a second. When the call returns or raises, the program and
    whatever it may have started are gone.

    Raises ``ParseError`` with one of ``ERROR_CODES``; ``cancelled`` when ``cancelled()`` was true.
    """
    task = ("--media-type", media_type)
    return _document(_run(path, task, time_limit_s, memory_mb, cancelled))


def run_job(
    path: Path,
    job: str,
    options: Mapping[str, object],
    *,
    time_limit_s: float = 60,
    memory_mb: int = 1024,
    cancelled: Callable[[], bool] = _never,
) -> bytes:
    """Have the program do one of its other ``JOBS`` with ``path``; limits and errors are the same.

    What comes back is whatever the program wrote: check it, it was made from an untrusted file.
    """
    task = ("--job", job, "--options", json.dumps(options))
    return _run(path, task, time_limit_s, memory_mb, cancelled)


def _run(
    path: Path,
    task: tuple[str, ...],
    time_limit_s: float,
    memory_mb: int,
    cancelled: Callable[[], bool],
) -> bytes:
    if not path.stat().st_size:
        raise ParseError("empty")
    with tempfile.TemporaryDirectory(prefix="ragsite-parse-") as directory:
        output = Path(directory) / "out.json"
        errors = Path(directory) / "stderr.txt"
        command = [
            sys.executable,
            *("-E", "-B", "-X", "utf8"),
            *("-m", PROGRAM),
            *(os.fspath(path.resolve()), os.fspath(output)),
            *task,
            *("--memory-mb", str(memory_mb)),
            *("--time-limit-s", str(math.ceil(time_limit_s))),
            *("--output-mb", str(OUTPUT_LIMIT_MB)),
        ]
        with errors.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                command,
                cwd=_REPOSITORY,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        reason = ""
        try:
            reason = _wait(process.pid, time.monotonic() + time_limit_s, cancelled)
        finally:
            status, peak_mb = _end(process)
        if reason:
            raise ParseError(reason)
        return _output(status, peak_mb, memory_mb, output, _tail(errors))


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


def _end(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Kill the whole group; exit status and peak memory in MiB of the child that read the file.

    The leader is not taken before, so its process id, the group's name, cannot be another's.
    """
    os.killpg(process.pid, signal.SIGKILL)
    report, _ = process.communicate()
    try:
        ended = json.loads(report)
        return int(ended["status"]), float(ended["peak_mb"])
    except (ValueError, KeyError, TypeError):
        return process.returncode, 0.0  # it ended before its child did


def _output(status: int, peak_mb: float, memory_mb: int, output: Path, stderr: str) -> bytes:
    """What the program wrote, or ``ParseError`` for the way it ended."""
    if status == EXIT_MEMORY or status == -signal.SIGKILL:
        raise ParseError("memory", stderr)
    if status in (-signal.SIGXCPU, -signal.SIGALRM):
        raise ParseError("timeout", "processor time")
    if status == EXIT_OUTPUT_TOO_LARGE or status == -signal.SIGXFSZ:
        raise ParseError("too_large", stderr)
    if status < 0:
        # Native code aborts when it gets no memory: how much it had tells that from a defect.
        code = "memory" if peak_mb > 0.7 * memory_mb else "crashed"
        raise ParseError(code, f"{signal.Signals(-status).name} {stderr}".strip())
    if status not in (0, EXIT_REFUSED):
        raise ParseError("crashed", f"exit status {status}: {stderr}")
    try:
        message = output.read_bytes()
    except OSError as error:
        raise ParseError("crashed", str(error)) from error
    if status == EXIT_REFUSED:
        _document(message)
        raise ParseError("crashed", "refused without a reason")
    return message


def _document(message: bytes) -> ParsedDocument:
    """The document in a message. Raises ``ParseError`` for the error in it, or for none of both."""
    try:
        found = decode_message(message)
    except WireError as error:
        raise ParseError("crashed", str(error)) from error
    if isinstance(found, tuple):
        code, detail = found
        raise ParseError(code if code in ERROR_CODES else "crashed", detail)
    return found


def _tail(path: Path) -> str:
    data = path.read_bytes()[-_STDERR_BYTES:]
    return " ".join(data.decode("utf-8", errors="replace").split())
