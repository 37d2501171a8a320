"""Starting one program of the stack in a session of its own, and ending it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Identity:
    """The user a program runs as when it must not run as root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. ``stop_signal`` asks it to end in order, losing no work that it can keep."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    identity: Identity | None = None
    quiet: bool = False
    """Its lines are kept for when it dies, and not shown before."""


def start(
    program: Program,
    *,
    output: int | IO[bytes] | IO[str] | None,
    cwd: Path | None = None,
    ends_with_parent: bool = True,
) -> subprocess.Popen[bytes]:
    """Start ``program`` in its own session, standard output and error both to ``output``.

    The kernel ends it when this process ends, however that happens, unless told otherwise.
    """
    return subprocess.Popen(  # noqa: S603 - argument lists of our own making, no shell
        launch_line(program, ends_with_parent=ends_with_parent),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env={**os.environ, **program.environment},
        start_new_session=True,
    )


def launch_line(program: Program, *, ends_with_parent: bool = True) -> Sequence[str]:
    line = [sys.executable, "-I", "-S", str(LAUNCHER)]
    if program.identity:
        line += ["--uid", str(program.identity.uid), "--gid", str(program.identity.gid)]
    death_signal = int(program.stop_signal) if ends_with_parent else 0
    line += ["--parent", str(os.getpid()), "--death-signal", str(death_signal), "--"]
    return [*line, *program.arguments]


def stop(process: subprocess.Popen[bytes], program: Program, *, patience_s: float) -> None:
    """End the process: ask, wait up to ``patience_s``, then end its whole process group."""
    if process.poll() is None:
        process.send_signal(program.stop_signal)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            end_group(process.pid)
            process.wait()
    # What a program leaves behind in its own session (pool workers) goes with it.
    end_group(process.pid)


def end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
