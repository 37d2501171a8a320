"""Word of 1997 to 2003 (DOC): the text in order, table rows, foot- and endnotes, text boxes.

After the published description of the format, [MS-DOC]: the file information block, and the piece
table that says where in the stream each run of characters lies, and in which width.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder
from documents.parsing.compound import compound_properties, open_compound, stream_of
from documents.parsing.tables import add_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_MAGIC = 0xA5EC
_WORD_97 = 0xC1
_ENCRYPTED, _TABLE_1 = 0x0100, 0x0200
_LENGTHS = 0x4C
"""Characters of main text, footnotes, headers, macros, comments, endnotes, boxes: one after the
other in the text."""
_READ = (True, True, False, False, False, True, True)
_CLX = 0x01A2
_PIECES, _PROPERTIES = 2, 1
_COMPRESSED = 0x40000000
_CELL = "\x07"
_FIELD = re.compile("\x13[^\x13\x14\x15]*(?:\x14([^\x13\x14\x15]*))?\x15")
_DROPPED = re.compile("[\x01\x02\x03\x04\x05\x08\x1f\x13\x14\x15]")
_BREAKS = {0x0B: "\n", 0x1E: "-", 0x0C: "\r", 0x0E: "\r"}
_FIELDS_INSIDE = 5


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a Word file of that time. Of one before 1997, only the plain main text."""
    builder = DocumentBuilder(context.max_characters)
    with open_compound(path, context) as file:
        if not file.exists("WordDocument"):
            raise ParseError("mislabelled", "a compound file that is not Word's")
        try:
            main = stream_of(file, "WordDocument")
            parts = _parts(main, [stream_of(file, "0Table"), stream_of(file, "1Table")])
        except struct.error as error:
            raise ParseError("truncated", "the file information block ends early") from error
        properties = compound_properties(file)
    for part in parts:
        _add(builder, part)
    return builder.build(
        title=properties.pop("title", ""),
        author=properties.pop("author", ""),
        metadata=properties,
    )


def _parts(main: bytes, tables: list[bytes]) -> list[str]:
    """Main text, footnotes, endnotes and text boxes."""
    magic, version = struct.unpack_from("<HH", main)
    flags = struct.unpack_from("<H", main, 0x0A)[0]
    if magic != _MAGIC:
        raise ParseError("outdated", f"no Word file of 1997 or later: {magic:#x}")
    if flags & _ENCRYPTED:
        raise ParseError("encrypted", "a password")
    if version < _WORD_97:
        start, end = struct.unpack_from("<II", main, 0x18)
        return [main[start:end].decode("cp1252", errors="replace")]
    text = "".join(_pieces(main, tables[bool(flags & _TABLE_1)]))
    parts, position = [], 0
    for length, is_read in zip(struct.unpack_from("<7I", main, _LENGTHS), _READ, strict=True):
        if is_read:
            parts.append(text[position : position + length])
        position += length
    return parts


def _pieces(main: bytes, table: bytes) -> Iterator[str]:
    start, length = struct.unpack_from("<II", main, _CLX)
    clx = table[start : start + length]
    position = 0
    while position < len(clx) and clx[position] == _PROPERTIES:
        position += 3 + struct.unpack_from("<H", clx, position + 1)[0]
    if position >= len(clx) or clx[position] != _PIECES:
        raise ParseError("truncated", "no piece table")
    size = struct.unpack_from("<I", clx, position + 1)[0]
    plc = clx[position + 5 : position + 5 + size]
    count = (len(plc) - 4) // 12
    bounds = struct.unpack_from(f"<{count + 1}I", plc)
    for index in range(count):
        characters = bounds[index + 1] - bounds[index]
        place = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * index + 2)[0]
        if characters <= 0:
            continue
        if place & _COMPRESSED:
            begin = (place & ~_COMPRESSED) // 2
            run = main[begin : begin + characters].decode("cp1252", errors="replace")
        else:
            run = main[place : place + 2 * characters].decode("utf-16-le", errors="replace")
        # Offsets count the characters that the file says, whatever became of them.
        yield run.ljust(characters, " ")[:characters] if len(run) < characters else run


def _add(builder: DocumentBuilder, text: str) -> None:
    for _ in range(_FIELDS_INSIDE):  # of a field, what it shows and not how it is computed
        text = _FIELD.sub(lambda match: match.group(1) or "", text)
    text = _DROPPED.sub("", text.translate(_BREAKS))
    rows: list[list[str]] = []
    cells: list[str] = []
    begun: list[str] = []
    for line in text.split("\r"):
        *ended, rest = line.split(_CELL)
        for cell in ended:
            if cell or begun or not cells:
                cells.append("\n".join([*begun, cell]))
                begun = []
            else:  # the mark after a row's last cell
                rows.append(cells)
                cells = []
        if cells:  # a paragraph inside a cell; its end is still to come
            begun.append(rest)
        elif rest:
            add_table(builder, rows)
            rows = []
            builder.add("paragraph", rest)
    add_table(builder, [*rows, [*cells, "\n".join(begun)]])
