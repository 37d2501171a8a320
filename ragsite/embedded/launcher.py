"""Runs a program so that it ends with the one that started it. A program of its own, no imports.

``python -I -S launcher.py [--uid N --gid N] --parent PID --death-signal N -- PROGRAM ARGUMENT...``

The kernel sends the death signal when the parent ends in whatever way, SIGKILL included. With
``--uid`` the program runs as that user, which PostgreSQL demands of root; it keeps one privilege,
to read and search folders, so that it finds its files below a home folder closed to others.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_READ_SEARCH = 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("program", nargs="+")
    options = parser.parse_args(arguments)
    if options.uid is not None:
        _become(options.uid, options.gid)
    # After the change of user, which clears it.
    _libc().prctl(PR_SET_PDEATHSIG, options.death_signal, 0, 0, 0)
    if os.getppid() != options.parent:
        sys.exit(1)
    os.execv(options.program[0], options.program)  # noqa: S606


def _become(uid: int, gid: int) -> None:
    libc = _libc()
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = 1 << CAP_DAC_READ_SEARCH
    sets = (_Sets * 2)(_Sets(mask, mask, mask), _Sets(0, 0, 0))
    header = _Header(LINUX_CAPABILITY_VERSION_3, 0)
    # Where the privilege cannot be kept the program still runs, if its folders are open to it.
    if libc.capset(ctypes.byref(header), ctypes.byref(sets)) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main(sys.argv[1:])
