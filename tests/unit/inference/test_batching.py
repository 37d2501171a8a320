from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.batching import batches_by_length, even_batches

LENGTHS = st.lists(st.integers(0, 600), max_size=60)


@given(LENGTHS, st.integers(1, 4_000))
def test_every_position_comes_exactly_once(lengths: list[int], budget: int) -> None:
    batches = batches_by_length(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 4_000))
def test_a_padded_batch_stays_within_the_budget_unless_one_item_alone_exceeds_it(
    lengths: list[int], budget: int
) -> None:
    for batch in batches_by_length(lengths, budget):
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


def test_items_of_like_length_share_a_batch() -> None:
    assert batches_by_length([10, 100, 11, 99], 200) == [[1, 3], [2, 0]]


def test_a_batch_is_filled_up_to_the_budget_and_no_further() -> None:
    assert batches_by_length([50, 50, 50, 50, 50], 100) == [[0, 1], [2, 3], [4]]


def test_nothing_makes_no_batch() -> None:
    assert batches_by_length([], 100) == []


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 4_000), st.integers(1, 9))
def test_even_batches_hold_every_position_once_and_none_is_empty(
    lengths: list[int], budget: int, lanes: int
) -> None:
    batches = even_batches(lengths, budget, lanes)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(batches)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 4_000), st.integers(1, 9))
def test_an_even_batch_stays_within_the_budget_unless_one_item_alone_exceeds_it(
    lengths: list[int], budget: int, lanes: int
) -> None:
    for batch in even_batches(lengths, budget, lanes):
        assert len(batch) == 1 or sum(lengths[i] for i in batch) <= budget


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 4_000), st.integers(1, 9))
def test_no_lane_stands_idle_while_others_have_more_than_one_item_at_a_time(
    lengths: list[int], budget: int, lanes: int
) -> None:
    count = len(even_batches(lengths, budget, lanes))
    assert count % lanes == 0 or count == len(lengths)


def test_even_batches_differ_in_sum_by_no_more_than_an_item() -> None:
    lengths = [384] * 5 + [200, 180, 150, 90, 90, 60, 30]
    sums = [sum(lengths[i] for i in batch) for batch in even_batches(lengths, 4_000, 2)]
    assert len(sums) == 2
    assert max(sums) - min(sums) <= 60
