"""Pieces at places, to lines in the order in which a reader takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.parsing.layout import Piece, PrintedLine, lay_out, turned
from documents.parsing.reading_order import sorted_by_place

WIDE = 180.0


def piece(text: str, left: float, base: float, *, width: float = 0, size: float = 10) -> Piece:
    right = left + (width or 0.5 * size * len(text))
    return Piece(text, (left, base - 2, right, base + 7), (left, base), size)


def texts(pieces: list[Piece]) -> list[str]:
    return [line.text for line in lay_out(pieces, 1)]


def column(name: str, left: float, top: float, lines: int) -> list[Piece]:
    return [piece(f"{name}{n}", left, top - 12 * n, width=WIDE) for n in range(lines)]


def test_the_order_of_drawing_is_kept_where_the_page_bears_it_out() -> None:
    drawn = [*column("left", 50, 500, 6), *column("right", 250, 500, 6)]

    assert texts(drawn) == [one.text for one in drawn]


def test_columns_that_are_drawn_line_by_line_are_read_one_after_the_other() -> None:
    left, right = column("left", 50, 500, 6), column("right", 250, 500, 6)
    drawn = [one for pair in zip(left, right, strict=True) for one in pair]

    assert texts(drawn) == [one.text for one in (*left, *right)]


def test_lines_over_the_whole_width_part_the_columns_above_from_those_below() -> None:
    title = piece("A title over both", 50, 540, width=380)
    above = (column("a", 50, 520, 5), column("b", 250, 520, 5))
    between = piece("A heading over both", 50, 440, width=380)
    below = (column("c", 50, 420, 5), column("d", 250, 420, 5))
    right_order = [title, *above[0], *above[1], between, *below[0], *below[1]]
    drawn = [*below[1], *below[0], between, *above[1], *above[0], title]

    assert texts(drawn) == [one.text for one in right_order]


def test_text_that_is_drawn_last_and_stands_first_is_read_first() -> None:
    body, head = column("body", 50, 400, 8), column("head", 50, 500, 3)

    assert texts([*body, *head]) == [one.text for one in (*head, *body)]


def test_the_lines_of_a_narrow_cell_stay_together() -> None:
    head = [piece("What is drawn last", 50, 560, width=30)]
    first = [piece(f"cell a{n}", 50, 500 - 12 * n) for n in range(3)]
    second = [piece(f"cell b{n}", 150, 500 - 12 * n) for n in range(4)]

    assert texts([*first, *second, *head]) == [one.text for one in (*head, *first, *second)]


def test_a_page_head_that_is_drawn_last_changes_nothing() -> None:
    body = [piece(f"a long line of the body {n} " * 3, 50, 400 - 12 * n) for n in range(20)]
    head = piece("3", 200, 560)

    assert texts([*body, head])[-1] == "3"


def test_cells_that_lie_above_each_other_are_rows() -> None:
    rows = [("Country", "Capital"), ("Austria", "Vienna"), ("Denmark", "Copenhagen")]
    drawn = [
        piece(cell, 50 + 100 * column, 500 - 14 * number)
        for number, row in enumerate(rows)
        for column, cell in enumerate(row)
    ]

    found = lay_out(drawn, 1)

    assert [line.text for line in found] == [" | ".join(row) for row in rows]
    assert all(line.is_row for line in found)
    assert found[0].box == (50, 498, 185, 507)


def test_a_sign_of_currency_belongs_to_its_amount() -> None:
    drawn = [
        piece(cell, left, base)
        for base, year in ((500, "2020"), (486, "2021"))
        for cell, left in ((year, 50), ("$", 100), ("11,139", 140))
    ]

    assert texts(drawn) == ["2020 | $ 11,139", "2021 | $ 11,139"]


def test_a_column_that_a_row_leaves_out_is_an_empty_cell() -> None:
    drawn = [
        *(piece("Parts", 50, 500), piece("Hours", 150, 500), piece("Cost", 250, 500)),
        *(piece("Paint", 50, 486), piece("2", 180, 486), piece("300", 255, 486)),
        *(piece("Glass", 50, 472), piece("40", 255, 472)),
        *(piece("Sum", 150, 458), piece("340", 255, 458)),
    ]

    assert texts(drawn) == [
        "Parts | Hours | Cost",
        "Paint | 2 | 300",
        "Glass |  | 40",
        " | Sum | 340",
    ]


def test_a_heading_over_two_columns_leaves_none_out() -> None:
    drawn = [
        *(piece("Year", 50, 500), piece("Before and after", 150, 500, width=150)),
        *(piece("2020", 50, 486), piece("1", 155, 486), piece("2", 255, 486)),
        *(piece("2021", 50, 472), piece("3", 155, 472), piece("4", 255, 472)),
    ]

    assert texts(drawn) == ["Year | Before and after", "2020 | 1 | 2", "2021 | 3 | 4"]


def test_a_label_between_rows_does_not_end_a_table() -> None:
    drawn = [
        *(piece("Parts", 50, 500), piece("20", 150, 500)),
        piece("Labour", 50, 486),
        *(piece("Body", 50, 472), piece("30", 150, 472)),
    ]

    assert texts(drawn) == ["Parts | 20", "Labour", "Body | 30"]


@pytest.mark.parametrize("mark", ["•", "1.", "(a)", "4.1", "iv)", "B.2"])
def test_the_mark_before_an_item_or_heading_is_no_cell(mark: str) -> None:
    drawn = [
        one
        for base in (500, 486, 472)
        for one in (piece(mark, 50, base), piece("Some words after it", 90, base))
    ]

    assert texts(drawn) == [f"{mark} Some words after it"] * 3


def test_a_single_line_with_a_gap_is_no_table() -> None:
    assert texts([piece("Chapter", 50, 500), piece("Page", 300, 500)]) == ["Chapter Page"]


def test_lowered_pieces_join_their_word_and_raised_ones_stay_apart_from_it() -> None:
    drawn = [
        piece("CO", 50, 500),
        piece("2", 60.5, 497, size=6),
        piece("rose, says Lee", 68, 500),
        piece("4", 138.2, 504, size=6),
        piece(", a lot.", 141.4, 500),
    ]

    assert texts(drawn) == ["CO2 rose, says Lee 4, a lot."]


def test_what_is_written_in_another_direction_comes_last_and_is_marked() -> None:
    stamp = Piece("arXiv 2203", (20, 200, 30, 400), (28, 200), 20, turn=90)

    found = lay_out([stamp, *column("body", 50, 500, 4)], 1)

    assert [line.text for line in found][-1] == "arXiv 2203"
    assert [line.is_aside for line in found] == [False] * 4 + [True]


def test_the_letters_of_a_word_that_climbs_the_margin_are_one_line() -> None:
    letters = [
        Piece(letter, (20, 200 + 6 * n, 30, 205 + 6 * n), (28, 200 + 6 * n), 10, turn=90)
        for n, letter in enumerate("draft")
    ]

    assert texts([*column("body", 50, 500, 4), *letters])[-1] == "draft"


def test_a_page_that_lies_on_its_side_is_read_along_its_lines() -> None:
    upright = [*column("left", 50, 500, 6), *column("right", 250, 500, 6)]
    turned_pieces = [
        Piece(
            one.text, turned(one.box, 270), turned((*one.origin, *one.origin), 270)[:2], 10, turn=90
        )
        for one in upright
    ]

    found = lay_out(turned_pieces, 1)

    assert [line.text for line in found] == [one.text for one in upright]
    assert not any(line.is_aside for line in found)


@given(st.tuples(*[st.floats(0, 500)] * 4), st.sampled_from([0, 90, 180, 270]))
def test_turning_on_to_a_whole_turn_changes_nothing(
    edges: tuple[float, float, float, float], turn: int
) -> None:
    box = (min(edges[0], edges[2]), edges[1], max(edges[0], edges[2]), max(edges[1], edges[3]))

    assert turned(turned(box, turn), (360 - turn) % 360) == pytest.approx(box)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 400), st.floats(0, 600), st.floats(1, 400), st.sampled_from([8, 10, 20])
        ),
        max_size=40,
    )
)
def test_no_line_is_lost_or_doubled_by_sorting(
    places: list[tuple[float, float, float, float]],
) -> None:
    lines = [
        PrintedLine(str(n), 1, box := (x, y, x + width, y + size), box, y, size, bold=False)
        for n, (x, y, width, size) in enumerate(places)
    ]

    found = sorted_by_place(lines)

    assert sorted(line.text for line in found) == sorted(line.text for line in lines)
