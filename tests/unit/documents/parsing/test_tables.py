from __future__ import annotations

import pytest

from documents.parsing.builder import DocumentBuilder
from documents.parsing.tables import add_table, question_columns, regions
from tests.unit.documents.parsing.builders import kinds_and_texts


def added(rows: list[list[str]], *, has_header: bool | None = None) -> list[tuple[str, str]]:
    builder = DocumentBuilder(10_000)
    add_table(builder, rows, has_header=has_header)
    return kinds_and_texts(builder.build())


def test_each_row_says_what_its_values_are() -> None:
    assert added([["Food", "Grams"], ["Apple", "12"], ["Pear", ""]]) == [
        ("table_row", "Food | Grams"),
        ("table_row", "Food: Apple | Grams: 12"),
        ("table_row", "Food: Pear"),
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [["1", "2"], ["3", "4"]],  # numbers name nothing
        [["a", "a"], ["b", "c"]],  # twice the same
        [["word " * 30, "b"], ["c", "d"]],  # a sentence
        [["a", "b"]],  # nothing below
    ],
)
def test_rows_without_a_header_are_values_only(rows: list[list[str]]) -> None:
    joined = [" | ".join(" ".join(cell.split()) for cell in row) for row in rows]

    assert added(rows) == [("table_row", text) for text in joined]


def test_a_format_that_knows_that_there_is_no_header_is_believed() -> None:
    assert added([["Name", "Kind"], ["a", "b"]], has_header=False)[1] == ("table_row", "a | b")


def test_a_value_beyond_the_labels_stands_by_itself() -> None:
    assert added([["Food", "Grams"], ["Apple", "12", "ripe"]])[1] == (
        "table_row",
        "Food: Apple | Grams: 12 | ripe",
    )


def test_a_caption_above_the_columns_is_a_paragraph() -> None:
    assert added([["Prices", ""], ["Food", "Euro"], ["Apple", "1"]]) == [
        ("paragraph", "Prices"),
        ("table_row", "Food | Euro"),
        ("table_row", "Food: Apple | Euro: 1"),
    ]


@pytest.mark.parametrize(
    ("labels", "columns"),
    [
        (["Question", "Answer"], (0, 1)),
        (["id", "ANSWER:", "Questions"], (2, 1)),
        (["Q", "A"], (0, 1)),
        (["问题", "答案"], (0, 1)),
        (["标准问题（必填）", "回答"], (0, 1)),
        (["類別", "問題", "回覆"], (1, 2)),
        (["Question", "Score"], None),
        (["Title", "Text"], None),
    ],
)
def test_columns_of_questions_and_answers_are_told_by_their_headings(
    labels: list[str], columns: tuple[int, int] | None
) -> None:
    assert question_columns(labels) == columns


def test_a_question_with_its_answer_is_a_pair_that_keeps_the_other_columns() -> None:
    rows = [
        ["Topic", "Question", "Answer"],
        ["Sleep", "How\nlong?", "Eight hours.\nNo less."],
        ["Diet", "What?", ""],
    ]

    assert added(rows) == [
        ("pair", "How long?\nEight hours.\nNo less.\nTopic: Sleep"),
        ("table_row", "Topic: Diet | Question: What?"),
    ]


def test_empty_rows_part_the_tables_of_a_sheet() -> None:
    rows = [["a"], ["", " "], [], ["b"], ["c"]]

    assert list(regions(rows)) == [[["a"]], [["b"], ["c"]]]
