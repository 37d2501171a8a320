"""Which process works on something, and whether it still lives.

A name holds what tells one process from every other: machine, boot, process namespace, number and
start. So a process that was killed is known for dead at once by its neighbours on the same machine;
of processes elsewhere nothing can be said, and only their silence tells.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_STARTED = 19
"""Place of the start time in ``/proc/PID/stat``, counted after the state, from 1."""


def worker_name() -> str:
    """Of this process: ``host:number`` and, where the system tells, where and when it began."""
    return _name_of(os.getpid())


def is_gone(name: str) -> bool:
    """Whether the process called ``name`` ran beside this one and has ended.

    False for one that lives, and for one of which nothing can be known from here.
    """
    host_and_number, _, place = name.partition(" ")
    number = host_and_number.rpartition(":")[2]
    here, _, began = place.rpartition(".")
    if not number.isdecimal() or not here or here != _here():
        return False
    return _started(int(number)) != began


@cache
def _name_of(number: int) -> str:
    name = f"{socket.gethostname()[:60]}:{number}"
    here, began = _here(), _started(number)
    return f"{name} {here}.{began}" if here and began else name


@cache
def _here() -> str:
    """This boot of this machine and this process namespace; empty where the system hides it."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = (_PROC / "self/ns/pid").readlink().name
    except OSError:
        return ""
    return f"{boot.replace('-', '')[:12]}-{namespace.strip('pid:[]')}"


def _started(number: int) -> str:
    """When the process began, in ticks since the boot; empty when there is none, or a dead one."""
    try:
        said = (_PROC / str(number) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *rest = said.rpartition(")")[2].split()
    return "" if state in {"Z", "X"} else rest[_STARTED - 1]
