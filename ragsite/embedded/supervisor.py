"""Starts the stack's processes, watches them, and ends them: all that it started, no other."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragsite.embedded import processes
from ragsite.embedded.console import Console, kept_lines, last_words
from ragsite.embedded.problems import StackError
from ragsite.embedded.processes import Program

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import FrameType

    from ragsite.embedded.commands import Command

WATCH_EVERY_S = 0.1
PATIENCE_S = 10.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""A part that ends again is started again after twice the pause before, up to this."""
LIVED_S = 60.0
"""A part that lived so long begins with the first pause."""


class StopRequested(Exception):
    """Someone pressed Ctrl-C or ended this process; nothing is wrong."""


@dataclass(slots=True)
class Running:
    """A process that this supervisor started and must end."""

    program: Program
    process: subprocess.Popen[bytes]
    lines: deque[str] = field(default_factory=kept_lines)
    reader: threading.Thread | None = None
    began_at: float = field(default_factory=time.monotonic)
    pause_s: float = FIRST_PAUSE_S
    """From its end to its next start."""
    due_at: float | None = None
    """When it is started again; None while it lives."""

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


class Supervisor:
    """Every process runs in a session of its own, so that a terminal's Ctrl-C reaches only us.

    The order of starting is the order of dependence; stopping goes the other way round.
    """

    def __init__(self, console: Console, root: Path, environment: Mapping[str, str]) -> None:
        self._console = console
        self._root = root
        self._environment = dict(environment)
        self._running: list[Running] = []
        self._stop_requested = threading.Event()

    def listen_to_signals(self) -> None:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, self._request_stop)

    def start(self, program: Program) -> Running:
        """Start a process that is to stay. The death of any is reported by ``check``."""
        started = self._launch(program)
        self._running.append(started)
        return started

    def start_python(
        self, name: str, command: Command, *, stop_signal: signal.Signals = signal.SIGTERM
    ) -> Running:
        return self.start(self._python(name, command, stop_signal))

    def run_python(self, name: str, command: Command) -> None:
        """Run a command to its end while watching the others. Raises ``StackError`` if it fails."""
        step = self._launch(self._python(name, command, signal.SIGTERM))
        try:
            self.wait_until(lambda: not step.alive)
        finally:
            processes.stop(step.process, step.program, patience_s=PATIENCE_S)
            _finish_reading(step)
        if step.process.returncode:
            message = f"{name} failed with exit code {step.process.returncode}; its lines say why."
            raise StackError(message)

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Return when ``done``. Raises ``StackError`` if a process died, else ``StopRequested``."""
        while not done():
            self.check()
            self._stop_requested.wait(WATCH_EVERY_S)

    def check(self) -> None:
        if self._stop_requested.is_set():
            raise StopRequested
        for running in self._running:
            if not running.alive:
                raise StackError(_obituary(running, "everything is stopped"))

    def keep_up(self) -> None:
        """Start again whatever ends, after a pause. Raises ``StopRequested``, and nothing else.

        Nobody gives up: what a part lacks, as space on a full disk, may come back.
        """
        while not self._stop_requested.wait(WATCH_EVERY_S):
            for place, running in enumerate(self._running):
                if not running.alive:
                    self._running[place] = self._revived(running)
        raise StopRequested

    def keeps_going(self, running: Running) -> Callable[[], bool]:
        """For waits elsewhere: whether ``running`` lives and nobody asked to stop."""
        return lambda: running.alive and not self._stop_requested.is_set()

    @property
    def stop_requested(self) -> bool:
        return self._stop_requested.is_set()

    def stop_all(self) -> None:
        """End what was started, dependents first: those that serve, then the servers."""
        servers = [one for one in self._running if one.program.name in {"postgres", "redis"}]
        others = [one for one in self._running if one not in servers]
        for group in (others, servers):
            for one in group:
                if one.alive:
                    one.process.send_signal(one.program.stop_signal)
            deadline = time.monotonic() + PATIENCE_S
            for one in group:
                _await_end(one, deadline)
        for one in self._running:
            _finish_reading(one)
        self._running.clear()

    def _revived(self, ended: Running) -> Running:
        """The part anew once its pause is over, else the one that has ended."""
        now = time.monotonic()
        if ended.due_at is None:
            # What it started goes with it: it would hold a port, a socket or a document.
            processes.end_group(ended.process.pid)
            if now - ended.began_at >= LIVED_S:
                ended.pause_s = FIRST_PAUSE_S
            ended.due_at = now + ended.pause_s
            self._console.say(_obituary(ended, "it is started again"))
        if now < ended.due_at:
            return ended
        pause_s = min(LONGEST_PAUSE_S, 2 * ended.pause_s)
        try:
            started = self._launch(ended.program)
        except StackError as error:
            self._console.say(str(error))
            ended.due_at, ended.pause_s = now + pause_s, pause_s
            return ended
        started.pause_s = pause_s
        return started

    def _launch(self, program: Program) -> Running:
        try:
            process = processes.start(program, output=subprocess.PIPE, cwd=self._root)
        except OSError as error:
            message = f"{program.name} could not be started: {error.strerror}."
            raise StackError(message) from error
        started = Running(program, process)
        if process.stdout is not None:
            started.reader = self._console.follow(
                program.name, process.stdout, started.lines, quiet=program.quiet
            )
        return started

    def _python(self, name: str, command: Command, stop_signal: signal.Signals) -> Program:
        return Program(
            name,
            (sys.executable, *command),
            environment=self._environment,
            stop_signal=stop_signal,
        )

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if not self._stop_requested.is_set():
            self._stop_requested.set()


def _await_end(running: Running, deadline: float) -> None:
    try:
        running.process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait()
    processes.end_group(running.process.pid)


def _finish_reading(running: Running) -> None:
    if running.reader is not None:
        running.reader.join(timeout=1.0)


def _obituary(running: Running, consequence: str) -> str:
    _finish_reading(running)
    code = running.process.returncode
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    said = "\n".join(f"    {line}" for line in last_words(running.lines))
    sentence = f"The process '{running.program.name}' {how}, so {consequence}."
    return f"{sentence}\nIts last lines:\n{said}" if said else sentence
