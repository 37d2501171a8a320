"""The pieces of text of a PDF's page, with places and styles as pdfium tells them."""

from __future__ import annotations

import ctypes
import math
import re
import statistics
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from documents.parsing.builder import one_line
from documents.parsing.layout import CELL_GAP, Piece, lay_out, turned, union
from documents.parsing.pdf_fields import Sheet, filled_fields, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from documents.parsing.layout import Box, PrintedLine

_LINE_END_HYPHEN = "\ufffe"  # how pdfium reports a hyphen that parts a word at a line's end
_LINE_END = re.compile("[\r\n]+|\ufffe")
_WORD = re.compile(r"\S+")
_MAX_RECTS = 1_000
_MAX_PICTURES = 200
_BOLD = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy", re.IGNORECASE)
_FONT_NAME_BYTES = 128


def lines_of_page(document: Any, number: int) -> list[PrintedLine]:
    """The lines of page ``number``, from 0, in reading order; none of a page that is damaged."""
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        # A page that cannot be loaded costs itself, not the others.
        return []
    try:
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:
        page.close()
        return []
    try:
        sheet = Sheet(page.get_bbox(), int(page.get_rotation()))
        pieces = list(_pieces(textpage.raw, textpage.count_chars(), sheet))
        if document.formenv:
            for value in filled_fields(document, page, sheet):
                pieces.insert(place_of(value, pieces), value)
        return lay_out(pieces, number + 1)
    finally:
        textpage.close()
        page.close()


def picture_share(document: Any, number: int) -> float:
    """How much of page ``number``, from 0, lies under its largest picture; 0 when damaged."""
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return 0.0
    try:
        left, bottom, right, top = page.get_bbox()
        pictures = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=4)
        bounds = [picture.get_bounds() for picture in islice(pictures, _MAX_PICTURES)]
    except pypdfium2.PdfiumError:
        return 0.0
    finally:
        page.close()
    area = max((right - left) * (top - bottom), 1.0)
    return max(((box[2] - box[0]) * (box[3] - box[1]) / area for box in bounds), default=0.0)


def _pieces(textpage: Any, count: int, sheet: Sheet) -> Iterator[Piece]:
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(textpage, 0, count, buffer) if count else 0
    units = bytes(buffer)[: max(0, written - 1) * 2]
    # One character per unit, so that offsets are units; a character of the page is one of them.
    page_text = "".join(map(chr, memoryview(units).cast("H")))
    index_of = _identity
    if len(page_text) != count:  # unless the page holds characters without text

        def index_of(unit: int) -> int:
            return max(0, int(pdfium.FPDFText_GetCharIndexFromTextIndex(textpage, unit)))

    for line_start, line_end in _line_spans(page_text):
        if not page_text[line_start:line_end].strip():
            continue
        words = [
            (match.start() + line_start, match.end() + line_start)
            for match in _WORD.finditer(page_text[line_start:line_end])
        ]
        style = _style(textpage, [index_of(place) for place in _samples(words)], sheet)
        parts = list(_without_gaps(textpage, words, index_of, style, sheet))
        for start, end in parts:
            if len(parts) > 1:
                # A raised number may begin a line that goes on in the next cell.
                own = [word for word in words if start <= word[0] < end]
                style = _style(textpage, [index_of(place) for place in _samples(own)], sheet)
            text = units[2 * start : 2 * end].decode("utf-16-le", errors="replace")
            text = one_line(text.replace(_LINE_END_HYPHEN, "\xad"))
            if text.strip("\xad"):
                box = _box(textpage, index_of(start), index_of(end - 1) + 1)
                yield Piece(
                    text,
                    sheet.box(box),
                    style.origin,
                    style.size,
                    style.bold,
                    style.turn,
                )


def _identity(unit: int) -> int:
    return unit


def _line_spans(text: str) -> list[tuple[int, int]]:
    """Spans of the lines; a hyphen at a line's end belongs to it."""
    spans = []
    start = 0
    for match in _LINE_END.finditer(text):
        end = match.end() if match.group() == _LINE_END_HYPHEN else match.start()
        if end > start:
            spans.append((start, end))
        start = match.end()
    if start < len(text):
        spans.append((start, len(text)))
    return spans


def _samples(words: Sequence[tuple[int, int]]) -> list[int]:
    """Up to five characters that speak for a line, from its first to its last."""
    last = len(words) - 1
    middles = [words[share * last // 4] for share in (1, 2, 3)]
    places = {words[0][0], words[-1][1] - 1, *((start + end - 1) // 2 for start, end in middles)}
    return sorted(places)


def _without_gaps(
    textpage: Any,
    words: Sequence[tuple[int, int]],
    index_of: Callable[[int], int],
    style: _Style,
    sheet: Sheet,
) -> Iterator[tuple[int, int]]:
    """The spans of a line between gaps as wide as those between cells or columns."""
    start, end = words[0]
    if style.turn >= 0:
        for following in words[1:]:
            before = _char_box(textpage, index_of(end - 1))
            after = _char_box(textpage, index_of(following[0]))
            gap = turned(sheet.box(after), style.turn)[0] - turned(sheet.box(before), style.turn)[2]
            if gap >= CELL_GAP * style.size:
                yield start, end
                start = following[0]
            end = following[1]
    yield start, words[-1][1]


@dataclass(frozen=True, slots=True)
class _Style:
    """How a line is set, by a few of its characters."""

    origin: tuple[float, float]
    size: float
    bold: bool
    turn: int


def _style(textpage: Any, places: Sequence[int], sheet: Sheet) -> _Style:
    sizes = []
    matrix = pdfium.FS_MATRIX()
    turn = 0
    middle = places[len(places) // 2]
    for place in places:
        size = pdfium.FPDFText_GetFontSize(textpage, place)
        if pdfium.FPDFText_GetMatrix(textpage, place, matrix):
            # Many programs set text at size 1 and scale it.
            size *= math.hypot(matrix.c, matrix.d)
            if place == middle:
                turn = sheet.turn(matrix.a, matrix.b)
        sizes.append(size)
    x, y = ctypes.c_double(), ctypes.c_double()
    if not pdfium.FPDFText_GetCharOrigin(textpage, middle, x, y):
        x.value, y.value = _char_box(textpage, middle)[:2]
    origin = sheet.box((x.value, y.value, x.value, y.value))[:2]
    bold = all(_is_bold(textpage, place) for place in places)
    # Of small capitals and formulas in a line, few are in the majority.
    return _Style(origin, round(statistics.median_high(sizes) * 2) / 2, bold, turn)


def _is_bold(textpage: Any, place: int) -> bool:
    if pdfium.FPDFText_GetFontWeight(textpage, place) >= _BOLD:
        return True
    # Fonts that are not embedded state no weight; their name says it ("Helvetica-Bold").
    name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
    flags = ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(textpage, place, name, _FONT_NAME_BYTES, flags)
    return _BOLD_NAME.search(name.value) is not None


def _char_box(textpage: Any, index: int) -> Box:
    left, right = ctypes.c_double(), ctypes.c_double()
    bottom, top = ctypes.c_double(), ctypes.c_double()
    pdfium.FPDFText_GetCharBox(textpage, index, left, right, bottom, top)
    return (left.value, bottom.value, right.value, top.value)


def _box(textpage: Any, start: int, end: int) -> Box:
    left, right = ctypes.c_double(), ctypes.c_double()
    bottom, top = ctypes.c_double(), ctypes.c_double()
    boxes = []
    for index in range(min(pdfium.FPDFText_CountRects(textpage, start, end - start), _MAX_RECTS)):
        if pdfium.FPDFText_GetRect(textpage, index, left, top, right, bottom):
            boxes.append((left.value, bottom.value, right.value, top.value))
    return union(boxes) if boxes else (0.0, 0.0, 0.0, 0.0)
