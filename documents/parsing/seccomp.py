"""A filter of system calls for a process that reads what strangers sent, by Linux' seccomp.

The filter is classic BPF, installed by ``prctl`` through ``ctypes``: no privilege and no library is
needed. It lists what is refused and allows the rest: a list of what is allowed would break with
every release of the libraries that parse, and the calls that reach out of a process are known.
Refused calls fail with EPERM, as if the user had no right to make them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct

PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2

_LOAD, _RETURN = 0x20, 0x06
_EQUAL, _AT_LEAST, _HAS_BIT = 0x15, 0x35, 0x45
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_X32 = 0x40000000
"""Numbers from here on are those of another table of calls, which the filter does not know."""

_CLONE_THREAD = 0x10000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_F_SETFL, _O_ASYNC = 4, 0x2000
_COMMANDS_OF_FILES = (
    # F_SETOWN, F_SETSIG, F_SETOWN_EX: a pipe of one's own then sends any signal to any process of
    # the same user (until Linux 6.12 without asking whether it may).
    *(8, 10, 15),
    # F_SETLEASE, F_NOTIFY: others wait for whoever has the file, or hear of it.
    *(1024, 1026),
)
_CONTROLS_OF_DEVICES = (0x8901, 0x8902, 0x5452)
"""FIOSETOWN, SIOCSPGRP, FIOASYNC: the same by ``ioctl``."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_ABSENT = -1
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""The kernel's name of each machine, and which of a call's two numbers it uses."""

_NETWORK = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "accept": (43, 202),
    "accept4": (288, 242),
    "bind": (49, 200),
    "listen": (50, 201),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    # These do what the calls above do, by rings in memory that no filter sees.
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
_PROGRAMS = {"execve": (59, 221), "execveat": (322, 281)}
_PROCESSES = {
    "fork": (57, _ABSENT),
    "vfork": (58, _ABSENT),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # How much of the processor others of the same user get, and where.
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    # Out of the group that is killed at the end.
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "setrlimit": (160, 164),
}
_KERNEL = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
_MEMORY_THAT_STAYS = {
    # None of it counts as the process's own, and some of it outlives the process. What others
    # have is reached by a number that can be guessed, without getting it first.
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
}
_FILES = {
    "creat": (85, _ABSENT),
    "truncate": (76, 45),
    "mkdir": (83, _ABSENT),
    "mkdirat": (258, 34),
    "rmdir": (84, _ABSENT),
    "unlink": (87, _ABSENT),
    "unlinkat": (263, 35),
    "rename": (82, _ABSENT),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, _ABSENT),
    "linkat": (265, 37),
    "symlink": (88, _ABSENT),
    "symlinkat": (266, 36),
    "mknod": (133, _ABSENT),
    "mknodat": (259, 33),
    "chmod": (90, _ABSENT),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, _ABSENT),
    "lchown": (94, _ABSENT),
    "fchownat": (260, 54),
    "utime": (132, _ABSENT),
    "utimes": (235, _ABSENT),
    "utimensat": (280, 88),
    "futimesat": (261, _ABSENT),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
}
_UNKNOWN = {
    # Their arguments lie in memory, where no filter sees them; the C library then does without.
    "clone3": (435, 435),
    "openat2": (437, 437),
}
_JUDGED = {
    "open": (2, _ABSENT),
    "openat": (257, 56),
    "clone": (56, 220),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "prctl": (157, 167),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
}
"""Allowed or not by their arguments."""

CALLS = {
    **_NETWORK,
    **_PROGRAMS,
    **_PROCESSES,
    **_KERNEL,
    **_MEMORY_THAT_STAYS,
    **_FILES,
    **_UNKNOWN,
    **_JUDGED,
}
"""All calls that the filter knows: number on x86-64 and on aarch64."""

Instruction = tuple[int, int, int, int]
"""Operation, how many instructions to skip when it holds and when not, operand."""


def install(*, may_start_programs: bool) -> bool:
    """Filter the calls of this thread and of all that it starts from now on, for good.

    ``may_start_programs`` leaves a process the right to become another program; the filter stays.
    False where the system has no such filter; nothing has changed then, except that no privilege
    can be gained any more.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None or not hasattr(os, "fork"):
        return False
    instructions = compile_filter(
        *machine, process=os.getpid(), may_start_programs=may_start_programs
    )
    packed = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    held = ctypes.create_string_buffer(packed, len(packed))
    program = _Program(len(instructions), ctypes.cast(held, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, *_longs(1, 0, 0, 0)):
        return False
    filtered = libc.prctl(_PR_SET_SECCOMP, *_longs(_MODE_FILTER), ctypes.byref(program)) == 0
    return filtered and _refuses_sockets(libc)


def is_supported() -> bool:
    """Whether ``install`` should work here; asks the kernel and changes nothing."""
    if platform.machine() not in _MACHINES:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    # A filter at no address: the kernel has filters if it is the address that it objects to.
    libc.prctl(_PR_SET_SECCOMP, *_longs(_MODE_FILTER, 0, 0, 0))
    return ctypes.get_errno() == errno.EFAULT


def compile_filter(
    architecture: int, column: int, *, process: int, may_start_programs: bool
) -> list[Instruction]:
    """The filter for a machine, as instructions for the kernel."""

    def number(name: str) -> int:
        return CALLS[name][column]

    refused = {**_NETWORK, **_PROCESSES, **_KERNEL, **_MEMORY_THAT_STAYS, **_FILES}
    if not may_start_programs:
        refused |= _PROGRAMS
    denial = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    rules: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        denial,
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        denial,
    ]
    for name in refused:
        if number(name) != _ABSENT:
            rules += [(_EQUAL, 0, 1, number(name)), denial]
    for name in _UNKNOWN:
        rules += [(_EQUAL, 0, 1, number(name)), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    for name, argument in (("open", 1), ("openat", 2)):
        if number(name) != _ABSENT:
            rules += _judge(number(name), argument, [(_HAS_BIT, _WRITING, False)])
    rules += _judge(number("clone"), 0, [(_HAS_BIT, _CLONE_THREAD, True)], otherwise=False)
    rules += _judge(number("tgkill"), 0, [(_EQUAL, process, True)], otherwise=False)
    rules += _judge(
        number("prctl"),
        0,
        [(_EQUAL, _PR_SET_PDEATHSIG, False), (_EQUAL, _PR_SET_DUMPABLE, False)],
    )
    rules += _judge(
        number("ioctl"), 1, [(_EQUAL, control, False) for control in _CONTROLS_OF_DEVICES]
    )
    commands = [(_EQUAL, command, False) for command in _COMMANDS_OF_FILES]
    flags: list[Instruction] = [
        (_LOAD, 0, 0, _ARGUMENTS_AT + 8),
        (_EQUAL, 0, 3, _F_SETFL),
        (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * 2),
        (_HAS_BIT, 0, 1, _O_ASYNC),
        denial,
    ]
    # What is no change of flags falls through to the judgement of commands.
    rules += [(_EQUAL, 0, len(flags), number("fcntl")), *flags, (_LOAD, 0, 0, _NUMBER_AT)]
    rules += _judge(number("fcntl"), 1, commands)
    # New limits are given by address: none, or refused. Both halves of the address count.
    rules += [
        (_EQUAL, 0, 6, number("prlimit64")),
        (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * 2),
        (_EQUAL, 0, 2, 0),
        (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * 2 + 4),
        (_EQUAL, 1, 0, 0),
        denial,
        (_RETURN, 0, 0, _ALLOW),
    ]
    return [*rules, (_RETURN, 0, 0, _ALLOW)]


def _judge(
    number: int, argument: int, tests: list[tuple[int, int, bool]], *, otherwise: bool = True
) -> list[Instruction]:
    """Allow or refuse a call by the lower half of an argument: the first test that holds says."""
    verdicts: list[Instruction] = [(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument)]
    for operation, operand, is_allowed in tests:
        verdicts += [(operation, 0, 1, operand), _verdict(allowed=is_allowed)]
    verdicts.append(_verdict(allowed=otherwise))
    return [(_EQUAL, 0, len(verdicts), number), *verdicts]


def _verdict(*, allowed: bool) -> Instruction:
    return (_RETURN, 0, 0, _ALLOW if allowed else _ERRNO | errno.EPERM)


def _refuses_sockets(libc: ctypes.CDLL) -> bool:
    """Whether the filter holds, by trying."""
    descriptor = libc.socket(int(socket.AF_UNIX), int(socket.SOCK_STREAM), 0)
    if descriptor >= 0:
        os.close(descriptor)
        return False
    return True


def _longs(*values: int) -> list[ctypes.c_ulong]:
    """``prctl`` takes longs; without this they are passed as ints."""
    return [ctypes.c_ulong(value) for value in values]


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))
