"""Measures of a ranking against judgements, and whether two systems differ.

The values agree with trec_eval and pytrec_eval, hence with published BEIR figures: the gain of an
item is its grade itself (not ``2**grade - 1``), discounted by ``log2(rank + 1)`` (Jarvelin and
Kekalainen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002). An item
without a judgement has grade 0; an item that a ranking repeats counts at its first place only. A
question without any relevant item scores 0 in every measure, as in trec_eval.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

K = TypeVar("K", bound="Hashable")


class Difference(NamedTuple):
    """Mean of ``b - a`` with the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


class Ratio(NamedTuple):
    """A quotient with the bounds of its confidence interval."""

    value: float
    low: float
    high: float


Pair = tuple["Sequence[float]", "Sequence[float]"]
"""The values of two systems, ``a`` and ``b``, for the same questions of one set."""


def ndcg_at_k(ranked: Sequence[K], grades: Mapping[K, float], k: int = 10) -> float:
    """Normalised discounted cumulative gain of the first ``k`` items, in [0, 1]."""
    ideal = _dcg(sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k])
    if ideal == 0:
        return 0.0
    return _dcg(max(0.0, grades.get(item, 0.0)) for item in _first(ranked, k)) / ideal


def recall_at_k(ranked: Sequence[K], grades: Mapping[K, float], k: int = 30) -> float:
    """Share of the relevant items (grade above 0) that stand among the first ``k``, in [0, 1]."""
    relevant = {item for item, grade in grades.items() if grade > 0}
    if not relevant:
        return 0.0
    return len(relevant.intersection(_first(ranked, k))) / len(relevant)


def reciprocal_rank_at_k(ranked: Sequence[K], grades: Mapping[K, float], k: int = 10) -> float:
    """``1 / rank`` of the first relevant item, 0 when none stands among the first ``k``."""
    for rank, item in enumerate(_first(ranked, k), start=1):
        if grades.get(item, 0.0) > 0:
            return 1.0 / rank
    return 0.0


def paired_bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    *,
    samples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Difference:
    """How much better ``b`` is than ``a`` on the same questions, with a percentile interval.

    ``a[i]`` and ``b[i]`` are the two systems' values for question ``i``; questions are drawn with
    replacement (Efron and Tibshirani, 1993). The same input and seed give the same interval.
    """
    if len(a) != len(b) or not a:
        message = "both systems need a value for each of the same questions"
        raise ValueError(message)
    differences = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    generator = np.random.default_rng(seed)
    means = np.fromiter(
        (
            differences[generator.integers(0, len(differences), len(differences))].mean()
            for _ in range(samples)
        ),
        dtype=np.float64,
        count=samples,
    )
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Difference(float(differences.mean()), float(low), float(high))


def mean_difference(
    sets: Sequence[Pair], *, samples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> Difference:
    """The mean over sets of each set's mean ``b - a``, with a percentile interval.

    Every set counts alike, however many questions it has. Questions are drawn anew inside each set
    (a stratified bootstrap: the sets are these, their questions are a sample).
    """
    drawn = _drawn_means(sets, samples, seed)
    differences = drawn[:, 1] - drawn[:, 0]
    low, high = _bounds(differences, confidence)
    first, second = _means(sets)
    return Difference(second - first, low, high)


def mean_loss_ratio(
    sets: Sequence[Pair], *, samples: int = 2000, seed: int = 0, confidence: float = 0.95
) -> Ratio:
    """The mean over sets of ``1 - b`` divided by that of ``1 - a``, drawn as above.

    Below 1 when ``b`` leaves less to gain than ``a``; two thirds when it leaves a third less.
    Infinite where ``a`` leaves nothing.
    """
    drawn = 1.0 - _drawn_means(sets, samples, seed)
    ratios = np.divide(
        drawn[:, 1], drawn[:, 0], out=np.full(len(drawn), np.inf), where=drawn[:, 0] > 0
    )
    low, high = _bounds(ratios, confidence)
    first, second = _means(sets)
    return Ratio((1.0 - second) / (1.0 - first) if first < 1.0 else math.inf, low, high)


def _drawn_means(sets: Sequence[Pair], samples: int, seed: int) -> NDArray[np.float64]:
    """``samples`` rows of the means of ``a`` and of ``b`` over the sets, questions drawn anew."""
    if not sets or any(len(a) != len(b) or not a for a, b in sets):
        message = "each set needs a value of both systems for each of its questions"
        raise ValueError(message)
    generator = np.random.default_rng(seed)
    total = np.zeros((samples, 2))
    for pair in sets:
        values = np.asarray(pair, dtype=np.float64)
        count = values.shape[1]
        # How often each question was drawn, so that a million draws need no million of rows.
        chosen = generator.multinomial(count, np.full(count, 1.0 / count), size=samples)
        total += chosen @ values.T / count
    return total / len(sets)


def _means(sets: Sequence[Pair]) -> tuple[float, float]:
    means = np.mean([[np.mean(a), np.mean(b)] for a, b in sets], axis=0)
    return float(means[0]), float(means[1])


def _bounds(values: NDArray[np.float64], confidence: float) -> tuple[float, float]:
    tail = (1.0 - confidence) / 2
    # Not between two neighbours: the quotient may be infinite, and infinity has no middle.
    low, high = np.quantile(values, [tail, 1.0 - tail], method="nearest")
    return float(low), float(high)


def _first(ranked: Sequence[K], k: int) -> list[K]:
    return list(islice(dict.fromkeys(ranked), k))


def _dcg(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
