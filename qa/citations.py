"""Markers of an answer, and the place in a source that each cited statement rests on.

Done once, when the text is complete. Support is measured by shared words, so it is a check that
cannot be argued with but does not see paraphrase; the verdict is a hint for the reader and a
first guess for the reviewer, never a proof.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from documents.analysis import analyze, content_terms
from qa.statements import split_statements
from qa.types import CitationDraft

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qa.types import Passage, Support

SUPPORTED_AT = 0.6
"""Support from which a statement counts as supported."""
PARTLY_AT = 0.3
"""Support from which a statement counts as partly supported."""
SECOND_STATEMENT_GAIN = 0.1
"""How much more support a second statement of the source must bring to join the span."""

_NUMBERS = r"\d{1,3}(?:\s*(?:[,，、;&]|and|和)\s*\d{1,3}|\s*[-–]\s*\d{1,3})*"
_MARKER = re.compile(
    r"(?P<code>```.*?(?:```|\Z)|`[^`\n]*`)"
    r"|[ \t]{0,3}[\[【]\s*(?:\^|sources?\s*:?\s*|来源\s*[:：]?\s*)?"
    rf"(?P<numbers>{_NUMBERS})\s*(?:†[^\]】]{{0,80}})?[\]】]"
    r"(?:\((?:https?:|www\.|/|#)[^)\s]{0,500}\))?",
    re.IGNORECASE | re.DOTALL,
)
_RANGE = re.compile(r"(\d+)\s*[-–]\s*(\d+)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(
    r"\b(?:no|not|never|without|cannot|neither|nor|avoid|\w+n['’]t)\b|不|没|無|无|勿|避免",
    re.IGNORECASE,
)


class Cited(NamedTuple):
    """An answer's text with clean markers, and its citations in order."""

    text: str
    citations: tuple[CitationDraft, ...]


@dataclass(frozen=True, slots=True)
class _Window:
    """One or two neighbouring statements of a passage, with their tokens."""

    start: int
    end: int
    tokens: frozenset[str]
    is_pair: bool


class _Placed(NamedTuple):
    """Known marker numbers, and where they stand in the text without markers."""

    position: int
    numbers: tuple[int, ...]


def cite(text: str, sources: Sequence[Passage], idf: Mapping[str, float] | None = None) -> Cited:
    """Resolve the markers of ``text`` against ``sources``; ``[n]`` is ``sources[n - 1]``.

    Markers may come as ``[1]``, ``【1】``, ``[1, 2]``, ``[1-3]``, ``[1][2]``, ``[Source 1]``,
    ``[^1]`` or ``[1](https://…)``; they leave as ``[1][2]``, and a number that no source has is
    dropped. A marker belongs to the statement before it. ``idf`` weighs tokens; those it does not
    hold weigh as much as the mean of those it does.
    """
    bare, placed = _take_out_markers(text, len(sources))
    statements = split_statements(bare)
    markers: dict[int, list[int]] = {}
    for position, numbers in placed:
        before = [index for index, each in enumerate(statements) if each.start < position]
        if statements:
            taken = markers.setdefault(before[-1] if before else 0, [])
            taken.extend(number for number in numbers if number not in taken)
    windows = {
        number: _windows(sources[number - 1])
        for number in {each for numbers in markers.values() for each in numbers}
    }
    citations = [
        _resolve(
            bare[statements[index].start : statements[index].end],
            sources[marker - 1],
            windows[marker],
            idf,
            sentence_index=index,
            marker=marker,
        )
        for index, cited in sorted(markers.items())
        for marker in cited
    ]
    return Cited(_put_back_markers(bare, placed), tuple(citations))


def support_of(sentence: str, evidence: str, idf: Mapping[str, float] | None = None) -> float:
    """Share of the sentence's content words, weighted by idf, that the evidence holds, [0, 1]."""
    return _overlap(_weights(sentence, idf), frozenset(analyze(evidence)))


def verdict_of(sentence: str, evidence: str, support: float) -> Support:
    """The verdict by ``SUPPORTED_AT`` and ``PARTLY_AT``.

    Shared words are not enough where one word turns the meaning: a number that the evidence does
    not hold, or a negation on one side only, makes it partly supported at best.
    """
    if support < PARTLY_AT:
        return "unsupported"
    numbers_missing = not set(_NUMBER.findall(sentence)) <= set(_NUMBER.findall(evidence))
    negated_once = bool(_NEGATION.search(sentence)) != bool(_NEGATION.search(evidence))
    if support < SUPPORTED_AT or numbers_missing or negated_once:
        return "partly"
    return "supported"


def _take_out_markers(text: str, count: int) -> tuple[str, list[_Placed]]:
    bare: list[str] = []
    length = 0
    placed: list[_Placed] = []
    cursor = 0
    for match in _MARKER.finditer(text):
        if match["code"] is not None:
            continue
        bare.append(text[cursor : match.start()])
        length += match.start() - cursor
        cursor = match.end()
        known = tuple(n for n in dict.fromkeys(_numbers(match["numbers"])) if 1 <= n <= count)
        if known:
            placed.append(_Placed(length, known))
    bare.append(text[cursor:])
    return "".join(bare), placed


def _put_back_markers(bare: str, placed: Sequence[_Placed]) -> str:
    parts: list[str] = []
    cursor = 0
    for position, numbers in placed:
        before = bare[cursor:position]
        parts.append(before)
        # A marker at the start of a line or beside another marker needs no space before it.
        joins = (position == cursor and bool(parts[:-1])) or before.endswith("\n") or position == 0
        parts.append(("" if joins else " ") + "".join(f"[{number}]" for number in numbers))
        cursor = position
    parts.append(bare[cursor:])
    return "".join(parts)


def _numbers(listed: str) -> list[int]:
    numbers: list[int] = []
    for part in re.split(r"[^\d\s\-–]+", listed):
        if (match := _RANGE.search(part)) is not None:
            first, last = int(match[1]), int(match[2])
            numbers.extend(range(first, min(last, first + 50) + 1))
        else:
            numbers.extend(int(digits) for digits in re.findall(r"\d+", part))
    return numbers


def _windows(passage: Passage) -> list[_Window]:
    """Every statement of the passage alone, then every two neighbours.

    A heading alone is no evidence, unless there is nothing else; together with the statement under
    it, it is.
    """
    text = passage.text
    statements = split_statements(text, passage.heading_path)
    telling = [each for each in statements if each.kind != "heading"] or statements
    spans = [(each.start, each.end, False) for each in telling] + [
        (first.start, second.end, True)
        for first, second in pairwise(statements)
        if second.kind != "heading"
    ]
    return [
        _Window(start, end, frozenset(analyze(text[start:end])), is_pair)
        for start, end, is_pair in spans
    ]


def _resolve(
    sentence: str,
    passage: Passage,
    windows: Sequence[_Window],
    idf: Mapping[str, float] | None,
    *,
    sentence_index: int,
    marker: int,
) -> CitationDraft:
    start, end, support = _best_span(_weights(sentence, idf), windows)
    return CitationDraft(
        sentence_index=sentence_index,
        sentence=sentence,
        marker=marker,
        chunk_id=passage.chunk_id,
        start=start,
        end=end,
        support=support,
        verdict=verdict_of(sentence, passage.text[start:end], support),
    )


def _best_span(weights: Mapping[str, float], windows: Sequence[_Window]) -> tuple[int, int, float]:
    """The window that holds most of the sentence; singles stand first and win ties."""
    best: _Window | None = None
    best_support = 0.0
    for window in windows:
        support = _overlap(weights, window.tokens)
        joins = window.is_pair and best is not None and not best.is_pair
        if best is None or support > best_support + (SECOND_STATEMENT_GAIN if joins else 0.0):
            best, best_support = window, support
    if best is None:
        return 0, 0, 0.0
    return best.start, best.end, best_support


def _weights(sentence: str, idf: Mapping[str, float] | None) -> dict[str, float]:
    tokens = [term.token for term in content_terms(sentence)] or analyze(sentence)
    known = {token: idf[token] for token in tokens if token in idf} if idf else {}
    default = sum(known.values()) / len(known) if known else 1.0
    return {token: known.get(token, default) for token in tokens}


def _overlap(weights: Mapping[str, float], tokens: frozenset[str]) -> float:
    total = sum(weights.values())
    if total <= 0:
        return 0.0
    held = sum(weight for token, weight in weights.items() if token in tokens)
    return min(1.0, held / total)
