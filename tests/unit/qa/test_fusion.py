"""Fusion by rank, and the cap on passages of one document."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.fusion import cap_per_document, place_share, reciprocal_rank_fusion

rankings = st.lists(st.lists(st.integers(0, 30), unique=True, max_size=15), max_size=4)


def test_scores_are_the_sum_of_reciprocal_ranks() -> None:
    fused = dict(reciprocal_rank_fusion([["a", "b"], ["b", "c"]]))
    assert fused["a"] == pytest.approx(1 / 61)
    assert fused["b"] == pytest.approx(1 / 62 + 1 / 61)
    assert fused["c"] == pytest.approx(1 / 62)


def test_a_key_in_both_rankings_beats_the_first_of_one() -> None:
    assert [key for key, _ in reciprocal_rank_fusion([["a", "b"], ["c", "b"]])] == ["b", "a", "c"]


def test_a_tie_goes_to_the_better_single_rank() -> None:
    # With k = 0: "mid" twice at rank 2 scores 1/2 + 1/2, "top" once at rank 1 scores 1.
    fused = reciprocal_rank_fusion([["x", "mid"], ["y", "mid"], ["top"]], k=0)
    assert [key for key, _ in fused] == ["x", "y", "top", "mid"]


def test_a_full_tie_keeps_the_order_of_the_first_ranking() -> None:
    assert [key for key, _ in reciprocal_rank_fusion([["a"], ["b"]])] == ["a", "b"]
    assert [key for key, _ in reciprocal_rank_fusion([["b"], ["a"]])] == ["b", "a"]


def test_a_repeated_key_counts_once_and_closes_the_gap() -> None:
    assert reciprocal_rank_fusion([["a", "a", "b"]]) == [("a", 1 / 61), ("b", 1 / 62)]


def test_no_rankings_fuse_to_nothing() -> None:
    assert reciprocal_rank_fusion([]) == []


def test_a_negative_constant_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        reciprocal_rank_fusion([["a"]], k=-1)


@given(rankings)
def test_fusion_keeps_every_key_once_in_falling_order_of_score(ranked: list[list[int]]) -> None:
    fused = reciprocal_rank_fusion(ranked)
    keys = [key for key, _ in fused]
    scores = [score for _, score in fused]
    assert sorted(keys) == sorted({key for ranking in ranked for key in ranking})
    assert scores == sorted(scores, reverse=True)


@given(st.lists(st.integers(0, 50), unique=True))
def test_one_ranking_keeps_its_order(ranking: list[int]) -> None:
    assert [key for key, _ in reciprocal_rank_fusion([ranking])] == ranking


def test_the_cap_keeps_the_first_items_of_each_document_in_order() -> None:
    items = ["a1", "a2", "b1", "a3", "b2", "c1"]
    assert cap_per_document(items, lambda item: item[0], 2) == ["a1", "a2", "b1", "b2", "c1"]


def test_a_cap_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit"):
        cap_per_document(["a"], lambda item: item, 0)


@given(st.integers(1, 1000))
def test_a_place_earns_less_than_the_one_before_and_more_than_nothing(rank: int) -> None:
    assert place_share(1) == 1.0
    assert place_share(rank) > place_share(rank + 1) > 0
