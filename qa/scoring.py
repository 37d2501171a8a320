"""The final score of a passage: four factors in [0, 1], each with the inputs it came from.

Every factor function returns ``(value, inputs)``; ``inputs`` is ready for JSON and enough to
compute the value again by hand. The blend is a weighted mean, after a floor on relevance: an easy
text about something else never stands above a text that answers.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal, NamedTuple

from documents import presets
from documents.analysis import analyze
from qa.aspects import covers
from qa.relevance import clamp
from qa.types import FactorWeights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qa.aspects import Asked
    from qa.relevance import Inputs, Scored
    from qa.time_intent import TimeIntent
    from qa.types import Factors, QuestionTerm

FactorName = Literal["relevance", "completeness", "readability", "timeliness"]

FACTORS: tuple[FactorName, ...] = ("relevance", "completeness", "readability", "timeliness")

PRESETS: Mapping[str, FactorWeights] = {
    name: FactorWeights(**weights) for name, weights in presets.PRESETS.items()
}

NEUTRAL = 0.5
"""The value of a factor that nothing is known about: neither praise nor blame."""

READABLE_WORDS = 100
"""So many words make half of a measured readability believed."""

ASPECT_CREDIT = 0.5
"""What a term counts that the passage does not hold but speaks of in other words, and what an
aspect that no term names counts beside the mean term. Of 0.3 to 1, 0.5 told the passages of the
training sets apart best or as well as any."""

CHARACTERS_CREDIT = 0.3
"""What a missing pair of Chinese characters counts when both stand in the passage apart; 睡得 in a
text on 睡眠 is half of that. Of 0.2 to 0.6 the best or second best on the training sets."""

ASKED_TIMELINESS = 0.3
"""The least share of timeliness in the score of a question that asks for the newest or a year."""

YEAR_HALF_LIFE_DAYS = 365
"""Of a document's distance from the year asked for, where the base's own half-life is longer."""


class Contribution(NamedTuple):
    """What one factor adds to the final score: ``contribution = value * share``."""

    factor: FactorName
    value: float
    weight: float
    share: float
    """The weight over the sum of the weights."""
    contribution: float


def completeness(
    question_terms: Sequence[QuestionTerm], passage_text: str, asked: Sequence[Asked] = ()
) -> Scored:
    """Share of what the question asks for that the passage speaks of, weighted by idf.

    A term is covered when the passage, cut by the same analyzer, holds its token. One that names
    an aspect ("symptoms") and is missing earns ``ASPECT_CREDIT`` when the passage speaks of that
    aspect in other words; a pair of Chinese characters earns ``CHARACTERS_CREDIT`` times the share
    of its characters that stand there apart. An aspect that no term names ("when", 为什么) is one
    thing more that is asked, ``ASPECT_CREDIT`` times as heavy as the mean term. A question without
    content terms ("what is it?") is neutral. Terms that are all of weight 0 (each stands in every
    passage) are counted alike.

    Value: sum of weight times credit over the sum of weights, over ``terms`` and ``aspects``.
    """
    if not question_terms:
        return NEUTRAL, {"rule": "no_terms", "terms": [], "aspects": []}
    tokens = set(analyze(passage_text))
    spoken_of = {each.aspect.name: covers(each.aspect, passage_text) for each in asked}
    named_by = {token: each for each in asked for token in analyze(each.words)}
    weighted = any(term.idf > 0 for term in question_terms)
    terms: list[dict[str, object]] = []
    total = earned = 0.0
    for term in question_terms:
        aspect = named_by.get(term.token)
        is_spoken_of = aspect is not None and spoken_of[aspect.aspect.name]
        credit, how = _term_credit(term.token, tokens, is_spoken_of=is_spoken_of)
        weight = term.idf if weighted else 1.0
        total += weight
        earned += weight * credit
        terms.append(
            {
                "token": term.token,
                "surface": term.surface,
                "idf": term.idf,
                "covered": how == "word",
                "credit": credit,
                "how": how,
            }
        )
    own_weight = ASPECT_CREDIT * total / len(question_terms)
    aspects = _aspects_no_term_names(question_terms, asked, spoken_of, own_weight)
    total += own_weight * len(aspects)
    earned += own_weight * sum(bool(aspect["covered"]) for aspect in aspects)
    inputs: Inputs = {
        "rule": "idf_share" if weighted else "term_share",
        "terms": terms,
        "aspects": aspects,
    }
    return clamp(earned / total), inputs


def readability(score: float, inputs: Mapping[str, float], words: float) -> Scored:
    """The passage's own readability, measured when it was indexed, as far as it can be believed.

    ``0.5 + (score - 0.5) * words / (words + READABLE_WORDS)``: sentence lengths and shares of
    unfamiliar words are estimates, and a passage of a few sentences says little of how its author
    writes. ``words`` is how much of it there is to read (``documents.readability.reading_words``).
    """
    share = words / (words + READABLE_WORDS)
    value = NEUTRAL + (clamp(score) - NEUTRAL) * share
    return value, {"score": score, **inputs, "read": round(words, 1), "believed": round(share, 4)}


def timeliness(
    effective: date | None,
    expires: date | None,
    *,
    superseded: bool,
    half_life_days: int,
    today: date,
    year: int | None = None,
) -> Scored:
    """``0.5 ** (age in days / half-life)``; unknown date is neutral, expired or superseded is 0.

    A document still holds on its last day: it has expired when ``expires`` is before ``today``.
    A date in the future counts as today.

    With ``year``, the one that the question asks for, the age is the days between the document's
    date and the nearest day of that year, the half-life at most ``YEAR_HALF_LIFE_DAYS``; and of a
    past year a document of that very year counts in full though it has been replaced since: it is
    what was asked for.
    """
    if half_life_days <= 0:
        message = "half_life_days must be positive"
        raise ValueError(message)
    if year is not None:
        half_life_days = min(half_life_days, YEAR_HALF_LIFE_DAYS)
    inputs: Inputs = {
        "effective_date": effective.isoformat() if effective else None,
        "expires_at": expires.isoformat() if expires else None,
        "today": today.isoformat(),
        "half_life_days": half_life_days,
        **({"year": year} if year is not None else {}),
    }
    if effective is not None and effective.year == year and year < today.year:
        return 1.0, {"rule": "of_year", **inputs}
    if superseded:
        return 0.0, {"rule": "superseded", **inputs}
    if expires is not None and expires < today:
        return 0.0, {"rule": "expired", **inputs}
    if effective is None:
        return NEUTRAL, {"rule": "unknown_date", **inputs}
    if year is not None:
        age_days = _days_from_year(effective, year)
        return 0.5 ** (age_days / half_life_days), {"rule": "year", "age_days": age_days, **inputs}
    age_days = max(0, (today - effective).days)
    return 0.5 ** (age_days / half_life_days), {"rule": "decay", "age_days": age_days, **inputs}


def weights_for(intent: TimeIntent, weights: FactorWeights) -> FactorWeights:
    """``weights`` for a question of this intent: timeliness raised to ``ASKED_TIMELINESS``.

    That is its share of all; the others shrink alike and the sum stays. Unchanged without a wish,
    where the share is as large already, and where timeliness has no weight at all: who set
    "relevance only" meant it. Raising twice is the same as once.
    """
    total = sum(getattr(weights, name) for name in FACTORS)
    if not intent.kind or weights.timeliness <= 0 or weights.timeliness >= ASKED_TIMELINESS * total:
        return weights
    shrink = (1 - ASKED_TIMELINESS) * total / (total - weights.timeliness)
    return FactorWeights(
        relevance=weights.relevance * shrink,
        completeness=weights.completeness * shrink,
        readability=weights.readability * shrink,
        timeliness=ASKED_TIMELINESS * total,
    )


def preset_of(weights: FactorWeights) -> str:
    """The name of the preset with the same proportions; ``""`` for weights of one's own."""
    return presets.preset_of({name: float(getattr(weights, name)) for name in FACTORS})


def blend(factors: Factors, weights: FactorWeights) -> float:
    """The weighted mean of the factors, in [0, 1]; equal to the sum of ``explain``'s parts."""
    return clamp(sum(part.contribution for part in explain(factors, weights)))


def explain(factors: Factors, weights: FactorWeights) -> tuple[Contribution, ...]:
    """What each factor adds to the final score, in the order of ``FACTORS``.

    Raises ``ValueError`` for a negative weight or weights that are all 0.
    """
    values = {name: float(getattr(factors, name)) for name in FACTORS}
    chosen = {name: float(getattr(weights, name)) for name in FACTORS}
    total = sum(chosen.values())
    if min(chosen.values()) < 0 or total <= 0:
        message = "weights must not be negative, and one must be positive"
        raise ValueError(message)
    return tuple(
        Contribution(
            factor=name,
            value=values[name],
            weight=chosen[name],
            share=chosen[name] / total,
            contribution=values[name] * chosen[name] / total,
        )
        for name in FACTORS
    )


def is_above_floor(evidence_value: float, floor: float) -> bool:
    """Whether a passage may compete by its other factors; the floor itself is above."""
    return evidence_value >= floor


def _aspects_no_term_names(
    question_terms: Sequence[QuestionTerm],
    asked: Sequence[Asked],
    spoken_of: Mapping[str, bool],
    weight: float,
) -> list[dict[str, object]]:
    wanted = {term.token for term in question_terms}
    return [
        {
            "aspect": each.aspect.name,
            "words": each.words,
            "weight": weight,
            "covered": spoken_of[each.aspect.name],
        }
        for each in asked
        if wanted.isdisjoint(analyze(each.words))
    ]


def _term_credit(token: str, tokens: set[str], *, is_spoken_of: bool) -> tuple[float, str]:
    """How far a term is covered, in [0, 1], and by what: word, aspect, characters or nothing."""
    if token in tokens:
        return 1.0, "word"
    if is_spoken_of:
        return ASPECT_CREDIT, "aspect"
    if len(token) == 2 and not token.isascii():
        apart = sum(character in tokens for character in token) / 2
        if apart:
            return CHARACTERS_CREDIT * apart, "characters"
    return 0.0, ""


def _days_from_year(day: date, year: int) -> int:
    if day.year == year:
        return 0
    nearest = date(year, 12, 31) if day.year > year else date(year, 1, 1)
    return abs((day - nearest).days)
