"""Which files a process may open at all, by Linux' Landlock: no privilege and no library is needed.

Reading is what matters here: whoever runs a worker may read its keys, in files and in
``/proc/PID/environ``, and a process of the same user could. Under Landlock only what is named can
be opened, and other processes cannot be looked into.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from typing import TYPE_CHECKING

from documents.parsing.seccomp import PR_SET_NO_NEW_PRIVS

if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same on every machine."""
_ASK_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1, 2, 4, 8
_RIGHTS_BY_VERSION = (0, 13, 14, 15, 15, 16)
"""How many kinds of access to files each version knows; later ones know as many as the last."""
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6
_BOTH = 0b11
"""Binding and connecting; abstract sockets and signals."""


def version() -> int:
    """Which version of Landlock the system has; 0 for none. Changes nothing."""
    return max(0, int(_call(_CREATE_RULESET, None, 0, _ASK_VERSION)))


def restrict(readable: Iterable[str], *, runnable: Iterable[str] = ()) -> bool:
    """Let this thread, and all that it starts from now on, open nothing but what is named.

    ``readable`` and ``runnable`` name files and folders with all below; what is not there is passed
    over. What is open already stays open. ``/dev/null`` may be written too. False where the system
    has no Landlock; nothing has changed then, except that no privilege can be gained any more.
    """
    known = version()
    if not known:
        return False
    rights = (1 << _RIGHTS_BY_VERSION[min(known, len(_RIGHTS_BY_VERSION) - 1)]) - 1
    attributes = struct.pack("=Q", rights)
    if known >= _NETWORK_SINCE:
        attributes += struct.pack("=Q", _BOTH)
    if known >= _SCOPES_SINCE:
        attributes += struct.pack("=Q", _BOTH)
    ruleset = int(_call(_CREATE_RULESET, attributes, len(attributes), 0))
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_FOLDER)
        for path in runnable:
            _allow(ruleset, path, _READ_FILE | _READ_FOLDER | _EXECUTE)
        _allow(ruleset, os.devnull, _READ_FILE | _WRITE_FILE)
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))
        return int(_call(_RESTRICT_SELF, ruleset, 0)) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= ~_READ_FOLDER
        rule = struct.pack("=Qi", rights, descriptor)
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: int | bytes | None) -> int:
    """A system call that the C library has no function for."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(os, "O_PATH"):
        return -1
    libc.syscall.restype = ctypes.c_long
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(libc.syscall(ctypes.c_long(number), *given))
