"""How far a probability of relevance can be believed, and how it spreads over a top ten. Pure.

A calibrated probability of 0.7 means that seven of ten such passages answer. Passages are put into
ten bins by their probability; in each bin the mean probability is held against the share that
answers (DeGroot and Fienberg, "The comparison and evaluation of forecasters", 1983), and the mean
distance, weighted by the passages in each bin, is the expected calibration error (Guo et al., "On
calibration of modern neural networks", ICML 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

BINS = 10
TOP = 10
_SMALLEST = 1e-9
"""So that a certain and wrong probability costs much in log loss, not infinitely much."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The candidates of one question: their probabilities, and whether each answers."""

    probabilities: Sequence[float]
    answers: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Bin:
    """Passages whose probability lies in ``[low, high)``; the last bin holds 1 too."""

    low: float
    high: float
    share: float
    """Of all passages, in [0, 1]."""
    probability: float
    """Mean over the bin."""
    answered: float
    """Share of the bin's passages that answer."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """What probabilities say, against what people judged. All shares and errors in [0, 1]."""

    questions: int
    passages: int
    answering: float
    """Share of all passages that answer."""
    bins: tuple[Bin, ...]
    """Only those that hold a passage."""
    error: float
    """Expected calibration error over all candidates."""
    top_error: float
    """The same over the ten most probable of each question: what a reader may come to see."""
    log_loss: float
    best: float
    """Median over the questions of the highest probability."""
    tenth: float
    """Median over the questions of the tenth highest (the lowest, where there are fewer)."""
    deviation: float
    """Mean over the questions of the standard deviation within the top ten."""


def reliability(sets: Mapping[str, Sequence[Judged]]) -> Reliability:
    """Over several sets, each counting alike however many questions it has.

    Raises ``ValueError`` when there is no candidate at all.
    """
    kept = {name: [each for each in judged if each.probabilities] for name, judged in sets.items()}
    kept = {name: judged for name, judged in kept.items() if judged}
    if not kept:
        message = "there is no passage to judge a probability by"
        raise ValueError(message)
    top = {name: [_top(each) for each in judged] for name, judged in kept.items()}
    probabilities, answers, importance = _columns(kept)
    bins = _bins(probabilities, answers, importance)
    clipped = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    losses = -np.where(answers > 0, np.log(clipped), np.log1p(-clipped))
    questions = [each for judged in top.values() for each in judged]
    weights = np.concatenate([np.full(len(found), 1 / len(found)) for found in top.values()])
    return Reliability(
        questions=len(questions),
        passages=len(probabilities),
        answering=float(importance @ answers),
        bins=bins,
        error=_error(bins),
        top_error=_error(_bins(*_columns(top))),
        log_loss=float(importance @ losses),
        best=_median([each.probabilities[0] for each in questions], weights),
        tenth=_median([each.probabilities[-1] for each in questions], weights),
        deviation=float(
            weights @ [np.std(each.probabilities) for each in questions] / weights.sum()
        ),
    )


def _top(judged: Judged) -> Judged:
    order = np.argsort(-np.asarray(judged.probabilities), kind="stable")[:TOP]
    return Judged(
        [judged.probabilities[i] for i in order], [bool(judged.answers[i]) for i in order]
    )


def _columns(
    sets: Mapping[str, Sequence[Judged]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities, answers, and how much each passage counts; the last sum to 1."""
    columns = [
        (
            np.concatenate([np.asarray(each.probabilities, np.float64) for each in judged]),
            np.concatenate([np.asarray(each.answers, np.float64) for each in judged]),
        )
        for judged in sets.values()
    ]
    importance = [np.full(len(found), 1 / len(found) / len(columns)) for found, _ in columns]
    return (
        np.concatenate([found for found, _ in columns]),
        np.concatenate([answers for _, answers in columns]),
        np.concatenate(importance),
    )


def _bins(
    probabilities: NDArray[np.float64],
    answers: NDArray[np.float64],
    importance: NDArray[np.float64],
) -> tuple[Bin, ...]:
    place = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    return tuple(
        _bin(k, place == k, probabilities, answers, importance) for k in np.unique(place).tolist()
    )


def _bin(
    number: int,
    inside: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    answers: NDArray[np.float64],
    importance: NDArray[np.float64],
) -> Bin:
    share = float(importance[inside].sum())
    return Bin(
        low=number / BINS,
        high=(number + 1) / BINS,
        share=share,
        probability=float(importance[inside] @ probabilities[inside]) / share,
        answered=float(importance[inside] @ answers[inside]) / share,
    )


def _error(bins: Iterable[Bin]) -> float:
    return sum(each.share * abs(each.probability - each.answered) for each in bins)


def _median(values: Sequence[float], weights: NDArray[np.float64]) -> float:
    """The value at which half of the weight is reached."""
    found = np.asarray(values, np.float64)
    order = np.argsort(found, kind="stable")
    reached = np.cumsum(weights[order])
    return float(found[order][np.searchsorted(reached, reached[-1] / 2 - 1e-12)])
