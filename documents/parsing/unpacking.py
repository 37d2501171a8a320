"""A ZIP archive: what is in it, and its files as bytes. Run by the limited program, in two jobs.

``run`` with ``{}`` lists; with ``{"positions": [...], "max_bytes": n}`` it unpacks. Nothing in here
writes a file, and a name in an archive is only ever shown: it never becomes a path.
"""

from __future__ import annotations

import json
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from documents.parsing.base import ParseError
from documents.parsing.decoding import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from documents.parsing.base import ParserContext

ENDING = ".zip"
MAX_FILES = 5_000
MAX_TOTAL_BYTES = 2 * 1024**3
MAX_RATIO = 100
"""Of all files together to the archive: text packs to a twentieth, a trap to a thousandth."""
RATIO_COUNTS_FROM = 100 * 1024**2
"""Unpacked bytes below which no ratio is suspicious: a small sparse table harms nobody."""
NAME_LENGTH = 500

_PIECE = 64 * 1024
_HEAD = struct.Struct("!IBQ")
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_DRIVE = re.compile(r"[A-Za-z]:").fullmatch
_NESTED = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_JUNK_FOLDERS = frozenset({"__MACOSX", ".git", ".svn"})
_JUNK_FILES = frozenset({"thumbs.db", "desktop.ini"})
_MALFORMED = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, ValueError, KeyError)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive. ``position`` counts all entries from 0; ``size`` is what it claims."""

    position: int
    name: str
    """Its folders and its name with ``/`` between, fit to be shown."""
    size: int
    code: str = ""
    """Why it cannot be taken, as in ``documents.problems``; empty when it may be tried."""

    @property
    def filename(self) -> str:
        return PurePosixPath(self.name).name

    @property
    def folders(self) -> tuple[str, ...]:
        return PurePosixPath(self.name).parts[:-1]


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came of one member: its bytes, or the code of why there are none."""

    position: int
    code: str
    data: bytes


# ---- in the limited program -----------------------------------------------------------------
def run(path: Path, options: dict[str, Any], context: ParserContext) -> bytes:
    """The job. Raises ``ParseError`` for an archive of which nothing may be taken."""
    try:
        with zipfile.ZipFile(path) as archive:
            if "positions" not in options:
                return _encode_listing(_listing(archive, path.stat().st_size, context))
            entries = archive.infolist()
            limit = int(options["max_bytes"])
            return b"".join(
                part
                for position in options["positions"]
                for part in _frame(position, *_unpack(archive, entries[position], limit))
            )
    except _MALFORMED as error:
        raise ParseError("truncated", f"{type(error).__name__}: {error}") from error


def _listing(archive: zipfile.ZipFile, archive_bytes: int, context: ParserContext) -> list[Member]:
    entries = archive.infolist()
    if len(entries) > context.max_archive_members:
        raise ParseError("archive_too_many", f"{len(entries)} entries")
    names = _names(entries)
    members = [
        Member(position, names[position][-NAME_LENGTH:], entry.file_size, _objection(entry))
        for position, entry in enumerate(entries)
        if not entry.is_dir() and not _is_junk(names[position])
    ]
    if not members:
        raise ParseError("archive_empty")
    if len(members) > MAX_FILES:
        raise ParseError("archive_too_many", f"{len(members)} files")
    _check_bomb(entries, archive_bytes)
    if all(member.code == "encrypted" for member in members):
        raise ParseError("encrypted", "every file of the archive")
    return members


def _check_bomb(entries: list[zipfile.ZipInfo], archive_bytes: int) -> None:
    """Raise for an archive that would unpack to far more than it is, by what it declares."""
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL_BYTES or (total > RATIO_COUNTS_FROM and total > MAX_RATIO * archive_bytes):
        raise ParseError("archive_bomb", f"{total} bytes out of {archive_bytes}")
    # Entries that share their packed bytes: one kernel, unpacked thousands of times.
    end = 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        if entry.header_offset < end:
            raise ParseError("archive_bomb", "entries overlap")
        end = entry.header_offset + entry.compress_size


def _objection(entry: zipfile.ZipInfo) -> str:
    if entry.flag_bits & _ENCRYPTED:
        return "encrypted"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return "archive_link"
    return "archive_nested" if entry.filename.lower().endswith(_NESTED) else ""


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> tuple[str, bytes]:
    """Code and bytes. What unpacks to more than it declared is not taken at all."""
    if entry.file_size > limit:
        return "too_large", b""
    pieces: list[bytes] = []
    found = 0
    try:
        with archive.open(entry) as opened:
            while piece := opened.read(_PIECE):
                found += len(piece)
                if found > entry.file_size:
                    return "archive_bomb", b""
                pieces.append(piece)
    except MemoryError:  # its method may want more than there is, whatever its size
        pieces.clear()
        return "memory", b""
    except NotImplementedError:
        return "archive_method", b""
    except RuntimeError:  # zipfile has no error of its own for a missing password
        return "encrypted", b""
    except _MALFORMED:
        return "truncated", b""
    return "", b"".join(pieces)


# ---- names ----------------------------------------------------------------------------------
def _names(entries: list[zipfile.ZipInfo]) -> list[str]:
    """Names as they were meant: without the mark for UTF-8, they are in the packer's encoding."""
    plain = [
        (position, entry.orig_filename.encode("cp437", "replace").replace(b"\n", b"_"))
        for position, entry in enumerate(entries)
        if not entry.flag_bits & _UTF8_NAME and not entry.orig_filename.isascii()
    ]
    names = [entry.orig_filename for entry in entries]
    if plain:
        # Guessed from all together: one name is too little to tell an encoding by.
        decoded = decode(b"\n".join(raw for _position, raw in plain)).split("\n")
        if len(decoded) == len(plain):
            for (position, _raw), name in zip(plain, decoded, strict=True):
                names[position] = name
    return [_shown(name) for name in names]


def _shown(name: str) -> str:
    """``name`` without what leads anywhere, and with what cannot be printed replaced."""
    name = name.partition("\x00")[0].replace("\\", "/")
    parts = [part.strip() for part in name.split("/")]
    kept = "/".join(part for part in parts if part not in {"", ".", ".."} and not _DRIVE(part))
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in kept) or "\ufffd"


def _is_junk(name: str) -> bool:
    """What operating systems put beside files: not meant by whoever packed them."""
    parts = PurePosixPath(name).parts
    last = parts[-1].lower()
    return (
        not _JUNK_FOLDERS.isdisjoint(parts) or last in _JUNK_FILES or last.startswith((".", "~$"))
    )


# ---- between the program and who started it -------------------------------------------------
def _encode_listing(members: Iterable[Member]) -> bytes:
    rows = [[each.position, each.name, each.size, each.code] for each in members]
    return json.dumps(rows).encode()


def members_in(message: bytes) -> list[Member]:
    """The listing that the program wrote. Raises ``ParseError`` when it does not hold together."""
    try:
        rows = json.loads(message)
        members = [
            Member(int(position), _text(name), int(size), _text(code))
            for position, name, size, code in rows
        ]
    except (ValueError, TypeError, RecursionError) as error:
        raise ParseError("crashed", f"unreadable listing: {type(error).__name__}") from error
    positions = {member.position for member in members}
    if not 0 < len(members) == len(positions) <= MAX_FILES or min(positions) < 0:
        raise ParseError("crashed", "a listing that cannot be")
    return members


def _text(value: object) -> str:
    if not isinstance(value, str) or "\x00" in value or len(value) > NAME_LENGTH:
        raise ValueError
    value.encode()
    return value


def _frame(position: int, code: str, data: bytes) -> Iterator[bytes]:
    yield _HEAD.pack(position, len(code), len(data))
    yield code.encode()
    yield data


def unpacked_in(message: bytes, positions: Iterable[int]) -> Iterator[Unpacked]:
    """What the program wrote for ``positions``, in their order. Raises ``ParseError`` else."""
    offset = 0
    for asked in positions:
        try:
            position, code_length, length = _HEAD.unpack_from(message, offset)
        except struct.error as error:
            raise ParseError("crashed", "the output ends too early") from error
        start = offset + _HEAD.size
        data_start = start + code_length
        offset = data_start + length
        if position != asked or offset > len(message):
            raise ParseError("crashed", "the output is not what was asked for")
        code = message[start:data_start].decode("ascii", "replace")
        yield Unpacked(position, code, message[data_start:offset])
