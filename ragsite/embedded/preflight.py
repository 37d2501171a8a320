"""Looks at the machine before anything is installed or started. Standard library only.

As a program it runs with whatever Python there is, so it is written for old ones too:
``python3 ragsite/embedded/preflight.py FOLDER GIGABYTES`` prints one sentence and ends with 1
when the project cannot be installed here.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import socket
import sys
from pathlib import Path

PYTHONS = ((3, 11), (3, 12))
GIGABYTE = 1000**3


def python_problem(version: tuple[int, int]) -> str:
    """A sentence, or ``""`` when the version is one that the pinned packages exist for."""
    if version in PYTHONS:
        return ""
    return (
        f"Ragsite needs CPython 3.11 or 3.12, and this is Python {version[0]}.{version[1]}; "
        "install one of them, or name it: make demo PYTHON=/path/to/python3.11."
    )


def platform_problem(system: str, machine: str) -> str:
    """A sentence, or ``""`` where the packaged PostgreSQL and Redis run."""
    if system == "Linux" and machine in {"x86_64", "AMD64"}:
        return ""
    return (
        f"The embedded PostgreSQL and Redis run on Linux x86-64, and this is {system} {machine}; "
        "use docker-compose.yml, or give DATABASE_URL and REDIS_URL."
    )


def disk_problem(folder: Path, needed_bytes: int) -> str:
    """A sentence, or ``""`` when the disk that holds ``folder`` has as much free."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free >= needed_bytes:
        return ""
    return (
        f"The disk that holds {folder} is full: {free / GIGABYTE:.1f} GB are free and "
        f"{needed_bytes / GIGABYTE:.1f} GB are needed; free some, or set RAGSITE_STATE_DIR."
    )


def port_problem(host: str, port: int) -> str:
    """A sentence, or ``""`` when a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return (
                    f"Port {port} is taken by another program; "
                    f"end that one or choose another port: make demo PORT={port + 1}."
                )
            reason = os.strerror(error.errno) if error.errno else str(error)
            return f"Ragsite cannot listen on {host} port {port}: {reason}."
    return ""


def main(arguments: list[str]) -> int:
    folder, gigabytes = Path(arguments[0]), float(arguments[1])
    for problem in (
        python_problem(sys.version_info[:2]),
        platform_problem(platform.system(), platform.machine()),
        disk_problem(folder, int(gigabytes * GIGABYTE)),
    ):
        if problem:
            sys.stderr.write(problem + "\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
