"""OLE compound files: what wraps the Office formats of the nineties and Outlook messages."""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import olefile

from documents.parsing.base import ParseError
from documents.parsing.builder import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from documents.parsing.base import ParserContext

_UNREADABLE = (OSError, ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError)
_MACROS = ("_VBA_PROJECT_CUR", "_VBA_PROJECT", "Macros")
_WORDS = ("title", "author", "subject", "keywords")
_TIMES = {"created": "create_time", "modified": "last_saved_time"}
_NO_CODEC = {0: "cp1252", 1200: "utf-16-le", 10000: "mac_roman", 65000: "utf-7", 65001: "utf-8"}


@contextmanager
def open_compound(path: Path, context: ParserContext) -> Iterator[olefile.OleFileIO]:
    """The file's streams. Raises ``ParseError``: ``encrypted``, ``macros``, ``truncated``.

    Damage that is found while a stream is read ends as ``truncated`` too.
    """
    try:
        with olefile.OleFileIO(str(path)) as file:
            if file.exists("EncryptedPackage"):
                raise ParseError("encrypted", "an encrypted package")
            if any(file.exists(name) for name in _MACROS):
                raise ParseError("macros", "a VBA project")
            if len(file.listdir()) > context.max_archive_members:
                raise ParseError("too_large", "too many streams")
            yield file
    except _UNREADABLE as error:
        raise ParseError("truncated", f"{type(error).__name__}: {error}"[:300]) from error


def stream_of(file: olefile.OleFileIO, name: str) -> bytes:
    """A stream's bytes, none where it is missing."""
    data: bytes = file.openstream(name).read() if file.exists(name) else b""
    return data


def compound_properties(file: olefile.OleFileIO) -> dict[str, str]:
    """Title, author and the like, as far as stated; broken ones cost themselves, never the text."""
    try:
        found = file.get_metadata()
    except _UNREADABLE:
        return {}
    codec = codec_of(found.codepage or 0)
    values = {name: _text(getattr(found, name, None), codec) for name in _WORDS}
    for name, attribute in _TIMES.items():
        moment = getattr(found, attribute, None)
        if isinstance(moment, datetime) and moment.year > 1980:
            values[name] = moment.isoformat()
    return {name: value for name, value in values.items() if value}


def codec_of(codepage: int) -> str:
    """The codec of a Windows code page, Latin 1 of Windows where there is none."""
    codepage %= 65536
    name = _NO_CODEC.get(codepage, f"cp{codepage}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "gb18030" if codepage in (936, 54936) else "cp1252"


def _text(value: Any, codec: str) -> str:
    if isinstance(value, bytes):
        value = value.decode(codec, errors="replace")
    return one_line(value.rstrip("\x00")) if isinstance(value, str) else ""
