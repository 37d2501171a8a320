from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from training.calibrate import (
    PLACE_WEIGHTS,
    Cases,
    bins_of,
    greatest_harmless,
    score_lists,
)
from training.logistic import logits_of
from training.sampling import MinedQuestion, MinedSet


class AnswersKnown:
    """A cross-encoder that gives every text the number it begins with."""

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        return [float(text.split()[0]) for text in passages]


def judged_set(name: str, language: str, lists: int) -> MinedSet:
    """Questions of five candidates: the answer has the highest of noisy scores, mostly."""
    chance = np.random.default_rng(3)
    found = MinedSet(name, language, [], [])
    for number in range(lists):
        first = len(found.texts)
        scores = chance.normal(0, 1, 5)
        scores[0] += 2
        found.texts.extend(f"{score:.3f} text" for score in scores)
        found.groups.extend([f"g{number}"] * 5)
        order = chance.permutation(5)
        found.held_out.append(
            MinedQuestion(
                question=f"q{number}",
                group=f"g{number}",
                candidates=tuple(int(first + k) for k in order),
                recalled=5,
                cosine=tuple(chance.uniform(0, 1, 5)) if language == "en" else None,
                lexical=tuple(chance.uniform(0, 1, 5)),
                answers=frozenset({first}),
                doubtful=frozenset({first + 4}) if number % 2 else frozenset(),
            )
        )
    return found


def cases(language: str = "en", name: str = "squad_train") -> Cases:
    source = judged_set(name, language, 80)
    questions = [(source, question) for question in source.held_out]
    return Cases(language, questions, score_lists(AnswersKnown(), questions))  # type: ignore[arg-type]


def test_an_order_by_a_fitted_probability_beats_the_order_of_recall() -> None:
    figures = cases().figures()
    assert figures["p(rerank cosine lexical)"]["mean"] > figures["fused"]["mean"] + 0.1


def test_chinese_cases_have_no_cosine() -> None:
    found = cases("zh", "cmrc_train")
    assert set(found.signals) == {"rerank", "lexical", "fused"}
    assert found.fitted(("rerank", "lexical")).language == "zh"


def test_doubtful_passages_count_nothing() -> None:
    found = cases()
    assert (found.importance == 0).sum() == 40


def test_cross_fitted_probabilities_can_be_believed() -> None:
    honest = cases().honesty(("rerank",))
    assert honest["calibration_error"] < 0.1
    assert honest["best_median"] > honest["tenth_median"]


@pytest.mark.parametrize(("probability", "bin_"), [(0.0, 0), (0.05, 0), (0.1, 1), (1.0, 9)])
def test_every_probability_falls_into_one_of_ten_bins(probability: float, bin_: int) -> None:
    assert [bool(b[0]) for b in bins_of(np.array([probability]))].index(True) == bin_


def test_the_place_gets_the_greatest_weight_that_costs_no_more_than_chance() -> None:
    certain, doubtful = np.array([1.0, 1.0, 1.0, 1.0]), np.array([1.0, 1.0, 1.0, 0.0])
    lost = np.array([0.0, 0.0, 0.0, 0.1])
    assert greatest_harmless({0.0: [certain], 1.0: [certain], 2.0: [doubtful], 4.0: [lost]}) == 2.0


def test_a_set_of_many_questions_counts_as_one_of_few() -> None:
    few, many = np.array([1.0, 0.9]), np.linspace(0.4, 0.6, 50)
    assert greatest_harmless({0.0: [few, many], 1.0: [few - 0.5, many + 0.01]}) == 0.0


def test_a_placed_calibration_orders_by_the_place_too_and_is_a_probability() -> None:
    found = cases()
    placed = found.placed(("rerank", "cosine", "lexical"))
    plain = found.fitted(("rerank", "cosine", "lexical"))
    ratio = placed.weights["rerank"] / plain.weights["rerank"]
    for name in ("cosine", "lexical"):
        assert placed.weights[name] == pytest.approx(ratio * plain.weights[name], abs=1e-3)
    assert placed.weights["fused"] / placed.weights["rerank"] in [
        pytest.approx(share, abs=0.01) for share in PLACE_WEIGHTS
    ]
    said = 1 / (1 + np.exp(-logits_of(placed, found.signals)))
    share = found.importance / found.importance.sum()
    assert share @ said == pytest.approx(share @ found.answers, abs=0.01)
