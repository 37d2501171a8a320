"""Where printed pieces of text belong: lines, rows of a table, columns, in reading order. Pure.

A PDF draws pieces of text at places, mostly in the order in which they are read. That order is
kept unless the page shows that it is not meant: text that is drawn above what was drawn before it
in the same column, or lines that run across the gutter between columns of text. Then the order
follows from the places (``reading_order``).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from documents.parsing.reading_order import COLUMN_WIDTH, goes_back, sorted_by_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points from the lower left corner of the page as it is shown."""

CELL_GAP = 1.1
"""White space of this many font sizes and more parts cells or columns, not words."""
_TOUCHING = 0.12
"""Pieces closer than this many font sizes are of one word."""
_RAISED = 0.15
_SAME_ROW = 0.6
_ROW_DROP = 4.0
"""Rows of one table are no further apart than this many font sizes."""
_MOST_LINES_BETWEEN = 2
"""Lines that may stand between two rows of a table, as a label or the rest of a cell."""
_NEAR = 2.0
"""A cell that is set in the middle may miss a short one below it by so many font sizes."""
_CORRIDOR = 0.4
"""Gaps of two rows that share this many font sizes of width lie above each other."""
_COLUMN_ROWS = 4
_MOST_SORTED = 1_200
_CURRENCIES = frozenset("$€£¥₹₩")
_MARK = re.compile(
    r"(?:[-*•·▪◦‣–●○■§†‡∗]|[(\[]?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.):、\]]?)"
    r"|(?:\d+\.)+\d*|[A-Z](?:\.\d+)+"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that was drawn in one go, without wide gaps in it."""

    text: str
    box: Box
    origin: tuple[float, float]
    """A point on its base line."""
    size: float
    """Of the font, in points as printed."""
    bold: bool = False
    turn: int = 0
    """Degrees counter-clockwise in which it is written: 0, 90, 180, 270, or -1 for any other."""


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A line, or a row of a table with its cells parted by `` | ``."""

    text: str
    page: int
    box: Box
    frame: Box
    """The box as it is when the text is turned upright. Only compared with others of the page."""
    base: float
    """Height of the base line in that turn."""
    size: float
    bold: bool
    is_row: bool = False
    is_aside: bool = False
    """Written in another direction than the page: a stamp, a watermark, a label of an axis."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A piece turned upright."""

    piece: Piece
    frame: Box
    base: float


def lay_out(pieces: Sequence[Piece], page: int) -> list[PrintedLine]:
    """The lines of one page in reading order; what is written in other directions comes last."""
    characters: Counter[int] = Counter()
    for piece in pieces:
        characters[piece.turn] += len(piece.text)
    lines: list[PrintedLine] = []
    for turn, _ in characters.most_common():
        placed = [_upright(piece) for piece in pieces if piece.turn == turn]
        found = _lines(placed, page)
        lines.extend(replace(line, is_aside=True) for line in found) if lines else lines.extend(
            found
        )
    return lines


def turned(box: Box, turn: int) -> Box:
    """``box`` in the frame in which text written in direction ``turn`` runs to the right."""
    left, bottom, right, top = box
    if turn == 90:
        return (bottom, -right, top, -left)
    if turn == 180:
        return (-right, -top, -left, -bottom)
    if turn == 270:
        return (-top, left, -bottom, right)
    return box


def _upright(piece: Piece) -> _Placed:
    x, y = piece.origin
    base = turned((x, y, x, y), piece.turn)[1]
    return _Placed(piece, turned(piece.box, piece.turn), base)


def _lines(placed: Sequence[_Placed], page: int) -> list[PrintedLine]:
    rows = [_cells(row) for row in _rows(placed)]
    kinds, fullest = _kinds_of_rows(rows)
    lines: list[PrintedLine] = []
    for index, (row, kind) in enumerate(zip(rows, kinds, strict=True)):
        if kind == "columns":
            lines.extend(_line(cell, page) for cell in row)
        elif kind == "row":
            lines.append(_row(row, fullest[index], page))
        else:
            lines.append(_line([one for cell in row for one in cell], page))
    if len(lines) <= _MOST_SORTED and ("columns" in kinds or goes_back(lines)):
        return sorted_by_place(lines)
    return lines


def _rows(placed: Sequence[_Placed]) -> list[list[_Placed]]:
    """Pieces drawn after each other on one base line, from left to right."""
    rows: list[list[_Placed]] = []
    for one in placed:
        if rows and _is_on_row(rows[-1], one):
            rows[-1].append(one)
        else:
            rows.append([one])
    return rows


def _is_on_row(row: Sequence[_Placed], one: _Placed) -> bool:
    # Raised and lowered pieces are no measure for those beside them.
    main = max(row, key=lambda other: other.piece.size)
    size = max(main.piece.size, one.piece.size)
    return abs(main.base - one.base) < _SAME_ROW * size and one.frame[0] >= row[-1].frame[2] - max(
        1.0, 0.15 * size
    )


def _cells(row: Sequence[_Placed]) -> list[list[_Placed]]:
    cells = [[row[0]]]
    for before, one in pairwise(row):
        if one.frame[0] - before.frame[2] >= CELL_GAP * max(before.piece.size, one.piece.size):
            cells.append([one])
        else:
            cells[-1].append(one)
    return cells


def _kinds_of_rows(
    rows: Sequence[list[list[_Placed]]],
) -> tuple[list[str], dict[int, list[list[_Placed]]]]:
    """``row`` for rows of a table, ``columns`` for lines across columns of text, else ``line``.

    Beside it, by the index of a table's row, the fullest row of that table.
    """
    kinds = ["line"] * len(rows)
    fullest: dict[int, list[list[_Placed]]] = {}
    for run in _runs(rows):
        cells = [rows[index] for index in run]
        wide = [sum(_width(cell) >= COLUMN_WIDTH for cell in row) >= 2 for row in cells]
        is_text = len(run) >= _COLUMN_ROWS and sum(wide) > len(run) / 2
        for index in run:
            kinds[index] = "columns" if is_text else "row"
            fullest[index] = max(cells, key=len)
    return kinds, fullest


def _runs(rows: Sequence[list[list[_Placed]]]) -> Iterator[list[int]]:
    """Indexes of two and more rows whose gaps lie above each other."""
    run: list[int] = []
    for index, row in enumerate(rows):
        if not _has_cells(row):
            continue
        if run and index - run[-1] <= 1 + _MOST_LINES_BETWEEN and _is_below(rows[run[-1]], row):
            run.append(index)
            continue
        if len(run) > 1:
            yield run
        run = [index]
    if len(run) > 1:
        yield run


def _has_cells(row: Sequence[Sequence[_Placed]]) -> bool:
    """Whether it has cells; a list item's or heading's mark before its text is none."""
    if len(row) == 2:
        return _MARK.fullmatch("".join(one.piece.text for one in row[0])) is None
    return len(row) > 2


def _is_below(above: Sequence[Sequence[_Placed]], row: Sequence[Sequence[_Placed]]) -> bool:
    size = max(above[0][0].piece.size, row[0][0].piece.size)
    drop = above[0][0].base - row[0][0].base
    # A step up of a cell's first line is possible where cells are set in the middle of a row.
    if not -size < drop <= _ROW_DROP * size * (1 + _MOST_LINES_BETWEEN / 2):
        return False
    return any(
        min(one[1], other[1]) - max(one[0], other[0]) >= _CORRIDOR * size
        for one in _gaps(above)
        for other in _gaps(row)
    )


def _gaps(row: Sequence[Sequence[_Placed]]) -> list[tuple[float, float]]:
    return [(before[-1].frame[2], after[0].frame[0]) for before, after in pairwise(row)]


def _width(cell: Sequence[_Placed]) -> float:
    """In font sizes."""
    return (cell[-1].frame[2] - cell[0].frame[0]) / max(cell[0].piece.size, 1.0)


def _row(
    cells: Sequence[Sequence[_Placed]], columns: Sequence[Sequence[_Placed]], page: int
) -> PrintedLine:
    line = _line([one for cell in cells for one in cell], page)
    texts = _in_columns(cells, columns)
    for index, text in reversed(list(enumerate(texts[:-1]))):
        if text in _CURRENCIES:
            texts[index : index + 2] = [f"{text} {texts[index + 1]}"]
    return replace(line, text=" | ".join(texts), is_row=True)


def _in_columns(
    cells: Sequence[Sequence[_Placed]], columns: Sequence[Sequence[_Placed]]
) -> list[str]:
    """The cells' texts, with an empty one for each column that a row leaves out before its last.

    ``columns`` are those of the fullest row. Where cells do not fit into them one by one, as a
    heading over two of them, no column counts as left out.
    """
    texts: list[str] = []
    for cell in cells:
        shared = [_shared(cell, column) for column in columns]
        best = max(range(len(columns)), key=lambda index: shared[index])
        if shared[best] <= -_NEAR * cell[0].piece.size or best < len(texts):
            return [_text(cell) for cell in cells]
        texts.extend([""] * (best - len(texts)))
        texts.append(_text(cell))
    return texts


def _shared(cell: Sequence[_Placed], column: Sequence[_Placed]) -> float:
    return min(cell[-1].frame[2], column[-1].frame[2]) - max(cell[0].frame[0], column[0].frame[0])


def _line(placed: Sequence[_Placed], page: int) -> PrintedLine:
    main = max(placed, key=lambda one: len(one.piece.text) * one.piece.size)
    return PrintedLine(
        text=_text(placed),
        page=page,
        box=union([one.piece.box for one in placed]),
        frame=union([one.frame for one in placed]),
        base=main.base,
        size=main.piece.size,
        bold=all(one.piece.bold for one in placed),
    )


def _text(placed: Sequence[_Placed]) -> str:
    text = placed[0].piece.text
    for before, one in pairwise(placed):
        gap = one.frame[0] - before.frame[2]
        size = min(before.piece.size, one.piece.size)
        is_raised = one.base > before.base + _RAISED * before.piece.size
        # A number raised behind a word or number is a note's, and would spoil it for search.
        is_note = is_raised and text[-1].isalnum() and one.piece.text[0].isalnum()
        is_close = gap < _TOUCHING * size and not is_note
        text += one.piece.text if is_close else f" {one.piece.text}"
    return text


def union(boxes: Sequence[Box]) -> Box:
    """The smallest box around all of ``boxes``."""
    return (
        min(box[0] for box in boxes),
        min(box[1] for box in boxes),
        max(box[2] for box in boxes),
        max(box[3] for box in boxes),
    )
