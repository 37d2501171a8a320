"""From the scores at hand to the probability that a passage answers the question.

Two fits, one after the other. A conditional logit (the softmax over each question's candidates)
finds how the scores weigh against each other: it is a likelihood of the order, in which a question
that is easy as a whole counts for nothing. Then one slope and one bias turn that weighed score into
a probability (Platt 1999).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from inference.ports import Calibration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from inference.ports import Signal

RIDGE = 1e-3
"""Weight of the squared coefficients of standardised signals against the mean loss."""


def logits_of(
    calibration: Calibration, signals: Mapping[Signal, NDArray[np.float64]]
) -> NDArray[np.float64]:
    weighed: NDArray[np.float64] = np.asarray(
        sum(weight * signals[name] for name, weight in calibration.weights.items())
        + calibration.bias
    )
    return weighed


def fit(
    names: Sequence[Signal],
    signals: Mapping[Signal, NDArray[np.float64]],
    answers: NDArray[np.float64],
    importance: NDArray[np.float64],
    list_of: NDArray[np.int64],
    *,
    language: str = "",
) -> Calibration:
    """The calibration of these signals, its weights not negative.

    Nothing is rebalanced: a probability means what it says on lists like those it was fitted on.

    ``answers`` holds 1 where the passage answers; a case counts as ``importance`` says (0: not at
    all); ``list_of`` numbers the question of each case, in one run each. Weights below zero are
    ruled out: no score may lower what it exists to raise. Raises ``ValueError`` when no question
    has both an answer and something else.
    """
    raw = np.stack([signals[name] for name in names], axis=1)
    centre, spread = raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-9)
    standard = (raw - centre) / spread
    direction = _order_weights(standard, answers, importance, list_of)
    slope, bias = _platt(standard @ direction, answers, importance)
    weights = slope * direction / spread
    return Calibration(
        weights={name: round(float(w), 4) for name, w in zip(names, weights, strict=True)},
        bias=round(float(bias - weights @ centre), 4),
        language=language,
    )


def with_probability(
    weights: Mapping[Signal, float],
    signals: Mapping[Signal, NDArray[np.float64]],
    answers: NDArray[np.float64],
    importance: NDArray[np.float64],
    *,
    language: str = "",
) -> Calibration:
    """The calibration whose order is that of these weights: only slope and bias are fitted."""
    score = np.asarray(sum(weight * signals[name] for name, weight in weights.items()))
    centre, spread = score.mean(), max(float(score.std()), 1e-9)
    slope, bias = _platt((score - centre) / spread, answers, importance)
    scale = slope / spread
    return Calibration(
        weights={name: round(float(weight * scale), 4) for name, weight in weights.items()},
        bias=round(float(bias - scale * centre), 4),
        language=language,
    )


def _order_weights(
    standard: NDArray[np.float64],
    answers: NDArray[np.float64],
    importance: NDArray[np.float64],
    list_of: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Weights of the conditional logit, scaled to length one."""
    counted = importance > 0
    x, y, number = standard[counted], answers[counted], list_of[counted]
    starts = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    lengths = np.diff(np.append(starts, len(number)))
    positives = np.add.reduceat(y, starts)
    useful = (positives > 0) & (positives < lengths)
    if not useful.any():
        message = "no question has both an answer and something else"
        raise ValueError(message)
    of_list = importance[counted][starts] * useful
    share = of_list / of_list.sum()
    target = y / np.repeat(np.maximum(positives, 1), lengths)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = x @ weights
        highest = np.repeat(np.maximum.reduceat(logits, starts), lengths)
        grown = np.exp(logits - highest)
        totals = np.repeat(np.add.reduceat(grown, starts), lengths)
        log_chance = logits - highest - np.log(totals)
        every = np.repeat(share, lengths)
        value = -float((every * target) @ log_chance) + RIDGE * float(weights @ weights)
        return value, (every * (grown / totals - target)) @ x + 2 * RIDGE * weights

    start = np.full(x.shape[1], 0.5)
    found = minimize(loss, start, jac=True, bounds=[(0.0, None)] * x.shape[1], method="L-BFGS-B").x
    length = float(np.linalg.norm(found))
    result: NDArray[np.float64] = found / length if length > 0 else np.ones_like(found)
    return result


def _platt(
    score: NDArray[np.float64], answers: NDArray[np.float64], importance: NDArray[np.float64]
) -> tuple[float, float]:
    """Slope and bias of greatest likelihood; the slope is not negative."""
    share = importance / importance.sum()

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = theta[0] * score + theta[1]
        value = float(share @ (np.logaddexp(0, logits) - answers * logits))
        error = share * (1 / (1 + np.exp(-logits)) - answers)
        return value, np.array([error @ score, error.sum()])

    bounds = [(0.0, None), (None, None)]
    slope, bias = minimize(loss, np.zeros(2), jac=True, bounds=bounds, method="L-BFGS-B").x
    return float(slope), float(bias)
