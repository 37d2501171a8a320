"""What may be taken of a folder: the regular files below it; what is passed over, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

SkipReason = Literal["hidden", "link_out", "link_folder", "link_broken", "special"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to take. ``name`` is its place below the folder, always fit to be printed."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is passed over."""

    name: str
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A folder that cannot be listed, so that what is in it stays unknown."""

    name: str


def printable(name: str) -> str:
    """``name`` with bytes that are no text, and control characters, replaced by U+FFFD."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def walk(folder: Path) -> Iterator[FoundFile | Skipped | Unreadable]:
    """Everything below ``folder``, in the order of names; a file gives itself.

    Hidden entries are passed over, and links that lead out of the folder. A link to a file inside
    is taken under its own name, one to a folder is not: what is in that folder is met anyway, and
    so no ring of links is endless. Pipes, sockets and devices would keep a reader waiting.
    """
    root = folder.resolve()
    if not root.is_dir():
        yield FoundFile(root, printable(root.name))
        return
    yield from _below(root, root)


def _below(folder: Path, root: Path) -> Iterator[FoundFile | Skipped | Unreadable]:
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        yield Unreadable(printable(str(folder.relative_to(root))))
        return
    for entry in entries:
        path = Path(entry.path)
        name = printable(str(path.relative_to(root)))
        if entry.name.startswith("."):
            yield Skipped(name, "hidden")
        elif entry.is_symlink():
            yield _linked(path, name, root)
        elif entry.is_dir(follow_symlinks=False):
            yield from _below(path, root)
        elif entry.is_file(follow_symlinks=False):
            yield FoundFile(path, name)
        else:
            yield Skipped(name, "special")


def _linked(path: Path, name: str, root: Path) -> FoundFile | Skipped:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # leads nowhere, or in a ring
        return Skipped(name, "link_broken")
    if not target.is_relative_to(root):
        return Skipped(name, "link_out")
    if target.is_dir():
        return Skipped(name, "link_folder")
    return FoundFile(target, name) if target.is_file() else Skipped(name, "special")
