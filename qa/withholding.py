"""Takes out of an answer what rests on sources that its reader may not open.

While every source is open nothing is taken out. As soon as one is closed only the statements stay
that cite open sources and no other: a statement without a citation may rest on anything.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from qa.statements import split_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

OMISSION = "(…)"
"""Stands for one or more statements in a row that are withheld."""

_MARKER = re.compile(r"[ \t]*\[(\d{1,3})\]")


class CitedStatement(NamedTuple):
    """A citation as ``citations.cite`` made it, and whether the reader may open its source."""

    sentence_index: int
    sentence: str
    marker: int
    is_open: bool


class ShownMarker(NamedTuple):
    """A marker of the shown text, in reading order, and the statement it stands behind."""

    number: int
    sentence_index: int


@dataclass(frozen=True, slots=True)
class ShownText:
    """What may be shown. ``withheld`` counts the statements left out."""

    text: str
    markers: tuple[ShownMarker, ...]
    withheld: int


class _Placed(NamedTuple):
    """A marker, and where it stood in the text without markers."""

    number: int
    bare_position: int


def withhold(text: str, citations: Sequence[CitedStatement], *, anything_closed: bool) -> ShownText:
    """The text for a reader who may not open the sources of some citations.

    ``text`` has clean markers, as ``citations.cite`` left them. When a citation cannot be found
    again where it says it stands, nothing of a text with closed sources is shown.
    """
    bare, placed = _take_out_markers(text)
    spans = [(each.start, each.end) for each in split_statements(bare)]
    owners = [_owner(spans, marker.bare_position) for marker in placed]
    if not anything_closed:
        markers = (
            ShownMarker(marker.number, owner) for marker, owner in zip(placed, owners, strict=True)
        )
        return ShownText(text, tuple(markers), 0)
    if not all(_stands(citation, bare, spans) for citation in citations):
        return ShownText(OMISSION if text.strip() else "", (), max(1, len(spans)))
    shown = _open_statements(citations)
    pieces: list[str] = []
    markers_shown: list[ShownMarker] = []
    cursor = 0
    for index, (start, end) in enumerate(spans):
        own = [m for m, owner in zip(placed, owners, strict=True) if owner == index]
        between = bare[cursor:start]
        cursor = end
        if index in shown:
            marks = "".join(f"[{marker.number}]" for marker in own)
            pieces.append(between + bare[start:end] + (f" {marks}" if marks else ""))
            markers_shown.extend(ShownMarker(marker.number, index) for marker in own)
        elif index == 0 or index - 1 in shown:
            pieces.append(between + OMISSION)
    withheld = len(spans) - len(shown)
    return ShownText("".join(pieces), tuple(markers_shown), withheld)


def _open_statements(citations: Sequence[CitedStatement]) -> frozenset[int]:
    """Indexes of the statements that cite something and nothing that is closed."""
    open_by_statement: dict[int, list[bool]] = defaultdict(list)
    for citation in citations:
        open_by_statement[citation.sentence_index].append(citation.is_open)
    return frozenset(index for index, flags in open_by_statement.items() if all(flags))


def _stands(citation: CitedStatement, bare: str, spans: Sequence[tuple[int, int]]) -> bool:
    if not 0 <= citation.sentence_index < len(spans):
        return False
    start, end = spans[citation.sentence_index]
    return bare[start:end] == citation.sentence


def _owner(spans: Sequence[tuple[int, int]], position: int) -> int:
    """The statement before the position, else the first, as ``citations.cite`` decides."""
    before = [index for index, (start, _end) in enumerate(spans) if start < position]
    return before[-1] if before else 0


def _take_out_markers(text: str) -> tuple[str, list[_Placed]]:
    bare: list[str] = []
    length = cursor = 0
    placed: list[_Placed] = []
    for match in _MARKER.finditer(text):
        bare.append(text[cursor : match.start()])
        length += match.start() - cursor
        cursor = match.end()
        placed.append(_Placed(int(match[1]), length))
    bare.append(text[cursor:])
    return "".join(bare), placed
