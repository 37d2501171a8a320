"""Rows of a table as text that can be read row by row: each value says what it is the value of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from documents.parsing.builder import DocumentBuilder

    Row = Sequence[str]

_NUMBER = re.compile(r"[-+(]?[$€£¥]?\d[\d.,:/ -]*\s?(?:%|\))?|true|false|n/?a|-+", re.IGNORECASE)
_HEADER_LENGTH = 80
_DEFAULT_NAME = re.compile(
    r"(?:sheet|tabelle|feuille?|hoja|foglio|planilha|лист|工作表|シート)\s?\d+|", re.IGNORECASE
)
_LABEL_END = re.compile(r"[\s:：]+$")
_BRACKETS = re.compile(r"[(（\[【].*?[)）\]】]")
_MARKS = re.compile(r"[\W_]+")
_QUESTIONS = frozenset(
    [
        "question",
        "questions",
        "q",
        "query",
        "faq",
        "userquestion",
        "standardquestion",
        "问题",
        "问",
        "提问",
        "问句",
        "标准问题",
        "标准问",
        "用户问题",
        "常见问题",
        "問題",
        "問",
        "提問",
        "問句",
        "標準問題",
        "常見問題",
    ]
)
_ANSWERS = frozenset(
    [
        "answer",
        "answers",
        "a",
        "reply",
        "response",
        "solution",
        "standardanswer",
        "答案",
        "回答",
        "答",
        "答复",
        "回复",
        "解答",
        "标准答案",
        "答覆",
        "回覆",
        "標準答案",
    ]
)


def add_table(
    builder: DocumentBuilder,
    rows: Sequence[Row],
    *,
    has_header: bool | None = None,
    page: int | None = None,
) -> None:
    """Add the rows, each as ``column: value | column: value`` under a header that names columns.

    Rows of one value before the header are captions, and become paragraphs. ``has_header`` is what
    the format says; ``None`` means that it says nothing. Where no row looks like a header, rows are
    ``value | value``. A table with a question and an answer column gives one ``pair`` for each row
    that has both: question, answer, and the other columns.
    """
    kept = [row for row in rows if any(cell.strip() for cell in row)]
    table = [[" ".join(cell.split()) for cell in row] for row in kept]  # the builder cleans them
    while len(table) > 1 and _is_caption(table[0], table):
        builder.add("paragraph", next(cell for cell in table.pop(0) if cell), page=page)
    if has_header is False or not _has_header(table):
        for row in table:
            builder.add("table_row", " | ".join(_trimmed(row)), page=page)
        return
    labels = [_LABEL_END.sub("", cell) for cell in table[0]]
    columns = question_columns(labels)
    if columns is None:
        builder.add("table_row", " | ".join(_trimmed(labels)), page=page)
    for row, raw in zip(table[1:], kept[1 - len(table) :], strict=True):
        pair = _pair(labels, row, raw, columns)
        if pair:
            builder.add("pair", pair, page=page)
        else:
            builder.add("table_row", " | ".join(_labelled(labels, row)), page=page)


def regions(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The tables of a sheet: runs of rows between empty ones."""
    region: list[Row] = []
    for row in rows:
        if any(cell.strip() for cell in row):
            region.append(row)
        elif region:
            yield region
            region = []
    if region:
        yield region


def names_something(sheet: str) -> bool:
    """Whether a sheet was given a name; "Sheet1" is none."""
    return _DEFAULT_NAME.fullmatch(sheet.strip()) is None


def question_columns(labels: Sequence[str]) -> tuple[int, int] | None:
    """Which columns hold questions and answers, by their English or Chinese headings."""
    names = [_MARKS.sub("", _BRACKETS.sub("", label)).casefold() for label in labels]
    question = next((i for i, name in enumerate(names) if name in _QUESTIONS), None)
    answer = next((i for i, name in enumerate(names) if name in _ANSWERS), None)
    return None if question is None or answer is None else (question, answer)


def _has_header(table: Sequence[Row]) -> bool:
    """Whether the first row names columns: short different words, no number, one for each value."""
    if len(table) < 2:
        return False
    labels = [cell for cell in table[0] if cell]
    columns_with_values = sum(
        any(index < len(row) and row[index] for row in table[1:])
        for index in range(max(len(row) for row in table))
    )
    return (
        len(labels) >= 2
        and len(set(labels)) == len(labels)
        and 2 * len(labels) > columns_with_values
        and all(len(cell) <= _HEADER_LENGTH and not _NUMBER.fullmatch(cell) for cell in labels)
        and list(table[0]) != list(table[1])
    )


def _is_caption(row: Row, table: Sequence[Row]) -> bool:
    """A single value above rows of several is the table's title."""
    return sum(map(bool, row)) == 1 and any(sum(map(bool, other)) > 1 for other in table[1:])


def _pair(labels: Row, row: Row, raw: Row, columns: tuple[int, int] | None) -> str:
    if columns is None or max(columns) >= len(row) or not all(row[index] for index in columns):
        return ""
    others = [
        _value(labels, index, cell)
        for index, cell in enumerate(row)
        if cell and index not in columns
    ]
    # The answer keeps its lines.
    return "\n".join([row[columns[0]], raw[columns[1]], *others])


def _labelled(labels: Row, row: Row) -> list[str]:
    return [_value(labels, index, cell) for index, cell in enumerate(row) if cell]


def _value(labels: Row, index: int, cell: str) -> str:
    label = labels[index] if index < len(labels) else ""
    return f"{label}: {cell}" if label else cell


def _trimmed(row: Row) -> Row:
    """Without the empty cells behind the last value: sheets are wider than what is in them."""
    width = max((index + 1 for index, cell in enumerate(row) if cell), default=0)
    return row[:width]
