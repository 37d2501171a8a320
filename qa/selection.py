"""Which reranker to take, drawn from what was measured and from nothing else. Pure.

A reranker is recommended for a language only where its gain over the order without rerank is
certain: where the interval lies above zero. Where none does, the advice is to leave rerank off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from qa.measured import Score

AS_GOOD_AS = 0.01
"""Two rerankers whose nDCG@10 differs by no more are taken for equally good."""
FEWEST_QUESTIONS = 10
"""Fewer questions of a language support no advice, whatever their interval says."""

Verdict = Literal["use", "off", "not_covered", "never_ran", "too_few"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A reranker with its figures; all candidates of a guide were asked the same questions."""

    name: str
    languages: tuple[str, ...]
    """ISO 639-1 codes that it covers; empty means any."""
    scores: Mapping[str, Score]
    """By language."""
    milliseconds: float | None
    """The median for the most passages timed; ``None`` when no time could be taken."""

    def covers(self, language: str) -> bool:
        return not self.languages or language in self.languages


@dataclass(frozen=True, slots=True)
class Choice:
    """A reranker as it did on one language."""

    name: str
    score: Score
    milliseconds: float | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do for questions in one language."""

    language: str
    verdict: Verdict
    questions: int
    best: Choice | None = None
    """For ``use`` the one to take; for ``off`` the one that came nearest to a certain gain."""
    fastest: Choice | None = None
    """One as good as ``best`` that takes less time; ``None`` when there is none."""
    harmful: tuple[Choice, ...] = ()
    """Those that are certain to make the order worse."""


@dataclass(frozen=True, slots=True)
class Guide:
    """The advice by language, and what is not known yet."""

    advice: tuple[Advice, ...]
    unmeasured: tuple[str, ...]
    """Rerankers that may be chosen, without figures on these questions."""

    @property
    def is_empty(self) -> bool:
        return not self.advice


def guide(measured: Sequence[Candidate], names: Collection[str]) -> Guide:
    """The guide to ``names``, the rerankers that may be chosen, of which some are ``measured``.

    One that was measured and may not be chosen any more is left out. The order of the arguments
    changes nothing: equally good rerankers are told apart by their time, then by their name.
    """
    known = {each.name: each for each in measured if each.name in names}
    languages = sorted({language for each in known.values() for language in each.scores})
    return Guide(
        advice=tuple(_advice(language, list(known.values())) for language in languages if language),
        unmeasured=tuple(sorted(name for name in names if name not in known)),
    )


def _advice(language: str, measured: Sequence[Candidate]) -> Advice:
    asked = [each for each in measured if language in each.scores]
    questions = max(each.scores[language].questions for each in asked)
    if questions < FEWEST_QUESTIONS:
        return Advice(language, "too_few", questions)
    covering = [each for each in asked if each.covers(language)]
    choices = sorted(
        (
            Choice(each.name, each.scores[language], each.milliseconds)
            for each in covering
            if each.scores[language].reranked > 0
        ),
        key=_rank,
    )
    if not choices:
        return Advice(language, "never_ran" if covering else "not_covered", questions)
    harmful = tuple(each for each in choices if each.score.gain.high < 0)
    proven = [each for each in choices if each.score.gain.low > 0]
    if not proven:
        nearest = min(choices, key=lambda each: (-each.score.gain.low, _rank(each)))
        return Advice(language, "off", questions, best=nearest, harmful=harmful)
    best = proven[0]
    return Advice(
        language,
        "use",
        questions,
        best=best,
        fastest=_faster_than(best, proven),
        harmful=harmful,
    )


def _rank(choice: Choice) -> tuple[float, float, str]:
    """Smallest for the best; what shows as the same figure counts as the same."""
    return (-round(choice.score.blended, 4), _time_of(choice), choice.name)


def _faster_than(best: Choice, proven: Sequence[Choice]) -> Choice | None:
    as_good = [
        each
        for each in proven
        if each.score.blended >= best.score.blended - AS_GOOD_AS and _time_of(each) < _time_of(best)
    ]
    return min(as_good, key=lambda each: (_time_of(each), _rank(each)), default=None)


def _time_of(choice: Choice) -> float:
    return float("inf") if choice.milliseconds is None else choice.milliseconds
