"""One clear sentence for each thing that keeps the stack from starting."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ragsite.embedded import preflight

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("version", [(3, 11), (3, 12)])
def test_the_supported_pythons_are_fine(version: tuple[int, int]) -> None:
    assert preflight.python_problem(version) == ""


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (3, 13), (2, 7)])
def test_another_python_is_named_with_the_way_out(version: tuple[int, int]) -> None:
    said = preflight.python_problem(version)
    assert f"this is Python {version[0]}.{version[1]}" in said
    assert "3.11 or 3.12" in said
    assert "PYTHON=" in said


def test_the_packaged_servers_run_on_one_platform_only() -> None:
    assert preflight.platform_problem("Linux", "x86_64") == ""
    assert "Darwin arm64" in preflight.platform_problem("Darwin", "arm64")


def test_a_full_disk_is_said_with_both_figures(tmp_path: Path) -> None:
    assert preflight.disk_problem(tmp_path, 1) == ""
    said = preflight.disk_problem(tmp_path / "not" / "there" / "yet", 10**18)
    assert "is full" in said
    assert "1000000000.0 GB are needed" in said


def test_a_taken_port_is_said_with_the_next_one() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = preflight.port_problem("127.0.0.1", port)
    assert f"Port {port} is taken by another program" in said
    assert f"make demo PORT={port + 1}" in said


def test_a_free_port_is_fine() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    assert preflight.port_problem("127.0.0.1", port) == ""


def test_an_address_of_another_machine_is_no_place_to_listen() -> None:
    assert "cannot listen on 192.0.2.1 port 80" in preflight.port_problem("192.0.2.1", 80)


def test_as_a_program_it_prints_one_line_and_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, preflight.__file__, str(tmp_path), "1e9"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_as_a_program_it_is_silent_when_all_is_well(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, preflight.__file__, str(tmp_path), "0.000001"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
