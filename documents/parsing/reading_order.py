"""The order in which lines of a page are read, by their places. Pure.

After T. Breuel, "High Performance Document Layout Analysis" (2003), section 4.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from documents.parsing.layout import PrintedLine

COLUMN_WIDTH = 14.0
"""Cells of this many font sizes on both sides are lines of text columns."""
_NEIGHBOUR = 2.5
_OVERLAP = 3.0
_LEADING = 1.6
_SAME_TOP = 4.0
"""Points by which the tops of lines of one height may differ."""
_BIN = 12.0
_DOUBTFUL = 0.05


def goes_back(lines: Sequence[PrintedLine]) -> bool:
    """Whether text is drawn above what was drawn before it, at the same place across.

    A page head that is drawn last is too little to doubt the order of all.
    """
    lowest: dict[int, float] = {}
    back = total = 0
    for line in lines:
        left, bottom, right, top = line.frame
        # The ends of a line may reach into the column beside it without being of it.
        bins = range(int((left + 3) // _BIN), int((right - 3) // _BIN) + 1)
        height = max(top - bottom, line.size, 1.0)
        below = [number for number in bins if lowest.get(number, bottom) < bottom - height]
        total += len(line.text)
        if len(below) > len(bins) / 2:
            back += len(line.text)
        for number in bins:
            lowest[number] = min(lowest.get(number, bottom), bottom)
    return back > _DOUBTFUL * total


def sorted_by_place(lines: Sequence[PrintedLine]) -> list[PrintedLine]:
    """Lines in the order that their places suggest: down each column, columns from the left.

    One line comes before another when it is above it at the same place across, or in a column to
    the left of it that no line between the two joins. Short lines that are drawn below each other,
    as those of a cell, stay together.
    """
    groups = _groups(lines)
    whole = [
        replace(group[0], text=str(index), frame=_around(group))
        for index, group in enumerate(groups)
    ]
    return [line for one in _sorted(whole) for line in groups[int(one.text)]]


def _groups(lines: Sequence[PrintedLine]) -> list[list[PrintedLine]]:
    groups: list[list[PrintedLine]] = []
    for line in lines:
        if groups and _goes_on(groups[-1][-1], line):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _goes_on(before: PrintedLine, line: PrintedLine) -> bool:
    if before.is_row or line.is_row or before.size != line.size or before.bold != line.bold:
        return False
    is_short = max(_width(before), _width(line)) < COLUMN_WIDTH * line.size
    is_aligned = abs(before.frame[0] - line.frame[0]) <= line.size
    return is_short and is_aligned and 0 < before.base - line.base <= _LEADING * line.size


def _around(group: Sequence[PrintedLine]) -> tuple[float, float, float, float]:
    return (
        min(line.frame[0] for line in group),
        min(line.frame[1] for line in group),
        max(line.frame[2] for line in group),
        max(line.frame[3] for line in group),
    )


def _sorted(lines: Sequence[PrintedLine]) -> list[PrintedLine]:
    lines = sorted(lines, key=lambda line: (-round(line.frame[3] / _SAME_TOP), line.frame[0]))
    beside = [_mask(_share_place(line, other) for other in lines) for line in lines]
    reaches = [_reach(line, lines) for line in lines]
    visited: set[int] = set()
    found: list[PrintedLine] = []
    for first in range(len(lines)):
        pending = [(first, False)]
        while pending:
            index, is_ready = pending.pop()
            if is_ready:
                found.append(lines[index])
                continue
            if index in visited:
                continue
            visited.add(index)
            pending.append((index, True))
            earlier = [
                other
                for other in range(len(lines))
                if other not in visited and _comes_before(lines, beside, reaches, other, index)
            ]
            pending.extend((other, False) for other in reversed(earlier))
    return found


def _comes_before(
    lines: Sequence[PrintedLine],
    beside: Sequence[int],
    reaches: Sequence[float],
    one: int,
    other: int,
) -> bool:
    """Whether line ``one`` is read before ``other``; lines are sorted from the top down."""
    if beside[one] >> other & 1:
        return one < other
    if reaches[one] > lines[other].frame[0] + _OVERLAP:
        return False
    low, high = min(one, other), max(one, other)
    between = ((1 << high) - 1) >> (low + 1) << (low + 1)
    return not beside[one] & beside[other] & between


def _reach(line: PrintedLine, lines: Sequence[PrintedLine]) -> float:
    """The right edge of the column that a line is of; infinite for a short line by itself.

    Such a line stands in the middle or at the margin of a page, and parts no columns.
    """
    left, _, right, _ = line.frame
    if right - left >= COLUMN_WIDTH * line.size:
        return right
    return min(
        (
            max(right, other.frame[2])
            for other in lines
            if other.frame[2] - other.frame[0] >= COLUMN_WIDTH * other.size
            and abs(other.base - line.base) <= _NEIGHBOUR * max(line.size, other.size)
            and _share_place(line, other)
        ),
        default=math.inf,
    )


def _share_place(one: PrintedLine, other: PrintedLine) -> bool:
    """Whether two lines lie above each other, by more than their ends."""
    shared = min(one.frame[2], other.frame[2]) - max(one.frame[0], other.frame[0])
    narrower = min(one.frame[2] - one.frame[0], other.frame[2] - other.frame[0])
    return shared > min(_OVERLAP, 0.3 * narrower)


def _width(line: PrintedLine) -> float:
    return line.frame[2] - line.frame[0]


def _mask(bits: Iterator[bool]) -> int:
    mask = 0
    for index, bit in enumerate(bits):
        if bit:
            mask |= 1 << index
    return mask
