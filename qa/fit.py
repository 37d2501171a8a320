"""Personal fit: a small, capped bonus for sources that suit a reader's habits. Pure.

What a reader opens says what they like only against what they passed over: a source that was
opened is compared with those that stood above it and were not (Joachims, "Optimizing search
engines using clickthrough data", 2002). So what already stands on top teaches nothing, and the
bonus cannot feed itself. The bonus is added after the final score, which stays as it is.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from documents.analysis import analyze
from documents.chunking import count_tokens
from inference.formatting import format_passage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from qa.types import QuestionTerm, RankedCandidate, Ranking

HabitName = Literal["plain", "recent", "short"]

HABITS: tuple[HabitName, ...] = ("plain", "recent", "short")

CAP = 0.05
"""The most that personal fit adds to a final score, whatever was learned."""

SHRINKAGE = 20
"""Observations at which a habit counts for half: ``n / (n + SHRINKAGE)``."""

LONG_TOKENS = 180
"""A passage of this many tokens (``count_tokens``) or more is not short at all."""

READABILITY_DIFFERS, DAYS_DIFFER, LENGTH_DIFFERS = 0.05, 30, 1.25
"""Two passages nearer than this (difference, days, quotient) are alike: nothing is learned."""

TOPICS, TOPIC_QUESTIONS, TOPIC_SHARE, TOPIC_IDF = 5, 3, 0.1, 1.0
"""How many topics are kept. A term is one when it stands in this many of the questions, in this
share of them, and has this inverse document frequency (natural log): others are common words."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What there is to compare of a source that a reader was shown."""

    readability: float
    effective_date: date | None
    tokens: int


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one opening says of each habit, in [-1, 1]; ``None``: nothing to compare.

    1 means that every source passed over was less so, -1 that every one was more so.
    """

    plain: float | None = None
    recent: float | None = None
    short: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """How many openings speak of a habit, and the mean of what they say, in [-1, 1]."""

    openings: int = 0
    mean: float = 0.0


@dataclass(frozen=True, slots=True)
class Topic:
    """A term that returns in the reader's questions; ``surface`` is the word as they wrote it."""

    token: str
    surface: str
    questions: int


@dataclass(frozen=True, slots=True)
class Habits:
    """What is known of a reader. Empty without their consent."""

    plain: Evidence = Evidence()
    recent: Evidence = Evidence()
    short: Evidence = Evidence()
    topics: tuple[Topic, ...] = field(default=())


NO_HABITS = Habits()


class _Part(NamedTuple):
    """What one habit gives one passage: ``strength * value``, in [0, 1], before the cap."""

    habit: str
    topic: str
    strength: float
    value: float

    @property
    def gain(self) -> float:
        return self.strength * self.value

    @property
    def reason(self) -> str:
        return f"{self.habit}:{self.topic}" if self.topic else self.habit


def lesson(opened: Offered, passed_over: Sequence[Offered]) -> Lesson:
    """What opening one source says, beside those shown above it that were not opened."""
    return Lesson(
        plain=_lean([_is_plainer(opened, other) for other in passed_over]),
        recent=_lean([_is_newer(opened, other) for other in passed_over]),
        short=_lean([_is_shorter(opened, other) for other in passed_over]),
    )


def topics_of(questions: Sequence[Sequence[QuestionTerm]]) -> tuple[Topic, ...]:
    """The terms that return in a reader's questions, the most frequent first.

    Of the overlapping pairs that unspaced scripts are cut into, every other one is taken: Chinese
    words have two characters more often than not, and a chip is to show words.
    """
    found: Counter[str] = Counter()
    surfaces: dict[str, str] = {}
    for terms in questions:
        kept = [term for term in _without_overlap(terms) if term.idf >= TOPIC_IDF]
        found.update({term.token for term in kept})
        surfaces.update({term.token: term.surface for term in kept})
    enough = max(TOPIC_QUESTIONS, math.ceil(TOPIC_SHARE * len(questions)))
    often = [(count, token) for token, count in found.items() if count >= enough]
    often.sort(key=lambda item: (-item[0], item[1]))
    return tuple(Topic(token, surfaces[token], count) for count, token in often[:TOPICS])


def strength(evidence: Evidence) -> float:
    """How far a habit counts, in [0, 1].

    The mean less one standard error at its largest (``1 / sqrt(n)``), so that chance alone gives
    little, times ``n / (n + SHRINKAGE)``. One opening gives nothing. A lean against the habit
    gives nothing either: personal fit only adds.
    """
    n = evidence.openings
    if n < 1:
        return 0.0
    return max(0.0, evidence.mean - 1 / math.sqrt(n)) * _shrunk(n)


def topic_strength(topic: Topic) -> float:
    """How far a topic counts, in [0, 1): ``n / (n + SHRINKAGE)`` with ``n`` questions about it."""
    return _shrunk(topic.questions)


def apply(ranking: Ranking, habits: Habits, question_terms: Sequence[QuestionTerm] = ()) -> Ranking:
    """The ranking in the order that suits the reader; the neutral rank of each kept beside it.

    Passages above the relevance floor are ordered by final score plus bonus, ties in the neutral
    order; those below it get no bonus and stay where they are. Since the bonus is in [0, ``CAP``],
    a lead in the final score of more than ``CAP`` is never lost. A topic that the question itself
    names tells nothing and is left out. Without habits that count, or where the reranker did not
    run (the order is not the final score's then), the ranking is returned as it is.
    """
    if not ranking.reranked:
        return ranking
    strengths = {name: strength(getattr(habits, name)) for name in HABITS}
    asked = {term.token for term in question_terms}
    topics = [topic for topic in habits.topics if topic.token not in asked]
    if not topics and not any(strengths.values()):
        return ranking
    parts = {
        each.passage.chunk_id: _parts(each, strengths, topics)
        for each in ranking.candidates
        if each.above_floor
    }
    if not any(part.gain for of_one in parts.values() for part in of_one):
        return ranking
    fitted = [
        _with_bonus(each, parts.get(each.passage.chunk_id, ())) for each in ranking.candidates
    ]
    ordered = sorted(fitted, key=_place)
    moved = [replace(each, final_rank=rank) for rank, each in enumerate(ordered, start=1)]
    return replace(
        ranking,
        candidates=tuple(replace(each, fit_reasons=_reasons(each, moved, parts)) for each in moved),
    )


def forgotten(ranking: Ranking) -> Ranking:
    """The same order with everything left out that was learned of the reader."""
    return replace(
        ranking,
        candidates=tuple(
            replace(each, fit_bonus=0.0, fit_reasons=(), fit_inputs={})
            for each in ranking.candidates
        ),
    )


def _parts(
    candidate: RankedCandidate, strengths: dict[HabitName, float], topics: Sequence[Topic]
) -> tuple[_Part, ...]:
    passage, factors = candidate.passage, candidate.factors
    values: dict[HabitName, float] = {
        "plain": factors.readability,
        # Without a date nobody can say that it is recent.
        "recent": factors.timeliness if passage.effective_date is not None else 0.0,
        "short": 1.0 - min(1.0, count_tokens(passage.text) / LONG_TOKENS),
    }
    parts = [_Part(name, "", strengths[name], values[name]) for name in HABITS if strengths[name]]
    if topics:
        full_text = format_passage(passage.title, passage.heading_path, passage.text)
        tokens = set(analyze(full_text))
        covered = [topic for topic in topics if topic.token in tokens]
        if covered:
            best = max(covered, key=topic_strength)
            parts.append(_Part("topic", best.surface, topic_strength(best), 1.0))
    return tuple(part for part in parts if part.gain > 0)


def _with_bonus(candidate: RankedCandidate, parts: Sequence[_Part]) -> RankedCandidate:
    bonus = min(CAP, CAP * sum(part.gain for part in parts))
    inputs = {"cap": CAP, "parts": [part._asdict() for part in parts]} if parts else {}
    return replace(candidate, neutral_rank=candidate.final_rank, fit_bonus=bonus, fit_inputs=inputs)


def _place(candidate: RankedCandidate) -> tuple[bool, float, int]:
    score = candidate.final_score + candidate.fit_bonus
    return (not candidate.above_floor, -score, candidate.neutral_rank or 0)


def _reasons(
    candidate: RankedCandidate,
    ordered: Sequence[RankedCandidate],
    parts: dict[int, tuple[_Part, ...]],
) -> tuple[str, ...]:
    """What tells a source that moved up from those that it passed, the most telling first."""
    before = candidate.neutral_rank or candidate.final_rank
    if candidate.final_rank >= before:
        return ()
    passed = [
        {part.habit: part.gain for part in parts[each.passage.chunk_id]}
        for each in ordered[candidate.final_rank :]
        if (each.neutral_rank or each.final_rank) < before
    ]
    leads = [
        (part.gain - sum(gains.get(part.habit, 0.0) for gains in passed) / len(passed), part)
        for part in parts[candidate.passage.chunk_id]
    ]
    telling = sorted((lead for lead in leads if lead[0] > 0), key=lambda lead: -lead[0])
    return tuple(part.reason for _lead, part in telling)


def _without_overlap(terms: Sequence[QuestionTerm]) -> list[QuestionTerm]:
    kept: list[QuestionTerm] = []
    for term in terms:
        last = kept[-1].surface if kept else ""
        is_pair = len(term.surface) == 2 and not term.surface.isascii()
        if is_pair and len(last) == 2 and last[-1] == term.surface[0]:
            continue
        kept.append(term)
    return kept


def _lean(signs: Sequence[int]) -> float | None:
    telling = [sign for sign in signs if sign]
    return sum(telling) / len(telling) if telling else None


def _is_plainer(one: Offered, other: Offered) -> int:
    difference = one.readability - other.readability
    return _sign(difference) if abs(difference) >= READABILITY_DIFFERS else 0


def _is_newer(one: Offered, other: Offered) -> int:
    if one.effective_date is None or other.effective_date is None:
        return 0
    days = (one.effective_date - other.effective_date).days
    return _sign(days) if abs(days) >= DAYS_DIFFER else 0


def _is_shorter(one: Offered, other: Offered) -> int:
    shorter, longer = sorted((one.tokens, other.tokens))
    return _sign(other.tokens - one.tokens) if longer >= shorter * LENGTH_DIFFERS else 0


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _shrunk(observations: int) -> float:
    return observations / (observations + SHRINKAGE)
