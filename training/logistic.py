"""Logistic regression of "this passage answers the question" on the scores at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]

from inference.ports import Calibration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from inference.ports import Signal

RIDGE = 1e-4
"""Weight of the squared coefficients of standardised signals against the mean log loss."""


def probabilities(
    calibration: Calibration, signals: Mapping[Signal, NDArray[np.float64]]
) -> NDArray[np.float64]:
    logits: NDArray[np.float64] = np.asarray(
        sum(weight * signals[name] for name, weight in calibration.weights.items())
        + calibration.bias
    )
    return 1 / (1 + np.exp(-logits))


def fit(
    names: Sequence[Signal],
    signals: Mapping[Signal, NDArray[np.float64]],
    answers: NDArray[np.float64],
    importance: NDArray[np.float64],
) -> Calibration:
    """The calibration of greatest likelihood whose weights are not negative.

    ``answers`` holds 1 where the passage answers; cases count as ``importance`` says. Nothing is
    rebalanced, so a probability means what it says on lists like those it was fitted on. Weights
    below zero are ruled out: no score may lower what it exists to raise.
    """
    raw = np.stack([signals[name] for name in names], axis=1)
    centre, spread = raw.mean(axis=0), raw.std(axis=0)
    standard = (raw - centre) / spread
    share = importance / importance.sum()

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = standard @ theta[:-1] + theta[-1]
        value = float(share @ (np.logaddexp(0, logits) - answers * logits))
        error = share * (1 / (1 + np.exp(-logits)) - answers)
        slope = np.append(error @ standard + 2 * RIDGE * theta[:-1], error.sum())
        return value + RIDGE * float(theta[:-1] @ theta[:-1]), slope

    start = np.zeros(len(names) + 1)
    bounds = [(0.0, None)] * len(names) + [(None, None)]
    theta = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = theta[:-1] / spread
    return Calibration(
        weights={name: round(float(w), 4) for name, w in zip(names, weights, strict=True)},
        bias=round(float(theta[-1] - weights @ centre), 4),
    )
