"""Outlook messages (MSG): subject, who wrote to whom and when, the text, names of attachments.

After the published descriptions [MS-OXMSG] and [MS-OXRTFCP]: a property is a stream whose name
ends in its number and type.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.compound import codec_of, open_compound, stream_of
from documents.parsing.eml import add_mail_text
from documents.parsing.html import add_visible_blocks, soup_of
from documents.parsing.rtf import add_rich_text

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    import olefile

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_PROPERTIES = "__properties_version1.0"
_CODEPAGES = (0x3FFD, 0x3FDE)
_TIMES = (0x0039, 0x0E06)
_TIME_TYPE, _NUMBER_TYPE = 0x0040, 0x0003
_HEADER_BYTES = 32
_SUBJECT, _BODY, _HTML, _RICH = "0037", "1000", "1013", "1009"
_SENDER, _ADDRESS, _TO, _CC = "0C1A", "0C1F", "0E04", "0E03"
_LONG_NAME, _SHORT_NAME = "3707", "3704"
_UNCOMPRESSED, _COMPRESSED = 0x414C454D, 0x75465A4C
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern "
    b"\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0"
    b"\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a message; attachments are named, not read."""
    builder = DocumentBuilder(context.max_characters)
    with open_compound(path, context) as file:
        if not file.exists(_PROPERTIES):
            raise ParseError("mislabelled", "a compound file that is no message")
        codec, sent = _fixed(stream_of(file, _PROPERTIES))

        def word(tag: str, folder: str = "") -> str:
            return _string(file, f"{folder}__substg1.0_{tag}", codec)

        sender = one_line(word(_SENDER) or word(_ADDRESS))
        builder.heading(word(_SUBJECT), 1)
        shown = {"From": sender, "To": one_line(word(_TO)), "Cc": one_line(word(_CC))}
        shown["Date"] = sent.isoformat() if sent else ""
        builder.add("paragraph", "\n".join(f"{key}: {text}" for key, text in shown.items() if text))
        _add_body(builder, file, word(_BODY), codec)
        folders = {entry[0] for entry in file.listdir() if entry[0].startswith("__attach")}
        for folder in sorted(folders):
            name = word(_LONG_NAME, f"{folder}/") or word(_SHORT_NAME, f"{folder}/")
            builder.add("paragraph", one_line(name))
        title = word(_SUBJECT)
    return builder.build(title=title, author=sender, published=sent, metadata={"to": shown["To"]})


def _fixed(data: bytes) -> tuple[str, date | None]:
    """The codec of texts in one-byte units, and the day on which it was sent or arrived."""
    codepages: dict[int, int] = {}
    times: dict[int, date] = {}
    for offset in range(_HEADER_BYTES, len(data) - 15, 16):
        kind, tag = struct.unpack_from("<HH", data, offset)
        if kind == _NUMBER_TYPE and tag in _CODEPAGES:
            codepages[tag] = struct.unpack_from("<I", data, offset + 8)[0]
        elif kind == _TIME_TYPE and tag in _TIMES:
            ticks = struct.unpack_from("<Q", data, offset + 8)[0]
            if 0 < ticks < 1 << 60:
                times[tag] = (_EPOCH + timedelta(microseconds=ticks // 10)).date()
    codepage = next((codepages[tag] for tag in _CODEPAGES if tag in codepages), 1252)
    return codec_of(codepage), next((times[tag] for tag in _TIMES if tag in times), None)


def _string(file: olefile.OleFileIO, name: str, codec: str) -> str:
    wide = stream_of(file, f"{name}001F")
    if wide:
        return wide.decode("utf-16-le", errors="replace")
    return stream_of(file, f"{name}001E").decode(codec, errors="replace")


def _add_body(builder: DocumentBuilder, file: olefile.OleFileIO, plain: str, codec: str) -> None:
    html = stream_of(file, f"__substg1.0_{_HTML}0102")
    rich = stream_of(file, f"__substg1.0_{_RICH}0102")
    if plain.strip():
        add_mail_text(builder, plain)
    elif html.strip():
        add_visible_blocks(builder, soup_of(html, codec))
    elif rich:
        add_rich_text(builder, uncompressed(rich))


def uncompressed(data: bytes) -> bytes:
    """Compressed rich text as it was. Raises ``ParseError("truncated")``."""
    if len(data) < 16:
        raise ParseError("truncated", "rich text ends early")
    _, size, kind = struct.unpack_from("<III", data)
    if kind == _UNCOMPRESSED:
        return data[16 : 16 + size]
    if kind != _COMPRESSED:
        raise ParseError("truncated", "unknown compression of rich text")
    window = bytearray(_DICTIONARY.ljust(_WINDOW, b"\x00"))
    write = len(_DICTIONARY)
    out = bytearray()
    position = 16
    while position < len(data):
        flags = data[position]
        position += 1
        for bit in range(8):
            if position >= len(data) or len(out) >= size:
                return bytes(out[:size])
            if not flags >> bit & 1:
                run = data[position : position + 1]
                position += 1
                write = _kept(window, out, run, write)
                continue
            reference = int.from_bytes(data[position : position + 2], "big")
            position += 2
            offset, length = reference >> 4, (reference & 0x0F) + 2
            if offset == write % _WINDOW:
                return bytes(out[:size])
            for index in range(length):
                place = (offset + index) % _WINDOW
                write = _kept(window, out, window[place : place + 1], write)
    return bytes(out[:size])


def _kept(window: bytearray, out: bytearray, run: bytes | bytearray, write: int) -> int:
    """Write one byte to the result and to the window; where the next goes."""
    out += run
    window[write % _WINDOW : write % _WINDOW + 1] = run
    return (write + 1) % _WINDOW
