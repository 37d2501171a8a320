"""An answer made of the sources' own sentences, each with its marker: no language model.

Whole statements are chosen by what they cover of the question, what their source is worth, and
how little they repeat what is chosen already (maximal marginal relevance, Carbonell and Goldstein,
SIGIR 1998). A list is chosen as a whole, because half of the answers in "ten tips" articles are
lists. Nothing is rephrased: every word of the answer stands in a source.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from documents.analysis import analyze, content_terms
from qa.statements import Statement, split_statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from qa.types import QuestionTerm, RankedCandidate

MAX_EXCERPTS = 4
"""Sentences or lists in an answer."""
MAX_LIST_ITEMS = 7
CONTEXT_SHARE = 0.5
"""What a question term is worth when only title, headings or lead-in hold it."""
SAME_PASSAGE_SHARE = 0.4
"""What it is worth when only the rest of the passage holds it."""
SAME_DOCUMENT_SHARE = 0.25
"""What it is worth when only another source of the same document holds it."""
UNCOVERED = 0.15
"""What a statement is worth that shares no word with the question: its source was ranked high."""
REPETITION_PENALTY = 0.7
MIN_SHARE_OF_BEST = 0.33
"""An excerpt scoring less than this share of the best one would pad the answer."""
RANK_DISCOUNT = 0.2
"""How much less each next source is worth: ``1 / (1 + 0.2 * (n - 1))``."""
LIST_BONUS = 1.15
"""A list says several things at once."""
LONE_ITEM_FACTOR = 0.6
"""A list cut down to one item has lost what it lists."""
ADVICE_BONUS = 1.5
"""For what tells the reader what to do, when that is what the question asks."""

_SHORTEST, _LONGEST = 20, 420
_SHORTEST_CJK = 6
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_FOREIGN_MARKER = re.compile(r"\s?[\[【]\s*\d{1,3}(?:\s*[,，、–-]\s*\d{1,3})*\s*[\]】]")
_QUESTION = re.compile(r"[?？][\"”’」』)）]*$")
_NOT_PROSE = re.compile(
    r"https?://|www\.|^(?:NIH|CDC|FDA|NHS|NLM)\s?: "
    r"|^(?:for more|see also|learn more|to learn more|read more|click|visit) "
    r"|^(?:source|url|licen[cs]e|author|date|published|updated|copyright|doi|keywords?|title"
    r"|来源|网址|作者|日期|关键词|标题|发布日期)\s*[:：]",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^(?:summary|overview|摘要|概述)\s*[:：]\s*", re.IGNORECASE)
_DANGLING = re.compile(
    r"(?:these|those|this|that|they|he|she|it|such|however|but|also|and|or|then|therefore|thus"
    r"|in contrast|for example|for instance|are|is|have|has|was|were)\b"
    r"|这些|那些|这|那|它|他们|但|此外|因此|所以|例如",
    re.IGNORECASE,
)
_ENDED = re.compile(r"[.!?。！？…][\"'”’」』)）\]]*$")
_TIP_NUMBER = re.compile(r"^(?:tip\s+)?\d{1,2}\s?[.)、．:：]\s*", re.IGNORECASE)
_ASKS_ADVICE = re.compile(
    r"\b(?:how (?:can|do|should|could|to)|what (?:can|should|could)|(?:tips|advice|ways) )"
    r"|怎样|怎么|如何|该|应该|办法|方法|建议",
    re.IGNORECASE,
)
_GIVES_ADVICE = re.compile(
    r"\b(?:should|try|avoid|recommend\w*|help(?:s|ful)?|make sure|limit|keep|choose|talk to)\b"
    r"|^(?:do|don['’]t|never|always|go|get|eat|drink|take|use|set|stop|cut|lose|ask|see|learn)\b"
    r"|不要|别|避免|少|尽量|最好|建议|可以|应|先|保持",
    re.IGNORECASE,
)
DANGLING_FACTOR = 0.6
"""A sentence that leans on the one before it reads badly alone."""


@dataclass(frozen=True, slots=True)
class _Excerpt:
    """A sentence, or a list with its lead-in, that could stand in the answer."""

    marker: int
    position: int
    """Order within its source."""
    lead_in: str
    parts: tuple[str, ...]
    tokens: frozenset[str]
    score: float
    is_list: bool


def compose(
    question: str,
    question_terms: Sequence[QuestionTerm],
    sources: Sequence[RankedCandidate],
    *,
    max_excerpts: int = MAX_EXCERPTS,
) -> list[str]:
    """The answer in pieces whose concatenation is Markdown; ``[n]`` cites ``sources[n - 1]``.

    Every sentence and list item carries its marker. Empty when the sources hold no statement that
    can stand alone. ``sources`` come best first; only those above the floor should be given.
    """
    # The square root: a rare word in the question ("better") must not outweigh its subject.
    weights = {term.token: math.sqrt(max(term.idf, 0.01)) for term in question_terms}
    asks_advice = _ASKS_ADVICE.search(question) is not None
    excerpts = [
        excerpt
        for marker, source in enumerate(sources, start=1)
        for excerpt in _excerpts(_Reading.of(marker, sources, weights, asks_advice=asks_advice))
    ]
    return list(_write(_choose(excerpts, max_excerpts)))


@dataclass(frozen=True, slots=True)
class _Reading:
    """A source as it is read for one question."""

    marker: int
    text: str
    heading_path: tuple[str, ...]
    statements: tuple[Statement, ...]
    worth: float
    weights: Mapping[str, float]
    context: frozenset[str]
    passage: frozenset[str]
    document: frozenset[str]
    asks_advice: bool

    @classmethod
    def of(
        cls,
        marker: int,
        sources: Sequence[RankedCandidate],
        weights: Mapping[str, float],
        *,
        asks_advice: bool,
    ) -> _Reading:
        source = sources[marker - 1]
        passage = source.passage
        siblings = " ".join(
            each.passage.text
            for each in sources
            if each.passage.document_id == passage.document_id and each is not source
        )
        return cls(
            marker=marker,
            text=passage.text,
            heading_path=passage.heading_path,
            statements=tuple(split_statements(passage.text, passage.heading_path)),
            worth=(0.4 + 0.6 * source.factors.relevance) / (1 + RANK_DISCOUNT * (marker - 1)),
            weights=weights,
            context=frozenset(analyze(" ".join((passage.title, *passage.heading_path)))),
            passage=frozenset(analyze(passage.text)),
            document=frozenset(analyze(siblings)),
            asks_advice=asks_advice,
        )

    def words(self, statement: Statement) -> str:
        """On one line, without the source's own reference numbers: ``[3]`` would cite."""
        words = " ".join(self.text[statement.start : statement.end].split())
        return _LABEL.sub("", _FOREIGN_MARKER.sub("", words)).strip(" -–•")

    def score(self, words: str, lead_in: str | None = None) -> float:
        """Worth of the source times the weighted share of the question's terms that are held.

        ``lead_in`` introduces the list that ``words`` is an item of; ``None`` for prose.
        """
        context = self.context | frozenset(analyze(lead_in or ""))
        credits = (
            (frozenset(analyze(words)), 1.0),
            (context, CONTEXT_SHARE),
            (self.passage, SAME_PASSAGE_SHARE),
            (self.document, SAME_DOCUMENT_SHARE),
        )
        total = sum(self.weights.values())
        held = sum(
            weight * next((credit for tokens, credit in credits if token in tokens), 0.0)
            for token, weight in self.weights.items()
        )
        score = self.worth * (UNCOVERED + (1 - UNCOVERED) * (held / total if total else 0.0))
        if self.asks_advice and (lead_in is not None or _GIVES_ADVICE.search(words)):
            score *= ADVICE_BONUS
        return score


def _excerpts(reading: _Reading) -> Iterator[_Excerpt]:
    lead_ins = {each.lead_in for each in reading.statements if each.lead_in is not None}
    for position, statement in enumerate(reading.statements):
        words = reading.words(statement)
        if statement.kind != "sentence" or position in lead_ins or not _stands_alone(words):
            continue
        score = reading.score(words) * (DANGLING_FACTOR if _DANGLING.match(words) else 1.0)
        yield _Excerpt(
            reading.marker, position, "", (words,), _telling(words), score, is_list=False
        )
    yield from _lists(reading)
    if reading.asks_advice:
        yield from _tips(reading)


def _tips(reading: _Reading) -> Iterator[_Excerpt]:
    """Tips that are written as sections: a numbered heading with its reason under it."""
    for position, (above, below) in enumerate(pairwise(reading.statements)):
        heading = reading.words(above)
        number = _TIP_NUMBER.match(heading)
        if above.kind != "heading" or below.kind != "sentence" or number is None:
            continue
        tip, reason = heading[number.end() :].rstrip(" :：.。"), reading.words(below)
        if not tip or not _stands_alone(tip + reason):
            continue
        words = f"{tip}：{reason}" if _CJK.search(tip) else f"{tip}: {reason}"
        yield _Excerpt(
            marker=reading.marker,
            position=position,
            lead_in="",
            parts=(words,),
            tokens=_telling(words),
            score=reading.score(words, "") * LIST_BONUS,
            is_list=True,
        )


def _lists(reading: _Reading) -> Iterator[_Excerpt]:
    numbered = [each for each in enumerate(reading.statements) if each[1].kind == "item"]
    for _, group in groupby(numbered, key=lambda pair: pair[1].list_number):
        members = list(group)
        position, first = members[0]
        words = [reading.words(each) for _, each in members]
        items = [each for each in words if each and not _NOT_PROSE.search(each)]
        if not items:
            continue
        lead_in = (
            reading.words(reading.statements[first.lead_in])
            if first.lead_in is not None
            else _heading_over(reading, position)
        )
        scores = [reading.score(item, lead_in) for item in items]
        yield _Excerpt(
            marker=reading.marker,
            position=position,
            lead_in=lead_in,
            parts=tuple(_best_items(items, scores)),
            tokens=_telling(" ".join(items)),
            score=max(scores) * (LIST_BONUS if len(items) > 1 else LONE_ITEM_FACTOR),
            is_list=True,
        )


def _best_items(items: Sequence[str], scores: Sequence[float]) -> list[str]:
    """The items that cover most, in their own order, when the list is too long to quote."""
    best = sorted(range(len(items)), key=lambda index: -scores[index])[:MAX_LIST_ITEMS]
    return [items[index] for index in sorted(best)]


def _heading_over(reading: _Reading, position: int) -> str:
    """What a list without a lead-in is about: the heading over it, as a label."""
    above = [each for each in reading.statements[:position] if each.kind == "heading"]
    if above:
        return reading.words(above[-1]).rstrip(" :：?？")
    return reading.heading_path[-1].rstrip(" :：?？") if reading.heading_path else ""


def _choose(excerpts: Sequence[_Excerpt], limit: int) -> list[_Excerpt]:
    """Greedy choice by score less repetition; ties go to the better source, then reading order."""
    remaining = list(excerpts)
    chosen: list[_Excerpt] = []
    best_score = max((each.score for each in remaining), default=0.0)
    while remaining and len(chosen) < limit:
        best = max(remaining, key=lambda each: _marginal(each, chosen))
        if chosen and _marginal(best, chosen) < MIN_SHARE_OF_BEST * best_score:
            break
        chosen.append(best)
        remaining.remove(best)
    return chosen


def _marginal(excerpt: _Excerpt, chosen: Sequence[_Excerpt]) -> float:
    repeated = max((_similarity(excerpt.tokens, each.tokens) for each in chosen), default=0.0)
    return excerpt.score * (1 - REPETITION_PENALTY * repeated) if repeated < 0.8 else 0.0


def _similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Share of the smaller set that the other holds: a sentence within a longer one repeats it."""
    smaller = min(len(a), len(b))
    return len(a & b) / smaller if smaller else 1.0


def _write(chosen: Sequence[_Excerpt]) -> Iterator[str]:
    """Sources in the order of their best excerpt, a paragraph each; within one, reading order."""
    order = list(dict.fromkeys(each.marker for each in chosen))
    ordered = sorted(chosen, key=lambda each: (order.index(each.marker), each.position))
    previous: _Excerpt | None = None
    for excerpt in ordered:
        if previous is not None:
            yield _between(previous, excerpt)
        if not excerpt.is_list:
            yield f"{_closed(excerpt.parts[0])} [{excerpt.marker}]"
        else:
            yield from _write_list(excerpt)
        previous = excerpt


def _between(before: _Excerpt, after: _Excerpt) -> str:
    if before.is_list and after.is_list and not (before.lead_in or after.lead_in):
        return "\n"
    if before.is_list or after.is_list or before.marker != after.marker:
        return "\n\n"
    return " "


def _write_list(excerpt: _Excerpt) -> Iterator[str]:
    separator = ""
    # Markdown starts a new list where the bullet changes: a list of its own must not run on under
    # the lead-in of the list before it.
    bullet = "-" if excerpt.lead_in else "*"
    if excerpt.lead_in:
        colon = "：" if _CJK.search(excerpt.lead_in) else ":"
        yield excerpt.lead_in.rstrip(" :：") + colon + "\n"
        separator = "\n"
    for part in excerpt.parts:
        yield f"{separator}{bullet} {part} [{excerpt.marker}]"
        separator = "\n"


def _closed(sentence: str) -> str:
    """The sentence with an end mark, so that it does not run into the next one."""
    if _ENDED.search(sentence):
        return sentence
    return sentence.rstrip(",;:，；：") + ("。" if _CJK.search(sentence) else ".")


def _stands_alone(words: str) -> bool:
    shortest = _SHORTEST_CJK if _CJK.search(words) else _SHORTEST
    return (
        shortest <= len(words) <= _LONGEST
        and not _NOT_PROSE.search(words)
        and not _QUESTION.search(words)
    )


def _telling(words: str) -> frozenset[str]:
    return frozenset(term.token for term in content_terms(words)) or frozenset(analyze(words))
