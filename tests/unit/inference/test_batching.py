from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference.batching import batches_by_length

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
