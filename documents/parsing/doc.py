"""Word of 1997 to 2003 (DOC): headings, paragraphs, table rows, foot- and endnotes, text boxes.

After the published description of the format, [MS-DOC]: the file information block, and the piece
table that says where in the stream each run of characters lies, and in which width.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder
from documents.parsing.compound import compound_properties, open_compound, stream_of
from documents.parsing.doc_layout import Layout
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
_CELL, _ROW_END, _HEADING = "\x07", "\x1c", "\x1d"
"""How a paragraph ends, in the text as it is read here; behind a heading's end stands its level."""
_ENDS = re.compile("[\r\x07\x0c\x0e]")
_PARAGRAPH = re.compile("([^\r\x07\x1c\x1d]*)(?:(\r|\x07|\x1c|\x1d[1-6])|$)")
_OURS = re.compile("[\x1c\x1d]")
_FIELD = re.compile("\x13[^\x13\x14\x15]*(?:\x14([^\x13\x14\x15]*))?\x15")
_DROPPED = re.compile("[\x01\x02\x03\x04\x05\x08\x1f\x13\x14\x15]")
_BREAKS = {0x0B: "\n", 0x1E: "-"}
_LONGEST_HEADING = 300
_FIELDS_INSIDE = 5


class _Piece(NamedTuple):
    """A run of text, where it lies in the stream, and the bytes of a character."""

    text: str
    place: int
    width: int


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
    table = tables[bool(flags & _TABLE_1)]
    pieces, layout = list(_pieces(main, table)), Layout(main, table)
    text = "".join(piece.text for piece in pieces)
    marks = _marks(pieces, layout) if layout else {}
    parts, position = [], 0
    for length, is_read in zip(struct.unpack_from("<7I", main, _LENGTHS), _READ, strict=True):
        if is_read:
            parts.append(_marked(text, position, position + length, marks))
        position += length
    return parts


def _marks(pieces: list[_Piece], layout: Layout) -> dict[int, str]:
    """What the end of a paragraph is, by its offset in the text, where it is no ordinary one."""
    marks: dict[int, str] = {}
    position = 0
    for piece in pieces:
        for match in _ENDS.finditer(piece.text):
            paragraph = layout.at(piece.place + match.start() * piece.width)
            if match.group() == _CELL:
                marks[position + match.start()] = _ROW_END if paragraph.ends_row else _CELL
            elif paragraph.in_table:
                marks[position + match.start()] = "\n"
            elif paragraph.level:
                marks[position + match.start()] = f"{_HEADING}{paragraph.level}"
        position += len(piece.text)
    return marks


def _marked(text: str, start: int, end: int, marks: dict[int, str]) -> str:
    """A part of the text with its ends of paragraphs as they are read here."""
    text = _OURS.sub(" ", text)  # of the same length
    if not marks:  # nothing is known: the second of two ends of cells is taken for a row's
        return _ENDS.sub(_plain_end, text[start:end]).replace(_CELL * 2, _CELL + _ROW_END)
    parts = []
    for match in _ENDS.finditer(text, start, end):
        parts.append(text[start : match.start()])
        parts.append(marks.get(match.start(), "\r"))
        start = match.end()
    return "".join([*parts, text[start:end]])


def _plain_end(match: re.Match[str]) -> str:
    return _CELL if match.group() == _CELL else "\r"


def _pieces(main: bytes, table: bytes) -> Iterator[_Piece]:
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
        width = 1 if place & _COMPRESSED else 2
        place = (place & ~_COMPRESSED) // 2 if width == 1 else place
        raw = main[place : place + width * characters]
        text = raw.decode("cp1252" if width == 1 else "utf-16-le", errors="replace")
        # Offsets count the characters that the file says, whatever became of them.
        yield _Piece(text.ljust(characters, " "), place, width)


def _add(builder: DocumentBuilder, text: str) -> None:
    for _ in range(_FIELDS_INSIDE):  # of a field, what it shows and not how it is computed
        text = _FIELD.sub(lambda match: match.group(1) or "", text)
    text = _DROPPED.sub("", text.translate(_BREAKS))
    rows: list[list[str]] = []
    cells: list[str] = []
    begun: list[str] = []
    for match in _PARAGRAPH.finditer(text):
        content, end = match.group(1), match.group(2) or ""
        if end == _CELL:
            cells.append("\n".join([*begun, content]))
            begun = []
        elif end == _ROW_END:
            rows.append(cells)
            cells = []
        elif cells:  # a paragraph inside a cell; its end is still to come
            begun.append(content)
        elif content.strip():
            add_table(builder, rows)
            rows = []
            if end.startswith(_HEADING) and len(content) <= _LONGEST_HEADING:
                builder.heading(content, int(end[1]))
            else:
                builder.add("paragraph", content)
    add_table(builder, [*rows, [*cells, "\n".join(begun)]])
