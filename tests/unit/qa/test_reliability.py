"""Probabilities are held against what people judged."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.reliability import Judged, reliability

questions = st.lists(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=12).map(
        lambda rows: Judged([p for p, _ in rows], [a for _, a in rows])
    ),
    min_size=1,
    max_size=5,
)


def test_probabilities_that_come_true_have_no_error() -> None:
    found = reliability(
        {"a": [Judged([0.25] * 4 + [1.0, 0.0], [True] + [False] * 3 + [True, False])]}
    )
    assert found.error == pytest.approx(0.0)
    assert [(each.probability, each.answered) for each in found.bins] == [
        (0.0, 0.0),
        (0.25, 0.25),
        (1.0, 1.0),
    ]


def test_the_error_is_the_distance_weighted_by_the_passages_of_each_bin() -> None:
    # Three passages at 0.9 of which one answers, one at 0.2 that does not.
    found = reliability({"a": [Judged([0.9, 0.9, 0.9, 0.2], [True, False, False, False])]})
    assert found.error == pytest.approx(0.75 * (0.9 - 1 / 3) + 0.25 * 0.2)
    assert [each.share for each in found.bins] == pytest.approx([0.25, 0.75])
    assert found.answering == pytest.approx(0.25)


def test_log_loss_is_finite_for_a_certainty_that_was_wrong() -> None:
    found = reliability({"a": [Judged([1.0, 0.5], [False, True])]})
    assert found.log_loss == pytest.approx((-math.log(1e-9) - math.log(0.5)) / 2)


def test_a_set_counts_as_much_as_another_that_is_larger() -> None:
    right = [Judged([0.0], [False])] * 30
    wrong = [Judged([0.0], [True])]
    found = reliability({"right": right, "wrong": wrong})
    assert found.answering == pytest.approx(0.5)
    assert found.error == pytest.approx(0.5)


def test_the_spread_is_that_of_the_ten_most_probable() -> None:
    falling = [1.0 - 0.05 * k for k in range(20)]
    found = reliability({"a": [Judged(falling[::-1], [False] * 20)]})
    assert found.best == pytest.approx(1.0)
    assert found.tenth == pytest.approx(0.55)
    assert found.deviation == pytest.approx(np.std(falling[:10]))
    assert found.top_error == pytest.approx(np.mean(falling[:10]))


def test_the_median_is_over_questions() -> None:
    asked = [Judged([best, 0.1], [True, False]) for best in (0.2, 0.6, 0.9)]
    assert reliability({"a": asked}).best == pytest.approx(0.6)


def test_questions_without_candidates_say_nothing() -> None:
    found = reliability({"a": [Judged([], []), Judged([0.5], [True])], "empty": []})
    assert found.questions == 1
    with pytest.raises(ValueError, match="no passage"):
        reliability({"a": [Judged([], [])]})


@given(st.dictionaries(st.sampled_from("abc"), questions, min_size=1))
def test_shares_sum_to_one_and_every_figure_stays_in_range(sets: dict[str, list[Judged]]) -> None:
    found = reliability(sets)
    assert sum(each.share for each in found.bins) == pytest.approx(1.0)
    for each in found.bins:
        assert each.low - 1e-9 <= each.probability <= each.high + 1e-9
        assert -1e-9 <= each.answered <= 1 + 1e-9
    for value in (found.error, found.top_error, found.deviation):
        assert 0 <= value <= 1
    assert found.tenth <= found.best
