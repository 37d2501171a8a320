from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.ports import Calibration, Signal
from training.logistic import fit, logits_of, with_probability

Column = NDArray[np.float64]
NAME_SETS: tuple[tuple[Signal, ...], ...] = (("rerank", "lexical"), ("rerank",), ("lexical",))
LIST = 20


def drawn(lists: int = 1_500) -> tuple[dict[Signal, Column], Column, NDArray[np.int64]]:
    chance = np.random.default_rng(4)
    count = lists * LIST
    signals: dict[Signal, Column] = {
        "rerank": chance.normal(0, 3, count),
        "lexical": chance.uniform(0, 1, count),
    }
    logits = 0.8 * signals["rerank"] + 2.0 * signals["lexical"] - 4.0
    answers = (chance.uniform(size=count) < 1 / (1 + np.exp(-logits))).astype(float)
    return signals, answers, np.repeat(np.arange(lists), LIST)


def test_a_fit_finds_the_weights_that_made_the_answers() -> None:
    signals, answers, list_of = drawn()
    found = fit(("rerank", "lexical"), signals, answers, np.ones(len(answers)), list_of)
    assert found.weights["rerank"] == pytest.approx(0.8, abs=0.06)
    assert found.weights["lexical"] == pytest.approx(2.0, abs=0.3)
    assert found.bias == pytest.approx(-4.0, abs=0.3)


def test_probabilities_are_as_frequent_as_they_say() -> None:
    signals, answers, list_of = drawn()
    for names in NAME_SETS:
        fitted = fit(names, signals, answers, np.ones(len(answers)), list_of)
        found = 1 / (1 + np.exp(-logits_of(fitted, signals)))
        assert found.mean() == pytest.approx(answers.mean(), abs=0.005)


def test_how_easy_a_question_is_as_a_whole_changes_no_weight() -> None:
    signals, answers, list_of = drawn()
    plain = fit(("rerank", "lexical"), signals, answers, np.ones(len(answers)), list_of)
    # The words of every passage of a question score higher: nothing that tells them apart.
    shifted = dict(signals) | {"lexical": signals["lexical"] + (list_of % 7)}
    found = fit(("rerank", "lexical"), shifted, answers, np.ones(len(answers)), list_of)
    ratio = plain.weights["lexical"] / plain.weights["rerank"]
    assert found.weights["lexical"] / found.weights["rerank"] == pytest.approx(ratio, rel=0.15)


def test_a_signal_that_points_the_wrong_way_gets_no_weight() -> None:
    signals, answers, list_of = drawn()
    signals["lexical"] = -signals["lexical"]
    found = fit(("rerank", "lexical"), signals, answers, np.ones(len(answers)), list_of)
    assert found.weights["lexical"] == 0.0


def test_cases_without_importance_count_nothing() -> None:
    signals, answers, list_of = drawn(200)
    importance = np.ones(len(answers))
    importance[2_000:] = 0
    wrong = answers.copy()
    wrong[2_000:] = 1 - wrong[2_000:]
    half: dict[Signal, Column] = {name: values[:2_000] for name, values in signals.items()}
    alone = fit(("rerank",), half, answers[:2_000], np.ones(2_000), list_of[:2_000])
    weighted = fit(("rerank",), signals, wrong, importance, list_of)
    assert weighted.weights["rerank"] == pytest.approx(alone.weights["rerank"], abs=0.01)


def test_without_an_answer_anywhere_nothing_can_be_fitted() -> None:
    signals, answers, list_of = drawn(5)
    with pytest.raises(ValueError, match="an answer and something else"):
        fit(("rerank",), signals, np.zeros(len(answers)), np.ones(len(answers)), list_of)


def test_a_fit_says_the_language_of_its_questions() -> None:
    signals, answers, list_of = drawn(50)
    found = fit(("rerank",), signals, answers, np.ones(len(answers)), list_of, language="zh")
    assert found.language == "zh"


def test_a_logit_is_the_weighted_sum_and_the_bias() -> None:
    calibration = Calibration(weights={"rerank": 2.0, "cosine": 1.0}, bias=-1.0)
    signals: dict[Signal, Column] = {
        "rerank": np.array([0.0, 1.0]),
        "cosine": np.array([1.0, -1.0]),
    }
    assert logits_of(calibration, signals).tolist() == [0.0, 0.0]


def test_given_weights_keep_their_proportions_and_become_a_probability() -> None:
    signals, answers, _ = drawn()
    found = with_probability(
        {"rerank": 4.0, "lexical": 10.0}, signals, answers, np.ones(len(answers)), language="zh"
    )
    assert found.weights["rerank"] == pytest.approx(0.8, abs=0.06)
    assert found.weights["lexical"] / found.weights["rerank"] == pytest.approx(2.5, abs=0.01)
    assert found.bias == pytest.approx(-4.0, abs=0.3)
    assert found.language == "zh"
