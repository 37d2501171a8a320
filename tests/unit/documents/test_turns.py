"""How many are begun before one: the number on the page is the number of a round robin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from documents.turns import ahead

bases = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=6)


@given(st.integers(0, 40), bases)
def test_it_is_what_taking_turns_gives(position: int, others: list[tuple[int, bool]]) -> None:
    own = -1
    order = [
        *(number for number, (_, is_first) in enumerate(others) if is_first),
        own,
        *(number for number, (_, is_first) in enumerate(others) if not is_first),
    ]
    left = {number: count for number, (count, _) in enumerate(others)}
    own_left = position
    begun = 0
    while True:
        for turn in order:
            if turn == own:
                if own_left == 0:
                    assert ahead(position, others) == begun
                    return
                own_left -= 1
                begun += 1
            elif left[turn]:
                left[turn] -= 1
                begun += 1


def test_thousands_elsewhere_count_as_one_before_the_first_of_a_base() -> None:
    assert ahead(0, [(5_000, True)]) == 1
    assert ahead(0, [(5_000, False)]) == 0
