"""What a process may use and do that reads what strangers sent: limits, and guards of the kernel.

Limits hold everywhere. Guards hold where the system has them, without any privilege: ``seccomp``
(no sockets, no other processes or programs, no writing) and ``landlock`` (reading only what is
named). See ADR 0016 for why these.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from documents.parsing import landlock, seccomp

if TYPE_CHECKING:
    from collections.abc import Sequence

SECCOMP, LANDLOCK = "seccomp", "landlock"
GUARDS = (SECCOMP, LANDLOCK)
CPU_GRACE_S = 5
MAX_OPEN_FILES = 64

_MEBIBYTE = 1024 * 1024
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_VERSION = 0x20080522
_LAST_CAPABILITY = 63
_CODE = Path(__file__).resolve().parents[1]
_SHARED = (
    *("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/nix/store"),
    *("/usr/share", "/usr/local/share"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/fonts"),
    *("/dev/urandom", "/dev/random", "/dev/zero"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"),
)
"""Libraries, fonts and what the C library looks up. None of it is of one installation only."""
_PROGRAMS = ("/usr/bin", "/usr/local/bin", "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/nix/store")


@dataclass(frozen=True, slots=True)
class Limits:
    """``memory_mb`` bounds the address space, ``time_limit_s`` the processor time, each over all
    of the process; ``output_mb`` any one file that it writes. MiB and seconds, at least 1.
    """

    memory_mb: int
    time_limit_s: int
    output_mb: int


def end_with_the_parent(parent: int = 0) -> None:
    """Be killed when the process that started this one ends, however it ends.

    Right now, if that was ``parent`` and it has ended already: nobody would be told of it. 0 where
    its number is not known.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, *map(ctypes.c_ulong, (signal.SIGKILL, 0, 0, 0)))
    if parent and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def limit(limits: Limits) -> None:
    """Hold this process to ``limits``, to ``MAX_OPEN_FILES``, and to no image of it after a crash.

    After the processor time it gets SIGXCPU. Should it sleep and nobody keep the time, it gets
    SIGALRM a little later.
    """
    values = {
        resource.RLIMIT_AS: limits.memory_mb * _MEBIBYTE,
        resource.RLIMIT_CPU: limits.time_limit_s,
        resource.RLIMIT_FSIZE: limits.output_mb * _MEBIBYTE,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for kind, value in values.items():
        _, hard = resource.getrlimit(kind)
        allowed = _at_most(value, hard)
        # With both limits alike the kernel kills at once, and SIGXCPU never tells why.
        beyond = _at_most(value + CPU_GRACE_S, hard) if kind == resource.RLIMIT_CPU else allowed
        resource.setrlimit(kind, (allowed, beyond))
    signal.alarm(limits.time_limit_s + 10)


def guard(readable: Sequence[str], *, programs: Sequence[str] = ()) -> tuple[str, ...]:
    """Put this thread, and all that it starts, under the guards that the system has; says which.

    Afterwards only ``readable``, our code and what programs share can be opened, and only to be
    read. With ``programs``, folders, this process may become one of those or of the system's, which
    stays under the same guards. Privileges are given up. There is no way back.
    """
    libc = ctypes.CDLL(None)
    if not programs:
        # No image of memory into a program that collects such, which the limit does not keep off.
        libc.prctl(_PR_SET_DUMPABLE, *map(ctypes.c_ulong, (0, 0, 0, 0)))
    mine = [*_SHARED, os.fspath(_CODE), *_libraries(), *readable]
    held = []
    if landlock.restrict(mine, runnable=[*_PROGRAMS, *programs] if programs else []):
        held.append(LANDLOCK)
    _drop_privileges(libc)
    if seccomp.install(may_start_programs=bool(programs)):
        held.append(SECCOMP)
    return tuple(one for one in GUARDS if one in held)


def missing_guards() -> tuple[str, ...]:
    """Which of ``GUARDS`` this system does not have; asks the kernel and changes nothing."""
    here = {SECCOMP: seccomp.is_supported(), LANDLOCK: landlock.version() > 0}
    return tuple(name for name in GUARDS if not here[name])


def _at_most(value: int, hard: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _libraries() -> list[str]:
    """Where Python looks for modules, without the folder that our own code and settings are in."""
    return [entry for entry in sys.path if entry and Path(entry).resolve() != _CODE.parent]


def _drop_privileges(libc: ctypes.CDLL) -> None:
    """A worker that runs as root reads as anyone: without this, limits and owners bind it not."""
    number = _CAPSET.get(platform.machine())
    if number is None or os.geteuid() != 0:
        return
    for capability in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, *map(ctypes.c_ulong, (capability, 0, 0, 0)))
    header, none = struct.pack("=Ii", _CAPABILITIES_VERSION, 0), bytes(24)
    libc.syscall(ctypes.c_long(number), header, none)
