"""The standing form of the parsing program: it forks itself for each file instead of being started.

Starting Python and importing parsers takes more processor time than reading a page of text. This
process does both once. It opens no file that a stranger sent: each is read by a fork of it, which
limits and guards itself as a program of its own does, so what one file does to its reader reaches
no other. It lives as long as the worker that started it, or until nobody asks for a while.

It is told one job at a time on its standard input, and answers on its standard output, in lines of
JSON. ``documents.parsing.standby`` is the other end.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from documents.parsing.sandbox import end_with_the_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Run = Callable[[list[str]], int]

STAND = "--stand"
"""The first argument of the program in this form; the second is the number of the worker."""
STOP = b"stop"
"""Said instead of a job: end the present one at once. Says nothing while there is none."""
IDLE_S = 60.0
_READ_BYTES = 65_536


def serve(run: Run, prepare: Callable[[list[str]], None], started_by: Sequence[str] = ()) -> int:
    """Attend to jobs until the input ends or none comes for ``IDLE_S``.

    ``started_by`` holds the process number of the worker, if it said it.
    ``run`` is called in a fork for each, with the program's arguments; ``prepare`` before it in
    this process, to import what the fork will need. The answer has the ``number`` of the job,
    ``status``, as ``os.waitstatus_to_exitcode`` gives it, and ``report``, what ``run`` wrote to
    standard output.
    """
    end_with_the_parent(*map(int, started_by))
    lines = _Lines(sys.stdin.fileno())
    answers = os.dup(sys.stdout.fileno())
    while (line := lines.next(IDLE_S)) is not None:
        if line == STOP:
            continue
        job = json.loads(line)
        prepare(job["arguments"])
        gc.collect()
        # What is here stays: otherwise each fork copies the pages in which it counts references.
        gc.freeze()
        answer = _attend(job["arguments"], job["errors"], run, lines, answers)
        os.write(answers, json.dumps({"number": job["number"], **answer}).encode() + b"\n")
    return 0


def _attend(
    arguments: list[str], errors: str, run: Run, lines: _Lines, answers: int
) -> dict[str, object]:
    report, tell = os.pipe()
    me = os.getpid()
    leader = os.fork()
    if not leader:
        end_with_the_parent(me)
        os.close(answers)
        os.close(report)
        _become(arguments, errors, tell, run)
    os.close(tell)
    ended = os.pidfd_open(leader)
    lines.wait_for(ended)
    # Not taken yet, so its process id, which is the name of its group, cannot be another's.
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:  # it has not made a group of its own yet
        os.kill(leader, signal.SIGKILL)
    _, status = os.waitpid(leader, 0)
    os.close(ended)
    os.set_blocking(report, False)
    said = b""
    with suppress(BlockingIOError):  # somebody escaped the group with it, and nothing was said
        said = os.read(report, _READ_BYTES)
    os.close(report)
    return {"status": os.waitstatus_to_exitcode(status), "report": said.decode(errors="replace")}


def _become(arguments: list[str], errors: str, tell: int, run: Run) -> None:
    """In the fork: a session, streams and arguments of its own, and then the program. No return."""
    status = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        words = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for descriptor, place in ((nothing, 0), (tell, 1), (words, 2)):
            os.dup2(descriptor, place)
            os.close(descriptor)
        sys.argv[1:] = arguments
        status = run(arguments)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - as at the end of any program
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stderr.flush()
        os._exit(status)


class _Lines:
    """Lines of a descriptor, one at a time, and a watch on it for ``STOP``."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._rest, self._is_over = descriptor, b"", False

    def next(self, patience_s: float) -> bytes | None:
        """The next line without its end; None when the input ended or nothing came in time."""
        while b"\n" not in self._rest:
            if self._is_over or not _ready([self._descriptor], patience_s):
                return None
            self._read()
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def wait_for(self, process: int) -> None:
        """Until the process of this descriptor ended, or was to be stopped, or the input ended."""
        while not self._is_over and STOP not in self._rest:
            if process in _ready([self._descriptor, process], None):
                return
            self._read()
        self._rest = b""

    def _read(self) -> None:
        found = os.read(self._descriptor, _READ_BYTES)
        self._rest += found
        self._is_over = not found


def _ready(descriptors: list[int], patience_s: float | None) -> list[int]:
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    found = waiting.poll(None if patience_s is None else patience_s * 1000)
    return [descriptor for descriptor, _ in found]
