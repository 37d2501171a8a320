"""The most memory that some processes and all they started held at once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EVERY_S = 0.2
KIBIBYTE = 1024


class Peak:
    """Looks several times a second while it is entered. Pages that are shared count by share."""

    def __init__(self, roots: Iterable[int]) -> None:
        self._roots = tuple(roots)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def mib(self) -> float:
        return self.bytes / KIBIBYTE**2

    def _watch(self) -> None:
        while True:
            now = sum(map(proportional_bytes, with_descendants(self._roots, parents())))
            self.bytes = max(self.bytes, now)
            if self._ended.wait(EVERY_S):
                return


def with_descendants(roots: Iterable[int], parent_of: Mapping[int, int]) -> set[int]:
    """The processes and whatever descends from them."""
    found, more = set[int](), set(roots)
    while more:
        found |= more
        more = {child for child, parent in parent_of.items() if parent in found} - found
    return found


def parents() -> dict[int, int]:
    """The parent of each process that runs now."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    return found


def proportional_bytes(process: int) -> int:
    """Its private pages and its share of those that others map too; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * KIBIBYTE for line in lines if line.startswith("Pss:")), 0)
