"""The filter as the kernel would run it, for both machines, by an interpreter of its few orders."""

from __future__ import annotations

import errno
import fcntl
import os
import termios

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from documents.parsing.seccomp import CALLS, compile_filter

ME = 4711
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
ALLOWED, EPERM, ENOSYS = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
JUDGED = {"open", "openat", "clone", "tgkill", "prlimit64", "prctl", "fcntl", "ioctl"}
UNKNOWN = {"clone3", "openat2"}
PROGRAMS = {"execve", "execveat"}
HARMLESS = {"x86_64": (0, 1, 9, 39, 231), "aarch64": (63, 64, 222, 172, 94)}
"""read, write, mmap, getpid, exit_group"""

machines = st.sampled_from(sorted(MACHINES))


def verdict(
    machine: str,
    number: int,
    *arguments: int,
    architecture: int | None = None,
    may_start_programs: bool = False,
) -> int:
    """What the filter says of a call."""
    own, column = MACHINES[machine]
    words = {0: number, 4: own if architecture is None else architecture}
    for place, value in enumerate([*arguments, *[0] * (6 - len(arguments))]):
        words[16 + 8 * place] = value & 0xFFFFFFFF
        words[16 + 8 * place + 4] = value >> 32
    orders = compile_filter(own, column, process=ME, may_start_programs=may_start_programs)
    at = held = 0
    while True:
        operation, if_so, if_not, operand = orders[at]
        at += 1
        if operation == 0x06:
            return operand
        if operation == 0x20:
            held = words[operand]
            continue
        holds = {0x15: held == operand, 0x35: held >= operand, 0x45: bool(held & operand)}
        at += if_so if holds[operation] else if_not


def number(machine: str, name: str) -> int:
    return CALLS[name][MACHINES[machine][1]]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", sorted(set(CALLS) - JUDGED - UNKNOWN))
def test_what_reaches_out_is_refused(machine: str, name: str) -> None:
    if number(machine, name) >= 0:
        assert verdict(machine, number(machine, name)) == EPERM


@pytest.mark.parametrize(
    "name",
    [
        *("setpriority", "ioprio_set", "sched_setaffinity", "sched_setattr", "sched_setparam"),
        *("sched_setscheduler", "migrate_pages", "move_pages", "process_mrelease"),
        *("shmctl", "semctl", "semop", "semtimedop", "msgctl", "msgsnd", "msgrcv", "mq_unlink"),
    ],
)
def test_what_reaches_others_of_the_same_user_is_known(name: str) -> None:
    assert name in set(CALLS) - JUDGED - UNKNOWN


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", sorted(UNKNOWN))
def test_what_hides_its_arguments_is_said_not_to_exist(machine: str, name: str) -> None:
    assert verdict(machine, number(machine, name)) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_ordinary_work_is_allowed(machine: str) -> None:
    assert {verdict(machine, call) for call in HARMLESS[machine]} == {ALLOWED}


@given(machine=machines, call=st.integers(0, 0x3FFFFFFF))
def test_a_call_that_is_not_listed_is_allowed(machine: str, call: int) -> None:
    if call not in {number(machine, name) for name in CALLS}:
        assert verdict(machine, call) == ALLOWED


@given(machine=machines, call=st.integers(0x40000000, 0xFFFFFFFF))
def test_calls_of_another_table_are_refused(machine: str, call: int) -> None:
    assert verdict(machine, call) == EPERM


@given(machine=machines, other=st.integers(0, 0xFFFFFFFF))
def test_calls_of_another_machine_are_refused(machine: str, other: int) -> None:
    if other != MACHINES[machine][0]:
        assert verdict(machine, HARMLESS[machine][0], architecture=other) == EPERM


@given(machine=machines, flags=st.integers(0, 0xFFFFFFFF))
def test_a_file_is_opened_to_be_read_only(machine: str, flags: int) -> None:
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    expected = EPERM if flags & writing else ALLOWED
    assert verdict(machine, number(machine, "openat"), 0, 1 << 40, flags) == expected
    if machine == "x86_64":
        assert verdict(machine, number(machine, "open"), 1 << 40, flags) == expected


@given(machine=machines, flags=st.integers(0, 2**64 - 1))
def test_threads_are_made_and_processes_are_not(machine: str, flags: int) -> None:
    expected = ALLOWED if flags & 0x10000 else EPERM
    assert verdict(machine, number(machine, "clone"), flags) == expected


@given(machine=machines, process=st.integers(0, 2**22))
def test_signals_reach_the_process_itself_only(machine: str, process: int) -> None:
    expected = ALLOWED if process == ME else EPERM
    assert verdict(machine, number(machine, "tgkill"), process) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_a_process_may_abort(machine: str) -> None:
    assert verdict(machine, number(machine, "tgkill"), ME, ME, 6) == ALLOWED


@given(machine=machines, address=st.integers(0, 2**64 - 1))
def test_limits_are_read_and_not_set(machine: str, address: int) -> None:
    expected = EPERM if address else ALLOWED
    assert verdict(machine, number(machine, "prlimit64"), 0, 0, address) == expected


@given(machine=machines, option=st.integers(0, 100))
def test_a_process_stays_bound_to_its_parent_and_without_images(machine: str, option: int) -> None:
    expected = EPERM if option in {1, 4} else ALLOWED
    assert verdict(machine, number(machine, "prctl"), option) == expected


@given(machine=machines, command=st.integers(0, 0xFFFFFFFF), high=st.integers(0, 0xFFFFFFFF))
@example("x86_64", fcntl.F_SETOWN, 0)
@example("x86_64", fcntl.F_SETSIG, 0)
@example("aarch64", 15, 1)
def test_a_descriptor_gets_no_owner_to_send_signals_to(
    machine: str, command: int, high: int
) -> None:
    refused = {fcntl.F_SETOWN, fcntl.F_SETSIG, 15, fcntl.F_SETLEASE, fcntl.F_NOTIFY}
    expected = EPERM if command in refused else ALLOWED
    assert verdict(machine, number(machine, "fcntl"), 3, high << 32 | command, ME) == expected


@given(machine=machines, flags=st.integers(0, 2**32 - 1))
def test_a_descriptor_does_not_begin_to_send_signals(machine: str, flags: int) -> None:
    call = number(machine, "fcntl")
    expected = EPERM if flags & os.O_ASYNC else ALLOWED
    assert verdict(machine, call, 3, fcntl.F_SETFL, flags) == expected
    assert verdict(machine, call, 3, fcntl.F_SETFD, flags) == ALLOWED


@given(machine=machines, control=st.integers(0, 0xFFFFFFFF))
@example("x86_64", 0x8901)
@example("x86_64", 0x8902)
@example("aarch64", termios.FIOASYNC)
def test_a_device_is_not_told_to_send_signals(machine: str, control: int) -> None:
    expected = EPERM if control in {0x8901, 0x8902, termios.FIOASYNC} else ALLOWED
    assert verdict(machine, number(machine, "ioctl"), 3, control) == expected


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_where_a_program_may_be_started_nothing_else_is_allowed(machine: str, name: str) -> None:
    call = number(machine, name)
    assert verdict(machine, call, may_start_programs=True) == ALLOWED
    socket = number(machine, "socket")
    assert verdict(machine, socket, may_start_programs=True) == EPERM
