"""Printed lines to headings, paragraphs, list items and table rows, without page heads. Pure."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from documents.parsing.builder import DocumentBuilder
    from documents.parsing.layout import PrintedLine
    from documents.types import BlockKind

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
_SHORT_DOCUMENT = 4
"""Below so many pages a line must recur on every page."""
_SAME_HEIGHT = 6.0
"""In points: how far a page head may move from page to page."""
_SAME_PLACE = 4.0
_MARK_LENGTH = 12
_SENTENCE_END = re.compile(r"[.!?。！？:：;；]['\"”’)\]]*$")
_NUMBERS = re.compile(r"(?<![\d.,])\d{1,4}(?![.,]?\d)|\b[ivxlc]+\b")
_GOES_ON = re.compile("[a-z\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3,;，；、)）]")


def without_running_lines(lines: Sequence[PrintedLine], page_count: int) -> list[PrintedLine]:
    """Leave out page heads and numbers, stamps in the margin, and marks of the printer.

    They recur at the same height at the edge of the page, numbers apart, on half of the pages, or
    on three if they are the outermost. In a document of two or three pages they are on each, and
    the first one stays if it has words. Short marks recur at the very same place, wherever that is.
    """
    pages = [list(group) for _, group in groupby(lines, key=lambda line: line.page)]
    if page_count < 2:
        return list(lines)
    ranks = [_edge_ranks(page) for page in pages]
    recurring: Counter[tuple[str, int]] = Counter()
    marks: Counter[tuple[str, int, int]] = Counter()
    for page, rank_of in zip(pages, ranks, strict=True):
        recurring.update({_pattern_and_height(page[index]) for index in rank_of})
        marks.update({_mark(line) for line in page if len(line.text) <= _MARK_LENGTH})
    kept = [
        line
        for page, rank_of in zip(pages, ranks, strict=True)
        for index, line in enumerate(page)
        if marks[_mark(line)] < max(_SHORT_DOCUMENT, page_count // 2)
        and not (index in rank_of and _is_running(line, rank_of[index], recurring, page_count))
    ]
    # A document of nothing but such lines (a form, a label sheet) keeps them.
    return kept or list(lines)


def _edge_ranks(page: Sequence[PrintedLine]) -> dict[int, int]:
    """Of lines near the upper or lower edge, by their index: how many heights lie outside."""
    ranks: dict[int, int] = {}
    downwards = sorted(range(len(page)), key=lambda index: -_height(page[index]))
    for order in (downwards, downwards[::-1]):
        rank = 0
        for before, index in pairwise([order[0], *order]):
            rank += abs(_height(page[before]) - _height(page[index])) > _SAME_HEIGHT / 2
            if rank >= _EDGE_LINES:
                break
            ranks[index] = min(rank, ranks.get(index, rank))
    ranks.update({index: 0 for index, line in enumerate(page) if line.is_aside})
    return ranks


def _is_running(
    line: PrintedLine, rank: int, recurring: Counter[tuple[str, int]], page_count: int
) -> bool:
    pattern, height = _pattern_and_height(line)
    seen = sum(recurring[pattern, height + step] for step in (-1, 0, 1))
    if page_count < _SHORT_DOCUMENT:
        has_words = any(character.isalpha() for character in pattern)
        return seen >= page_count and not line.is_row and not (has_words and line.page == 1)
    return seen >= max(3, page_count // 2) or (seen >= 3 and rank == 0 and not line.is_row)


def _pattern_and_height(line: PrintedLine) -> tuple[str, int]:
    return _NUMBERS.sub("#", line.text), round(_height(line) / _SAME_HEIGHT)


def _height(line: PrintedLine) -> float:
    return (line.box[1] + line.box[3]) / 2


def _mark(line: PrintedLine) -> tuple[str, int, int]:
    return line.text, round(line.box[0] / _SAME_PLACE), round(_height(line) / _SAME_PLACE)


def add_paragraphs(builder: DocumentBuilder, lines: Sequence[PrintedLine]) -> None:
    """Add the lines, in reading order, as blocks: headings by font size, paragraphs by distance."""
    body_size, bold_body = _body_style(lines)
    spacing = _line_spacing(lines)
    paragraphs: list[list[PrintedLine]] = []
    for line in lines:
        if paragraphs and _continues(paragraphs[-1], line, spacing):
            paragraphs[-1].append(line)
        else:
            paragraphs.append([line])
    headings = [_is_heading(group, body_size, bold_body=bold_body) for group in paragraphs]
    sizes = {g[0].size for g, is_heading in zip(paragraphs, headings, strict=True) if is_heading}
    levels = {size: min(rank, 6) for rank, size in enumerate(sorted(sizes, reverse=True), start=1)}
    for group, is_heading in zip(paragraphs, headings, strict=True):
        builder.add_lines(
            _kind(group, is_heading=is_heading),
            [(line.text, line.box, line.page) for line in group],
            level=levels[group[0].size] if is_heading else 0,
        )


def _kind(group: Sequence[PrintedLine], *, is_heading: bool) -> BlockKind:
    if group[0].is_row:
        return "table_row"
    if is_heading:
        return "heading"
    return "list_item" if _LIST_MARK.match(group[0].text) else "paragraph"


def _body_style(lines: Sequence[PrintedLine]) -> tuple[float, bool]:
    """The font size of most characters, and whether much of the text is bold."""
    sizes: Counter[float] = Counter()
    bold = 0
    for line in lines:
        sizes[line.size] += len(line.text)
        bold += len(line.text) if line.bold else 0
    return sizes.most_common(1)[0][0], bold > 0.3 * sizes.total()


def _line_spacing(lines: Sequence[PrintedLine]) -> float:
    """The median distance between base lines that follow each other, in font sizes."""
    distances = [
        (before.base - line.base) / line.size
        for before, line in pairwise(lines)
        if before.page == line.page and before.size == line.size and line.size > 0
    ]
    likely = [distance for distance in distances if 0.8 <= distance <= 3]
    return statistics.median(likely) if len(likely) >= 5 else _USUAL_SPACING


def _continues(paragraph: Sequence[PrintedLine], line: PrintedLine, spacing: float) -> bool:
    before = paragraph[-1]
    if before.is_row or line.is_row or before.is_aside != line.is_aside:
        return False
    if not _is_like(before, line) or line.bold != before.bold or _LIST_MARK.match(line.text):
        return False
    if line.page != before.page:
        # The sentence goes on overleaf, page heads and numbers being left out by now.
        follows = line.page == before.page + 1 and _GOES_ON.match(line.text) is not None
        return follows and not line.is_aside and not _SENTENCE_END.search(before.text)
    drop = before.base - line.base
    if drop < 0:
        # The text goes on at the top of the next column, if the sentence does.
        return not _SENTENCE_END.search(before.text)
    if drop > _PARAGRAPH_GAP * spacing * line.size:
        return False
    widest = max(one.frame[2] for one in (*paragraph, line))
    ends_short = before.frame[2] < widest - 4 * line.size
    return not (ends_short and _SENTENCE_END.search(before.text))


def _is_like(one: PrintedLine, other: PrintedLine) -> bool:
    return abs(one.size - other.size) <= 0.08 * max(one.size, other.size)


def _is_heading(group: Sequence[PrintedLine], body_size: float, *, bold_body: bool) -> bool:
    if group[0].is_row or group[0].is_aside:
        return False
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
