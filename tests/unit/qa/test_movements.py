"""What rerank did to the order, told per item."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.movements import Movement, compare_orders


def test_items_move_up_and_down_within_the_top() -> None:
    found = compare_orders("abc", "cab", top=3)
    assert found.movements == {
        "a": Movement("down", 1),
        "b": Movement("down", 1),
        "c": Movement("up", 2),
    }
    assert (found.changed, found.moved, found.top) == (0, 3, 3)


def test_an_item_is_new_when_it_comes_into_the_top_and_dropped_when_it_leaves() -> None:
    found = compare_orders("abcd", "adbc", top=2)
    assert found.movements["d"] == Movement("new", 2)
    assert found.movements["b"] == Movement("dropped", 1)
    assert found.movements["a"] == Movement("same")
    assert found.movements["c"] == Movement("down", 1)
    assert (found.changed, found.moved) == (1, 1)


def test_the_top_may_be_longer_than_the_lists() -> None:
    found = compare_orders("ab", "ba", top=5)
    assert (found.changed, found.moved, found.top) == (0, 2, 2)


def test_an_item_of_one_order_only_moved_no_known_distance() -> None:
    found = compare_orders("ab", "xa", top=2)
    assert found.movements["x"] == Movement("new", 0)
    assert found.movements["b"] == Movement("dropped", 0)


def test_a_top_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        compare_orders("ab", "ab", top=0)


@given(st.permutations(range(12)), st.integers(1, 12))
def test_as_many_items_come_in_as_drop_out(after: list[int], top: int) -> None:
    found = compare_orders(range(12), after, top=top)
    kinds = [movement.kind for movement in found.movements.values()]
    assert kinds.count("new") == kinds.count("dropped") == found.changed
    assert found.changed <= found.moved <= found.top == top


@given(st.lists(st.integers(), unique=True, min_size=1), st.integers(1, 20))
def test_an_order_compared_with_itself_has_not_changed(items: list[int], top: int) -> None:
    found = compare_orders(items, items, top=top)
    assert found.changed == found.moved == 0
    assert {movement.kind for movement in found.movements.values()} == {"same"}
