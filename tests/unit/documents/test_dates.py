from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.dates import find_effective_date, parse_date
from documents.types import ParsedDocument


def parsed(text: str = "", **metadata: str) -> ParsedDocument:
    return ParsedDocument(text, (), metadata=metadata)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", date(2024, 5, 1)),
        ("2024/5/1", date(2024, 5, 1)),
        ("2024-05-01T10:00:00Z", date(2024, 5, 1)),
        ("D:20240501093000+02'00'", date(2024, 5, 1)),
        ("20240501", date(2024, 5, 1)),
        ("1 May 2024", date(2024, 5, 1)),
        ("1st of nothing, then 2 May 2024", date(2024, 5, 2)),
        ("May 1st, 2024", date(2024, 5, 1)),
        ("Sept. 2024", date(2024, 9, 1)),
        ("25/12/2024", date(2024, 12, 25)),
        ("12.25.2024", date(2024, 12, 25)),
        ("2024年5月1日", date(2024, 5, 1)),
        ("2024年5月", date(2024, 5, 1)),
        ("2024年", date(2024, 1, 1)),
        ("2024", date(2024, 1, 1)),
        ("2024-05", date(2024, 5, 1)),
        ("03/04/2024", date(2024, 1, 1)),
        ("2024-13-45", date(2024, 1, 1)),
        ("31 February 2024", date(2024, 2, 1)),
        ("1066-10-14", None),
        ("in 3 days", None),
        ("", None),
    ],
)
def test_dates_are_read_in_the_usual_notations(text: str, expected: date | None) -> None:
    assert parse_date(text) == expected


@given(st.text(max_size=60))
def test_no_text_breaks_the_search_for_a_date(text: str) -> None:
    found = parse_date(text)
    assert found is None or 1900 <= found.year <= 2100


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_an_iso_date_is_read_back(day: date) -> None:
    assert parse_date(day.isoformat()) == day


@pytest.mark.parametrize(
    "text",
    [
        "Last reviewed: 1 May 2024",
        "**Updated** 2024-05-01",
        "Published 2024-05-01 by the clinic board.",
        "Date of publication | May 1, 2024",
        "A title\n\nDate: 2024-05-01",
        "发布日期：2024年5月1日",
        "發佈日期 2024-05-01",
        "本办法自2024年5月1日起施行。",
    ],
)
def test_a_labelled_date_in_the_text_is_found(text: str) -> None:
    assert find_effective_date(parsed(text), "file.txt") == date(2024, 5, 1)


@pytest.mark.parametrize(
    "text",
    [
        "The war ended on 1 May 2024.",
        "The date: see page 2024",
        "updated guidance will follow in 2024",
        "We date 2024 samples",
    ],
)
def test_a_date_without_a_label_is_not_the_documents(text: str) -> None:
    assert find_effective_date(parsed(text), "file.txt") is None


def test_a_date_deep_inside_a_long_text_is_not_the_documents() -> None:
    text = "word " * 2000 + "Published 2024-05-01 " + "word " * 2000

    assert find_effective_date(parsed(text), "file.txt") is None


def test_what_holds_from_a_day_goes_before_when_it_was_published() -> None:
    text = "Published: 2023-01-01\nEffective from 2024-05-01"

    assert find_effective_date(parsed(text), "file.txt") == date(2024, 5, 1)


def test_stated_metadata_goes_before_the_text() -> None:
    document = parsed("Published: 2001-01-01", Updated="2024-05-01", date="2020-01-01")

    assert find_effective_date(document, "file.txt") == date(2024, 5, 1)


def test_the_parsers_publication_date_goes_before_the_text() -> None:
    document = ParsedDocument("Published: 2001-01-01", (), published=date(2024, 5, 1))

    assert find_effective_date(document, "file.txt") == date(2024, 5, 1)


def test_the_files_time_stamp_comes_last() -> None:
    document = parsed("no date", created="D:20010101000000")

    assert find_effective_date(document, "minutes-2024-05-01.pdf") == date(2024, 5, 1)
    assert find_effective_date(document, "minutes.pdf") == date(2001, 1, 1)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("guideline_2019.pdf", date(2019, 1, 1)),
        ("20240501 minutes.docx", date(2024, 5, 1)),
        ("指南 2024年5月.pdf", date(2024, 5, 1)),
        ("RFC2045.txt", None),
        ("abs-19694846.md", None),
        ("invoice-8877.pdf", None),
    ],
)
def test_a_date_in_the_name_of_the_file_is_read(filename: str, expected: date | None) -> None:
    assert find_effective_date(parsed(), filename) == expected
