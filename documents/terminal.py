"""A run of ``manage.py ingest`` in lines for a terminal, a log, or a program."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from documents.delivery_problems import explain_delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from documents.ingesting import Ingest

BAR_WIDTH = 30
SECONDS_BETWEEN_LINES = 5.0
"""How often progress is said where lines cannot be written over, as in a log."""
MOST_NAMES = 20
"""Names listed under each kind of failure; the rest is counted. ``--json`` has them all."""

REASONS = {
    "hidden": "hidden",
    "link_out": "a link out of the folder",
    "link_folder": "a link to a folder",
    "link_broken": "a link that leads nowhere",
    "special": "not a file",
}


class Meter:
    """How far a run is: one bar that is written over, or a line now and then."""

    def __init__(self, write: Callable[[str], object], *, over: bool) -> None:
        """``write`` gets text with its line ends; ``over`` says whether it is a terminal."""
        self._write = write
        self._over = over
        self._last = ""
        self._said_at = float("-inf")

    def show(self, done: int, total: int, words: str) -> None:
        """Say ``words`` with the share that is done; unchanged words are not repeated."""
        line = f"{_bar(done, total)} {words}" if self._over else words
        is_last = done >= total
        due = self._over or is_last or time.monotonic() - self._said_at >= SECONDS_BETWEEN_LINES
        if line == self._last or not due:
            return
        self._write(f"\r{line}\x1b[K" if self._over else f"{line}\n")
        self._last, self._said_at = line, time.monotonic()

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        self._write(f"\r{line}\x1b[K\n" if self._over else f"{line}\n")
        if self._over and self._last:
            self._write(self._last)

    def end(self) -> None:
        """What is written next begins a line."""
        if self._over and self._last:
            self._write("\n")
        self._last = ""


def _bar(done: int, total: int) -> str:
    filled = BAR_WIDTH * done // total if total else BAR_WIDTH
    return f"[{'#' * filled}{'-' * (BAR_WIDTH - filled)}]"


def summary_lines(run: Ingest) -> Iterator[str]:
    """What became of the files: counts, formats that are not read, failures with their remedies."""
    counts = {
        "stored": run.count("stored"),
        "there already": run.count("known"),
        "refused": run.count("refused"),
        "of a format that is not read": run.count("unsupported"),
        "not tried": run.not_tried,
    }
    said = [f"{count} {words}" for words, count in counts.items() if count]
    total = len(run.entries) + run.not_tried
    yield f"{total} {'file' if total == 1 else 'files'}: {', '.join(said) or 'nothing to do'}"
    if any(entry.version_id for entry in run.entries):
        ready = sum(entry.state == "ready" for entry in run.entries)
        failed = sum(entry.has_failed and entry.version_id is not None for entry in run.entries)
        yield f"Ready {ready}, failed {failed}, still waiting {len(run.waiting)}"
    if waiting := len(run.unpacking):
        yield f"Archives not unpacked yet: {waiting}"
    if formats := run.unsupported():
        counted = (f"{ending or 'no ending'} {n}" for ending, n in formats.most_common())
        yield f"Not read: {', '.join(counted)}"
    for code, names in run.failures().items():
        problem = explain_delivery(code)
        yield ""
        yield f"{code} ({len(names)}): {problem.sentence} {problem.remedy}"
        yield from (f"  {name}" for name in names[:MOST_NAMES])
        if len(names) > MOST_NAMES:
            yield f"  and {len(names) - MOST_NAMES} more"


def as_values(run: Ingest) -> dict[str, Any]:
    """The whole run as values that JSON can hold."""
    return {
        "counts": {
            "stored": run.count("stored"),
            "known": run.count("known"),
            "refused": run.count("refused"),
            "unsupported": run.count("unsupported"),
            "skipped": len(run.skipped),
            "not_tried": run.not_tried,
            "waiting": len(run.waiting),
        },
        "files": [
            {
                "name": entry.name,
                "outcome": entry.outcome,
                "document": entry.document_id,
                "version": entry.version_id,
                "state": entry.state,
                "code": entry.code,
            }
            for entry in run.entries
        ],
        "archives": [
            {
                "name": archive.name,
                "delivery": archive.delivery_id,
                "state": archive.state,
                "code": archive.code,
            }
            for archive in run.archives
        ],
        "unsupported": dict(run.unsupported()),
        "failures": [
            {
                "code": code,
                "sentence": str(explain_delivery(code).sentence),
                "remedy": str(explain_delivery(code).remedy),
                "files": names,
            }
            for code, names in run.failures().items()
        ],
        "skipped": [{"name": one.name, "reason": one.reason} for one in run.skipped],
        "stopped": run.stopped,
        "paused": run.paused,
    }
