"""One readable log: every line of every process, with the process's name before it."""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAME_WIDTH = 9
KEPT_LINES = 12
_COLOURS = {"stack": "1", "postgres": "34", "redis": "31", "web": "32", "ingest": "33"}
_COLOURS |= {"answers": "35", "beat": "36"}


class Console:
    """Writes whole lines from several threads, never one inside another."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self._coloured = self._stream.isatty()

    def say(self, text: str, *, name: str = "stack") -> None:
        for line in text.splitlines() or [""]:
            self._write(f"{self._prefix(name)} {line}\n")

    def follow(
        self, name: str, source: IO[bytes], kept: deque[str], *, quiet: bool = False
    ) -> threading.Thread:
        """Pass on the lines of ``source`` until it ends; the last ones stay in ``kept``.

        A ``quiet`` one is read and kept, and not shown.
        """

        def pass_on() -> None:
            with source:
                for raw in source:
                    line = raw.decode(errors="replace").rstrip()
                    kept.append(line)
                    if not quiet:
                        self.say(line, name=name)

        thread = threading.Thread(target=pass_on, name=f"log of {name}", daemon=True)
        thread.start()
        return thread

    def _prefix(self, name: str) -> str:
        label = f"{name:<{NAME_WIDTH}}|"
        colour = _COLOURS.get(name)
        return f"\x1b[{colour}m{label}\x1b[0m" if self._coloured and colour else label

    def _write(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(line)
                self._stream.flush()
            except (BrokenPipeError, ValueError):
                # Whoever read the log is gone; the stack goes on without one.
                return


def kept_lines() -> deque[str]:
    return deque(maxlen=KEPT_LINES)


def last_words(lines: Iterable[str]) -> Sequence[str]:
    """The lines worth repeating after a death: those that are not empty."""
    return [line for line in lines if line.strip()]
