"""From what was noted of each question to the figures that the models page shows. Pure.

The figures are computed from the stored inputs alone, so that they can be computed again from the
row and checked by hand.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from qa.metrics import Difference, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEED = 7
ALL = ""
"""The key of the figures over all languages together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One judged question, asked with and without the reranker. Values of nDCG@10 in [0, 1]."""

    key: str
    language: str
    """ISO 639-1, as the product detected it; ``""`` when it could not."""
    without: float
    """Of the order that chat shows with rerank switched off."""
    blended: float
    """Of the order that chat shows with rerank."""
    relevance: float
    """Of the same passages by calibrated relevance alone."""
    judged: float
    """Share of the first ten, in the order with rerank, that somebody judged."""
    reranked: bool
    reason: str
    """Why the reranker did not run, or ``""``."""
    passages: int
    """Handed to the reranker."""
    rerank_ms: float | None
    """What the reranker took; ``None`` when it did not run to its end."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a reranker is worth on some questions."""

    questions: int
    reranked: int
    """Questions for which it ran; the others keep the order without it, as in chat."""
    without: float
    blended: float
    relevance: float
    gain: Difference
    """``blended`` minus ``without``, with a 95% paired bootstrap interval."""


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """How long reranking took, over so many questions of ``passages`` passages each."""

    median: float
    p95: float
    rankings: int
    passages: int


def score_of(asked: Sequence[Asked]) -> Score:
    """Means and interval over at least one question; the same questions give the same interval."""
    without = [each.without for each in asked]
    blended = [each.blended for each in asked]
    return Score(
        questions=len(asked),
        reranked=sum(each.reranked for each in asked),
        without=fmean(without),
        blended=fmean(blended),
        relevance=fmean(each.relevance for each in asked),
        gain=paired_bootstrap(without, blended, seed=SEED),
    )


def milliseconds_of(timed: Sequence[tuple[int, float]]) -> Milliseconds | None:
    """Of (passages, milliseconds) the times for the most passages that occur; ``None`` for none.

    ``p95`` is a time that was taken (nearest rank), not one between two.
    """
    if not timed:
        return None
    most = max(passages for passages, _ in timed)
    times = sorted(taken for passages, taken in timed if passages == most)
    return Milliseconds(
        median=median(times),
        p95=times[math.ceil(0.95 * len(times)) - 1],
        rankings=len(times),
        passages=most,
    )


def figures_of(asked: Sequence[Asked], timed: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """Ready for JSON: ``scores`` by language (``""`` for all), ``ms``, ``reasons``, ``judged``."""
    languages: dict[str, list[Asked]] = defaultdict(list)
    for each in asked:
        languages[each.language].append(each)
    scores = {ALL: score_of(asked)} if asked else {}
    scores |= {name: score_of(some) for name, some in sorted(languages.items()) if name}
    taken = milliseconds_of(timed)
    return {
        "scores": {name: _plain(score) for name, score in scores.items()},
        "ms": asdict(taken) if taken else None,
        "reasons": dict(Counter(each.reason for each in asked if each.reason)),
        "judged": fmean(each.judged for each in asked) if asked else None,
    }


def scores_in(figures: Mapping[str, Any]) -> dict[str, Score]:
    """The scores of stored figures, by language."""
    return {
        name: Score(**{**score, "gain": Difference(**score["gain"])})
        for name, score in figures.get("scores", {}).items()
    }


def milliseconds_in(figures: Mapping[str, Any]) -> Milliseconds | None:
    """The times of stored figures."""
    taken = figures.get("ms")
    return Milliseconds(**taken) if taken else None


def _plain(score: Score) -> dict[str, Any]:
    return {**asdict(score), "gain": score.gain._asdict()}
