"""How much memory a tree of processes takes, shared pages counted once."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

SAMPLE_EVERY_S = 1.0
_PROC = Path("/proc")
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_RSS = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)


class PeakMemory:
    """Samples this process and all below it once a second, in a thread, and keeps the highest."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.peak_bytes = max(self.peak_bytes, memory_of_tree(os.getpid()))
            self._stopped.wait(SAMPLE_EVERY_S)


def memory_of_tree(root: int) -> int:
    """Bytes held by ``root`` and its descendants: proportional set size, else resident size."""
    return sum(_memory_of(process) for process in descendants(root))


def descendants(root: int) -> list[int]:
    """``root`` and every process started below it that still has its parent."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            parent = _parent_of(int(entry.name))
            if parent:
                children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += children.get(process, [])
    return found


def _parent_of(process: int) -> int:
    try:
        stat = (_PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The name in parentheses may hold spaces and parentheses of its own.
    return int(stat.rpartition(")")[2].split()[1])


def _memory_of(process: int) -> int:
    for name, pattern in (("smaps_rollup", _PSS), ("status", _RSS)):
        try:
            found = pattern.search((_PROC / str(process) / name).read_text(encoding="utf-8"))
        except OSError:
            continue
        if found:
            return int(found.group(1)) * 1024
    return 0
