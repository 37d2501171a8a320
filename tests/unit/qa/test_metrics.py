"""Ranking measures against values computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.metrics import (
    mean_difference,
    mean_loss_ratio,
    ndcg_at_k,
    paired_bootstrap,
    recall_at_k,
    reciprocal_rank_at_k,
)

GRADES = {"a": 3.0, "b": 2.0, "c": 1.0, "z": 0.0}


def test_ndcg_of_a_graded_ranking_with_linear_gain() -> None:
    # DCG = 2/log2(2) + 0/log2(3) + 3/log2(4) = 2 + 1.5
    # ideal = 3/log2(2) + 2/log2(3) + 1/log2(4) = 3 + 1.26186 + 0.5
    expected = 3.5 / (3 + 2 / math.log2(3) + 0.5)
    assert ndcg_at_k(["b", "x", "a"], GRADES, 10) == pytest.approx(expected)
    assert expected == pytest.approx(0.73501, abs=1e-5)


def test_ndcg_looks_at_k_items_of_both_the_ranking_and_the_ideal() -> None:
    assert ndcg_at_k(["b", "a"], GRADES, 1) == pytest.approx(2 / 3)


def test_the_best_order_has_ndcg_one_and_no_relevant_item_zero() -> None:
    assert ndcg_at_k(["a", "b", "c"], GRADES) == pytest.approx(1.0)
    assert ndcg_at_k(["x", "y"], GRADES) == 0.0
    assert ndcg_at_k(["x"], {}) == 0.0
    assert ndcg_at_k(["z"], {"z": 0.0}) == 0.0


def test_a_repeated_item_earns_its_gain_once() -> None:
    assert ndcg_at_k(["a", "a", "b", "c"], GRADES) == pytest.approx(1.0)


def test_recall_is_the_share_of_relevant_items_found() -> None:
    assert recall_at_k(["a", "x", "c"], GRADES, 3) == pytest.approx(2 / 3)
    assert recall_at_k(["a", "x", "c"], GRADES, 2) == pytest.approx(1 / 3)
    assert recall_at_k(["a"], {}) == 0.0


def test_reciprocal_rank_is_that_of_the_first_relevant_item() -> None:
    assert reciprocal_rank_at_k(["x", "z", "c", "a"], GRADES) == pytest.approx(1 / 3)
    assert reciprocal_rank_at_k(["x", "y", "c"], GRADES, 2) == 0.0


@given(
    st.lists(st.integers(0, 20), unique=True),
    st.dictionaries(st.integers(0, 20), st.floats(0, 3)),
    st.integers(1, 12),
)
def test_every_measure_stays_within_zero_and_one(
    ranked: list[int], grades: dict[int, float], k: int
) -> None:
    for measure in (ndcg_at_k, recall_at_k, reciprocal_rank_at_k):
        assert 0.0 <= measure(ranked, grades, k) <= 1.0 + 1e-9


def test_a_constant_gain_has_an_interval_of_one_point() -> None:
    difference = paired_bootstrap([0.25, 0.5, 0.125], [0.5, 0.75, 0.375], seed=1)
    assert difference == pytest.approx((0.25, 0.25, 0.25))


def test_the_mean_difference_is_b_minus_a() -> None:
    mean, low, high = paired_bootstrap([0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0], seed=3)
    assert mean == pytest.approx(0.25)
    # Of four questions one gained: a resample's mean is binomial(4, 1/4) / 4, so 2.5% and 97.5%
    # of it are 0 and 3/4.
    assert (low, high) == (0.0, 0.75)


def test_the_same_seed_gives_the_same_interval() -> None:
    a, b = [0.1, 0.4, 0.3, 0.9], [0.2, 0.3, 0.8, 0.7]
    assert paired_bootstrap(a, b, seed=5) == paired_bootstrap(a, b, seed=5)


def test_systems_without_the_same_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="same questions"):
        paired_bootstrap([0.1], [0.1, 0.2])
    with pytest.raises(ValueError, match="same questions"):
        paired_bootstrap([], [])


def test_the_mean_over_sets_counts_each_set_alike() -> None:
    small, large = ([0.0, 0.0], [1.0, 1.0]), ([0.5] * 100, [0.5] * 100)
    assert mean_difference([small, large]).mean == pytest.approx(0.5)


def test_a_difference_that_all_questions_share_has_no_width() -> None:
    found = mean_difference([([0.2, 0.7], [0.3, 0.8]), ([0.1], [0.2])])
    assert found == pytest.approx((0.1, 0.1, 0.1))


def test_questions_are_drawn_inside_their_own_set() -> None:
    # Drawn over both sets together, the halves would not always balance and the interval open.
    found = mean_difference([([0.0] * 5, [1.0] * 5), ([1.0] * 5, [0.0] * 5)])
    assert found == pytest.approx((0.0, 0.0, 0.0))


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8),
        min_size=1,
        max_size=3,
    )
)
def test_the_mean_lies_between_its_bounds_and_turns_with_the_order(
    sets: list[list[tuple[float, float]]],
) -> None:
    pairs = [([a for a, _b in rows], [b for _a, b in rows]) for rows in sets]
    found = mean_difference(pairs, samples=200)
    assert min(b - a for rows in sets for a, b in rows) - 1e-9 <= found.low
    assert found.low <= found.high <= max(b - a for rows in sets for a, b in rows) + 1e-9
    turned = mean_difference([(b, a) for a, b in pairs], samples=200)
    assert turned.mean == pytest.approx(-found.mean)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


def test_the_stratified_bootstrap_agrees_with_the_plain_one_on_a_single_set() -> None:
    chance = np.random.default_rng(3)
    a, b = chance.uniform(size=400).tolist(), chance.uniform(size=400).tolist()
    plain, stratified = paired_bootstrap(a, b), mean_difference([(a, b)])
    assert stratified.mean == pytest.approx(plain.mean)
    assert stratified.low == pytest.approx(plain.low, abs=0.004)
    assert stratified.high == pytest.approx(plain.high, abs=0.004)


def test_the_loss_ratio_is_that_of_what_is_left_to_gain() -> None:
    found = mean_loss_ratio([([0.7] * 4, [0.8] * 4), ([0.9] * 9, [0.9] * 9)])
    assert found.value == pytest.approx((0.2 + 0.1) / (0.3 + 0.1))
    assert (found.low, found.high) == pytest.approx((found.value, found.value))


def test_the_loss_ratio_over_nothing_to_gain_is_infinite() -> None:
    found = mean_loss_ratio([([1.0, 1.0], [1.0, 0.5])])
    assert found.value == math.inf
    assert found.high == math.inf


def test_sets_need_both_systems_for_the_same_questions() -> None:
    wrongs: list[list[tuple[list[float], list[float]]]] = [
        [],
        [([], [])],
        [([0.5], [0.5, 0.6])],
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="each set needs"):
            mean_difference(wrong)
