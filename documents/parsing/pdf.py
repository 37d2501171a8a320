"""PDF by its text layer: lines with page and box, paragraphs by distance, headings by font size."""

from __future__ import annotations

import ctypes
import math
import os
import re
import statistics
from collections import Counter
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import BlockKind, ParsedDocument

Box = tuple[float, float, float, float]

_LINE_END_HYPHEN = "\ufffe"  # how pdfium reports a hyphen that parts a word at a line's end
_LINE_END = re.compile("[\r\n]+|\ufffe")
_MAX_RECTS = 1_000
_TAIL_BYTES = 64 * 1024
_END_MARK_BYTES = 2 * 1024
_BOLD = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy", re.IGNORECASE)
_FONT_NAME_BYTES = 128
_HEADING_SCALE = 1.15
"""A line this much larger than the body's text is a heading."""
_HEADING_LENGTH = 200
_PARAGRAPH_GAP = 1.3
"""A distance between base lines this much larger than the usual one parts paragraphs."""
_USUAL_SPACING = 1.2
"""The usual distance of base lines, in font sizes, where a document does not show its own."""
_LIST_MARK = re.compile(r"(?:[-*•·▪◦‣–●○■]\s*|(?:\(?\d{1,3}[.)、]|[a-z][.)])\s+)\S")
_EDGE_LINES = 4
"""How many lines at the top and at the bottom of a page may recur as head, number or stamp."""
_SENTENCE_END = re.compile(r"[.!?。！？:：;；]['\"”’)\]]*$")
_NUMBERS = re.compile(r"\d+")
_PROGRAM_TITLE = re.compile(
    r"^(?:untitled.*|microsoft (?:word|powerpoint) ?-.*|.*\.\w{2,4})$", re.I
)


@dataclass(frozen=True, slots=True)
class _PrintedLine:
    text: str
    page: int
    box: Box
    base: float
    size: float
    """In points as printed."""
    bold: bool


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a PDF's text layer. ``no_text`` for scans, ``encrypted`` where a password is needed."""
    document = _open(path)
    try:
        page_count = len(document)
        if page_count > context.max_pages:
            raise ParseError("too_large", f"{page_count} pages")
        lines: list[_PrintedLine] = []
        characters = 0
        for number in range(page_count):
            found = _lines_of_page(document, number)
            characters += sum(len(line.text) for line in found)
            if characters > context.max_characters:
                raise ParseError("too_large", f"more than {context.max_characters} characters")
            lines.extend(found)
        metadata = {key.lower(): value for key, value in document.get_metadata_dict().items()}
    finally:
        document.close()
    _check_legible(lines)
    builder = DocumentBuilder(context.max_characters)
    _add_paragraphs(builder, _without_running_lines(lines, page_count))
    title = one_line(metadata.get("title", ""))
    return builder.build(
        title="" if _PROGRAM_TITLE.match(title) else title,
        author=metadata.get("author", ""),
        page_count=page_count,
        metadata={
            "created": metadata.get("creationdate", ""),
            "modified": metadata.get("moddate", ""),
            "subject": metadata.get("subject", ""),
            "keywords": metadata.get("keywords", ""),
        },
    )


def _open(path: Path) -> Any:
    _check_end(path)
    try:
        document = pypdfium2.PdfDocument(path)
        if len(document) == 0:
            raise ParseError("truncated", "no pages")
    except pypdfium2.PdfiumError as error:
        code = getattr(error, "err_code", None)
        if code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise ParseError("encrypted", str(error)) from error
        raise ParseError("truncated", str(error)) from error
    return document


def _check_end(path: Path) -> None:
    """Refuse a file that stops early: pdfium would repair it and silently read half of it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read().rstrip(b"\x00 \t\r\n")
    # Writers pad and append signatures; readers look into the last kilobyte for the mark.
    if b"%%EOF" not in tail[-_END_MARK_BYTES:] and b"startxref" not in tail[-_END_MARK_BYTES:]:
        raise ParseError("truncated", "no end mark")


def _lines_of_page(document: Any, number: int) -> list[_PrintedLine]:
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
    left, bottom, _, _ = page.get_bbox()
    try:
        return _lines_of_text(textpage.raw, textpage.count_chars(), number + 1, (left, bottom))
    finally:
        textpage.close()
        page.close()


def _lines_of_text(
    textpage: Any, count: int, page: int, origin: tuple[float, float]
) -> list[_PrintedLine]:
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(textpage, 0, count, buffer) if count else 0
    units = bytes(buffer)[: max(0, written - 1) * 2]
    # One character per unit, so that offsets are units; a character of the page is one of them.
    line_text = "".join(map(chr, memoryview(units).cast("H")))
    index_of = _identity
    if len(line_text) != count:  # unless the page holds characters without text

        def index_of(unit: int) -> int:
            return max(0, int(pdfium.FPDFText_GetCharIndexFromTextIndex(textpage, unit)))

    lines = []
    for start, end in _line_spans(line_text):
        text = units[2 * start : 2 * end].decode("utf-16-le", errors="replace")
        text = one_line(text.replace(_LINE_END_HYPHEN, "\xad"))
        if text.strip("\xad"):
            visible = [unit for unit in range(start, end) if not line_text[unit].isspace()]
            places = [index_of(visible[share * (len(visible) - 1) // 2]) for share in range(3)]
            lines.append(_measured(textpage, text, places, page, origin))
    return lines


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


def _measured(
    textpage: Any, text: str, places: Sequence[int], page: int, origin: tuple[float, float]
) -> _PrintedLine:
    """The line with its box and style, by its first, middle and last visible character."""
    first, middle, last = places
    boxes = _boxes(textpage, first, last + 1)
    box = (
        round(min(one[0] for one in boxes) - origin[0], 1),
        round(min(one[1] for one in boxes) - origin[1], 1),
        round(max(one[2] for one in boxes) - origin[0], 1),
        round(max(one[3] for one in boxes) - origin[1], 1),
    )
    size = pdfium.FPDFText_GetFontSize(textpage, middle)
    matrix = pdfium.FS_MATRIX()
    if pdfium.FPDFText_GetMatrix(textpage, middle, matrix):
        # Many programs set text at size 1 and scale it.
        size *= math.hypot(matrix.c, matrix.d)
    x, y = ctypes.c_double(), ctypes.c_double()
    base = box[1]
    if pdfium.FPDFText_GetCharOrigin(textpage, middle, x, y):
        base = y.value - origin[1]
    bold = all(_is_bold(textpage, place) for place in places)
    return _PrintedLine(text, page, box, base, round(size * 2) / 2, bold)


def _is_bold(textpage: Any, place: int) -> bool:
    if pdfium.FPDFText_GetFontWeight(textpage, place) >= _BOLD:
        return True
    # Fonts that are not embedded state no weight; their name says it ("Helvetica-Bold").
    name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
    flags = ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(textpage, place, name, _FONT_NAME_BYTES, flags)
    return _BOLD_NAME.search(name.value) is not None


def _boxes(textpage: Any, start: int, end: int) -> list[Box]:
    left, right = ctypes.c_double(), ctypes.c_double()
    bottom, top = ctypes.c_double(), ctypes.c_double()
    boxes = []
    for index in range(min(pdfium.FPDFText_CountRects(textpage, start, end - start), _MAX_RECTS)):
        if pdfium.FPDFText_GetRect(textpage, index, left, top, right, bottom):
            boxes.append((left.value, bottom.value, right.value, top.value))
    return boxes or [(0.0, 0.0, 0.0, 0.0)]


def _check_legible(lines: Sequence[_PrintedLine]) -> None:
    """Refuse a text layer without text: a scan, or fonts that do not say what they show."""
    text = "".join(line.text for line in lines)
    readable = sum(character.isalnum() for character in text)
    private = sum(character == "\ufffd" or "\ue000" <= character <= "\uf8ff" for character in text)
    if readable == 0 or private > readable:
        raise ParseError("no_text")


def _without_running_lines(lines: Sequence[_PrintedLine], page_count: int) -> list[_PrintedLine]:
    """Leave out page heads and numbers: outermost lines that recur on half of the pages."""
    if page_count < 4:
        return list(lines)
    pages = [list(group) for _, group in groupby(lines, key=lambda line: line.page)]
    edges: Counter[str] = Counter()
    for page in pages:
        edges.update({_pattern(line) for line in (*page[:_EDGE_LINES], *page[-_EDGE_LINES:])})
    running = {text for text, seen in edges.items() if seen >= max(3, page_count // 2)}
    kept: list[_PrintedLine] = []
    for page in pages:
        first, last = 0, len(page)
        while first < min(last, _EDGE_LINES) and _pattern(page[first]) in running:
            first += 1
        while last > max(first, len(page) - _EDGE_LINES) and _pattern(page[last - 1]) in running:
            last -= 1
        kept.extend(page[first:last])
    # A document of nothing but such lines (a form, a label sheet) keeps them.
    return kept or list(lines)


def _pattern(line: _PrintedLine) -> str:
    return _NUMBERS.sub("#", line.text)


def _add_paragraphs(builder: DocumentBuilder, lines: Sequence[_PrintedLine]) -> None:
    body_size, bold_body = _body_style(lines)
    spacing = _line_spacing(lines)
    paragraphs: list[list[_PrintedLine]] = []
    for line in lines:
        if paragraphs and _continues(paragraphs[-1], line, spacing):
            paragraphs[-1].append(line)
        else:
            paragraphs.append([line])
    headings = [_is_heading(group, body_size, bold_body=bold_body) for group in paragraphs]
    sizes = {g[0].size for g, is_heading in zip(paragraphs, headings, strict=True) if is_heading}
    levels = {size: min(rank, 6) for rank, size in enumerate(sorted(sizes, reverse=True), start=1)}
    for group, is_heading in zip(paragraphs, headings, strict=True):
        kind: BlockKind = "paragraph"
        if is_heading:
            kind = "heading"
        elif _LIST_MARK.match(group[0].text):
            kind = "list_item"
        builder.add_lines(
            kind,
            [(line.text, line.box) for line in group],
            page=group[0].page,
            level=levels[group[0].size] if is_heading else 0,
        )


def _body_style(lines: Sequence[_PrintedLine]) -> tuple[float, bool]:
    """The font size of most characters, and whether much of the text is bold."""
    sizes: Counter[float] = Counter()
    bold = 0
    for line in lines:
        sizes[line.size] += len(line.text)
        bold += len(line.text) if line.bold else 0
    return sizes.most_common(1)[0][0], bold > 0.3 * sizes.total()


def _line_spacing(lines: Sequence[_PrintedLine]) -> float:
    """The median distance between base lines that follow each other, in font sizes."""
    distances = [
        (before.base - line.base) / line.size
        for before, line in pairwise(lines)
        if before.page == line.page and before.size == line.size and line.size > 0
    ]
    likely = [distance for distance in distances if 0.8 <= distance <= 3]
    return statistics.median(likely) if len(likely) >= 5 else _USUAL_SPACING


def _continues(paragraph: Sequence[_PrintedLine], line: _PrintedLine, spacing: float) -> bool:
    if _is_same_printed_line(paragraph[-1], line):
        return True
    first = paragraph[0]
    # Raised and lowered pieces are no measure for the lines around them.
    before = next(one for one in reversed(paragraph) if _is_like(first, one))
    if line.page != before.page or not _is_like(before, line) or line.bold != before.bold:
        return False
    if _LIST_MARK.match(line.text):
        return False
    drop = before.base - line.base
    if drop < 0:
        # The text goes on at the top of the next column, if the sentence does.
        return not _SENTENCE_END.search(before.text)
    if drop > _PARAGRAPH_GAP * spacing * line.size:
        return False
    ends_short = before.box[2] < max(one.box[2] for one in (*paragraph, line)) - 4 * line.size
    return not (ends_short and _SENTENCE_END.search(before.text))


def _is_same_printed_line(before: _PrintedLine, line: _PrintedLine) -> bool:
    """A piece of the line to the right of the one before, perhaps raised or lowered."""
    return (
        line.page == before.page
        and abs(before.base - line.base) < 0.6 * max(before.size, line.size)
        and line.box[0] >= before.box[2] - 1
    )


def _is_like(one: _PrintedLine, other: _PrintedLine) -> bool:
    return abs(one.size - other.size) <= 0.08 * max(one.size, other.size)


def _is_heading(group: Sequence[_PrintedLine], body_size: float, *, bold_body: bool) -> bool:
    length = sum(len(line.text) for line in group)
    if length > _HEADING_LENGTH or len(group) > 3:
        return False
    text = group[-1].text
    if not any(character.isalpha() for line in group for character in line.text):
        return False
    if group[0].size >= _HEADING_SCALE * body_size:
        return True
    is_bold_line = group[0].bold and not bold_body and len(group) == 1 and length <= 100
    return is_bold_line and group[0].size >= body_size and not re.search(r"[.,;。，；\xad-]$", text)
