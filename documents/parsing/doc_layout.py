"""What a Word file of 1997 to 2003 says of its paragraphs: headings, cells and ends of rows.

After [MS-DOC]: pages of 512 bytes that name the style and the changed properties of each paragraph,
by the place of its text in the stream.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import NamedTuple

_BINS = 0x0102
_PAGE = 512
_PAGE_NUMBER = 0x3FFFFF
_ENTRY = 13
_HIGHEST_HEADING_STYLE = 9
"""Styles 1 to 9 are the headings in every file."""
_IN_TABLE, _ROW_END, _OUTLINE = 0x2416, 0x2417, 0x2640
_TABLE_DEFINITION = 0xD608
_SIZES = {0: 1, 1: 1, 2: 2, 3: 4, 4: 2, 5: 2, 7: 3}
"""Bytes of an operand by the kind of its instruction; 6 says its own length."""
_MOST_PAGES = 100_000


class Paragraph(NamedTuple):
    """``level`` is 0 for a paragraph that is no heading."""

    level: int = 0
    in_table: bool = False
    ends_row: bool = False


class Layout:
    """The paragraphs of a file by the place of their text in its stream."""

    def __init__(self, main: bytes, table: bytes) -> None:
        """Broken pages cost what they would have said."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._paragraphs: list[Paragraph] = []
        runs: list[tuple[int, int, Paragraph]] = []
        for number in _page_numbers(main, table):
            runs += _runs(main[number * _PAGE : (number + 1) * _PAGE])
        for start, end, paragraph in sorted(runs):
            self._starts.append(start)
            self._ends.append(end)
            self._paragraphs.append(paragraph)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def at(self, place: int) -> Paragraph:
        """The paragraph whose text, with the mark at its end, is at ``place``."""
        index = bisect_right(self._starts, place) - 1
        if index < 0 or place >= self._ends[index]:
            return Paragraph()
        return self._paragraphs[index]


def _page_numbers(main: bytes, table: bytes) -> list[int]:
    if len(main) < _BINS + 8:
        return []
    start, length = struct.unpack_from("<II", main, _BINS)
    bins = table[start : start + length]
    count = min((len(bins) - 4) // 8, _MOST_PAGES)
    if count < 1:
        return []
    numbers = struct.unpack_from(f"<{count}I", bins, 4 * (count + 1))
    return [number & _PAGE_NUMBER for number in numbers]


def _runs(page: bytes) -> list[tuple[int, int, Paragraph]]:
    if len(page) < _PAGE:
        return []
    count = page[-1]
    offsets = 4 * (count + 1)
    if not count or offsets + _ENTRY * count >= _PAGE:
        return []
    bounds = struct.unpack_from(f"<{count + 1}I", page)
    return [
        (bounds[i], bounds[i + 1], _paragraph(page, 2 * page[offsets + _ENTRY * i]))
        for i in range(count)
    ]


def _paragraph(page: bytes, offset: int) -> Paragraph:
    if not 0 < offset < _PAGE - 2:
        return Paragraph()
    words = page[offset]
    start = offset + 1 if words else offset + 2
    size = 2 * words - 1 if words else 2 * page[offset + 1]
    data = page[start : min(start + size, _PAGE)]
    if len(data) < 2:
        return Paragraph()
    style = int.from_bytes(data[:2], "little")
    level = min(style, 6) if 1 <= style <= _HIGHEST_HEADING_STYLE else 0
    changed = _changes(data[2:])
    outline = changed.get(_OUTLINE)
    if outline is not None:
        level = min(outline + 1, 6) if outline < _HIGHEST_HEADING_STYLE else 0
    return Paragraph(level, bool(changed.get(_IN_TABLE)), bool(changed.get(_ROW_END)))


def _changes(data: bytes) -> dict[int, int]:
    """The first operand byte of each instruction, up to one that does not fit."""
    found: dict[int, int] = {}
    position = 0
    while position + 3 <= len(data):
        instruction = int.from_bytes(data[position : position + 2], "little")
        position += 2
        found[instruction] = data[position]
        if instruction == _TABLE_DEFINITION:
            position += 1 + int.from_bytes(data[position : position + 2], "little")
        elif instruction >> 13 == 6:
            position += 1 + data[position]
        else:
            position += _SIZES[instruction >> 13]
    return found
