from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.ports import Calibration, Signal
from training.logistic import fit, probabilities

Column = NDArray[np.float64]
NAME_SETS: tuple[tuple[Signal, ...], ...] = (("rerank", "lexical"), ("rerank",), ("lexical",))


def drawn(count: int = 20_000) -> tuple[dict[Signal, Column], Column]:
    chance = np.random.default_rng(4)
    signals: dict[Signal, Column] = {
        "rerank": chance.normal(0, 3, count),
        "lexical": chance.uniform(0, 1, count),
    }
    logits = 0.8 * signals["rerank"] + 2.0 * signals["lexical"] - 4.0
    answers = (chance.uniform(size=count) < 1 / (1 + np.exp(-logits))).astype(float)
    return signals, answers


def test_a_fit_finds_the_weights_that_made_the_answers() -> None:
    signals, answers = drawn()
    found = fit(("rerank", "lexical"), signals, answers, np.ones(len(answers)))
    assert found.weights["rerank"] == pytest.approx(0.8, abs=0.06)
    assert found.weights["lexical"] == pytest.approx(2.0, abs=0.3)
    assert found.bias == pytest.approx(-4.0, abs=0.25)


def test_probabilities_are_as_frequent_as_they_say() -> None:
    signals, answers = drawn()
    for names in NAME_SETS:
        fitted = fit(names, signals, answers, np.ones(len(answers)))
        assert probabilities(fitted, signals).mean() == pytest.approx(answers.mean(), abs=0.005)


def test_a_signal_that_points_the_wrong_way_gets_no_weight() -> None:
    signals, answers = drawn()
    signals["lexical"] = -signals["lexical"]
    found = fit(("rerank", "lexical"), signals, answers, np.ones(len(answers)))
    assert found.weights["lexical"] == 0.0


def test_cases_without_importance_count_nothing() -> None:
    signals, answers = drawn(4_000)
    importance = np.ones(4_000)
    importance[2_000:] = 0
    wrong = answers.copy()
    wrong[2_000:] = 1 - wrong[2_000:]
    half: dict[Signal, Column] = {name: values[:2_000] for name, values in signals.items()}
    alone = fit(("rerank",), half, answers[:2_000], np.ones(2_000))
    weighted = fit(("rerank",), signals, wrong, importance)
    assert weighted.weights["rerank"] == pytest.approx(alone.weights["rerank"], abs=0.01)


def test_a_probability_is_the_logistic_function_of_the_weighted_sum() -> None:
    calibration = Calibration(weights={"rerank": 2.0, "cosine": 1.0}, bias=-1.0)
    signals: dict[Signal, Column] = {
        "rerank": np.array([0.0, 1.0]),
        "cosine": np.array([1.0, -1.0]),
    }
    assert probabilities(calibration, signals).tolist() == [0.5, 0.5]
