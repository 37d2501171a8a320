"""The worker's end of a standing program: see ``documents.parsing.forking``."""

from __future__ import annotations

import json
import os
import select
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from documents.parsing.forking import STAND, STOP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MOST_JOBS = 200
"""After so many a standing program is replaced: what it collected goes with it."""
_LOOK_S = 0.25
_STOPPING_S = 10.0


@dataclass(frozen=True, slots=True)
class _Standing:
    process: subprocess.Popen[bytes]
    ask: IO[bytes]
    hear: IO[bytes]


@dataclass(frozen=True, slots=True)
class Attended:
    """How a job ended: ``reason`` when it was ended from here, else status and report of it."""

    reason: str
    status: int
    report: str


class Standby:
    """One standing program for this process, started when first needed and again when it ended.

    Replaced after ``MOST_JOBS``, and after a reader that died of a signal: its forks share the
    layout of its memory, and an attack that has to guess that gets one guess.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._in_use = threading.Lock()
        self._standing: _Standing | None = None
        self._started: tuple[object, ...] = ()
        self._jobs = self._jobs_before = 0

    def attend(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        arguments: Sequence[str],
        errors: Path,
        deadline: float,
        cancelled: Callable[[], bool],
    ) -> Attended | None:
        """Have a fork of ``command`` do what a program with ``arguments`` would, and wait for it.

        Its standard error is added to ``errors``. ``deadline`` is on the clock of
        ``time.monotonic``. When this returns or raises, the fork and whatever it started are gone.
        None when there is nobody to do it: another thread's job is being done, or the standing
        program ended. Start a program then.
        """
        if not self._in_use.acquire(blocking=False):
            return None
        try:
            return self._attend(command, environment, arguments, errors, deadline, cancelled)
        except BaseException:
            # Whatever was not read yet would be taken for the answer to the next job.
            self._dismiss()
            raise
        finally:
            self._in_use.release()

    def _attend(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        arguments: Sequence[str],
        errors: Path,
        deadline: float,
        cancelled: Callable[[], bool],
    ) -> Attended | None:
        standing = self._begin(command, environment)
        self._jobs += 1
        job = {"number": self._jobs, "arguments": list(arguments), "errors": os.fspath(errors)}
        if not _tell(standing, json.dumps(job).encode()):
            self._dismiss()
            return None
        try:
            reason = _wait(standing, deadline, cancelled)
        except BaseException:
            self._stop(standing)
            raise
        answer = self._stop(standing) if reason else _answer(standing)
        said = json.loads(answer) if answer else {}
        if said.get("number") != self._jobs:
            self._dismiss()
            return Attended(reason, 0, "") if reason else None
        attended = Attended(reason, int(said["status"]), str(said["report"]))
        if self._jobs - self._jobs_before >= MOST_JOBS or _died_by_itself(attended):
            self._dismiss()
        return attended

    def _begin(self, command: Sequence[str], environment: Mapping[str, str]) -> _Standing:
        """The standing program, started now unless it stands already."""
        wanted = (os.getpid(), tuple(command), tuple(environment.items()))
        if self._standing and wanted == self._started and self._standing.process.poll() is None:
            return self._standing
        self._dismiss()
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [*command, STAND, str(os.getpid())],
            cwd=self._folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        pipes = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        self._standing, self._started = _Standing(process, *pipes), wanted
        self._jobs_before = self._jobs
        return self._standing

    def _stop(self, standing: _Standing) -> bytes:
        """End the job. The answer to it, or nothing: then the standing program is ended."""
        _tell(standing, STOP)
        if _is_readable(standing, _STOPPING_S) and (answer := _answer(standing)):
            return answer
        self._dismiss()
        return b""

    def _dismiss(self) -> None:
        standing, self._standing = self._standing, None
        if standing is None:
            return
        standing.ask.close()
        standing.hear.close()
        if self._started[0] == os.getpid():
            standing.process.kill()
            standing.process.wait()
        else:
            # Inherited by a fork of this worker: its parent's to end.
            standing.process.returncode = 0


def _died_by_itself(attended: Attended) -> bool:
    """Whether a signal ended the reader, or its parent, that was not sent from here."""
    if attended.reason:
        return False
    try:
        return int(json.loads(attended.report)["status"]) < 0
    except (ValueError, KeyError, TypeError):
        return attended.status < 0


def _tell(standing: _Standing, line: bytes) -> bool:
    left = memoryview(line + b"\n")
    try:
        while left:  # a signal may cut a long line short
            left = left[standing.ask.write(left) :]
    except OSError:
        return False
    return True


def _wait(standing: _Standing, deadline: float, cancelled: Callable[[], bool]) -> str:
    """Wait for the answer without taking it: "" or the reason to end the job."""
    while not _is_readable(standing, min(_LOOK_S, max(0.0, deadline - time.monotonic()))):
        if time.monotonic() > deadline:
            return "timeout"
        if cancelled():
            return "cancelled"
    return ""


def _is_readable(standing: _Standing, patience_s: float) -> bool:
    """Whether there is an answer, or there will never be one."""
    waiting = select.poll()
    waiting.register(standing.hear, select.POLLIN)
    return bool(waiting.poll(patience_s * 1000))


def _answer(standing: _Standing) -> bytes:
    """A line; nothing when the program ended instead."""
    line = standing.hear.readline()
    return line if line.endswith(b"\n") else b""
