"""Where a figure comes from: the code that made it, and the machine it ran on. Knows no Django."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

INSTRUCTIONS = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"),
    *("asimd", "asimddp", "bf16", "i8mm", "sve"),
)
"""What matters to a model on a processor, by the kernel's names, from plain to fast."""

_CPU_INFO = Path("/proc/cpuinfo")
_STATUS = Path("/proc/self/status")
_MEMORY = Path("/proc/meminfo")


class Code(TypedDict):
    version: str
    commit: str
    """Of the checkout, ``""`` outside of one."""


class Machine(TypedDict):
    processor: str
    cores: int
    """Those that this process may use."""
    instructions: list[str]
    """Of ``INSTRUCTIONS``; empty where the kernel does not say."""
    memory_mb: int | None
    load: float
    """Mean number of running processes over the last minute, this one's start included."""
    system: str


def code_of(folder: Path) -> Code:
    """The version and commit of the project at ``folder``."""
    return {"version": _version(folder), "commit": commit_of(folder)}


def commit_of(folder: Path) -> str:
    """The commit that is checked out at ``folder``, ``""`` where there is none."""
    git = shutil.which("git")
    if git is None or not (folder / ".git").exists():
        return ""
    asked = subprocess.run(  # noqa: S603 - our own arguments, no shell
        [git, "rev-parse", "--short=12", "HEAD"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()


def machine() -> Machine:
    """The machine as the kernel describes it now."""
    info = _read(_CPU_INFO)
    named = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", info, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    return {
        "processor": named[1].strip() if named else platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "instructions": [name for name in INSTRUCTIONS if name in known],
        "memory_mb": _kilobytes(_read(_MEMORY), "MemTotal"),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
    }


def usable_cores() -> int:
    with suppress(AttributeError):  # Only Linux can say it.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resident_mb() -> int | None:
    """Memory that this process holds now, in MiB; ``None`` where the kernel does not say."""
    return _kilobytes(_read(_STATUS), "VmRSS")


def _version(folder: Path) -> str:
    try:
        project = tomllib.loads(_read(folder / "pyproject.toml"))["project"]
    except (tomllib.TOMLDecodeError, KeyError):
        return ""
    return str(project.get("version", ""))


def _kilobytes(text: str, name: str) -> int | None:
    """A line of the kernel's ``Name:  123 kB``, in MiB."""
    found = re.search(rf"^{name}:\s*(\d+) kB$", text, re.MULTILINE)
    return round(int(found[1]) / 1024) if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
