from __future__ import annotations

from inference.formatting import format_passage


def test_a_passage_stands_under_its_title_and_headings() -> None:
    written = format_passage("Sleep", ["Habits", "Evening"], "Dim the lights.")
    assert written == "Sleep > Habits > Evening\nDim the lights."


def test_empty_parts_leave_no_separator_behind() -> None:
    assert format_passage("", ["", " Evening "], "Dim.") == "Evening\nDim."


def test_a_passage_without_title_or_headings_is_the_text_itself() -> None:
    assert format_passage(" ", [], "Dim the lights.") == "Dim the lights."


def test_a_first_heading_that_repeats_the_title_is_written_once() -> None:
    assert format_passage("Sleep", ["Sleep", "Habits"], "Dim.") == "Sleep > Habits\nDim."


def test_the_same_heading_further_down_is_kept() -> None:
    assert format_passage("Sleep", ["Habits", "Sleep"], "Dim.") == "Sleep > Habits > Sleep\nDim."
