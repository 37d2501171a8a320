from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents.dates import (
    FoundDates,
    find_dates,
    find_effective_date,
    find_expiry_date,
    parse_date,
    settled_dates,
)
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
        ("二〇二四年五月一日", date(2024, 5, 1)),
        ("二零二四年十二月三十一日", date(2024, 12, 31)),
        ("一九九八年十月二十日", date(1998, 10, 20)),
        ("二〇二四年", date(2024, 1, 1)),
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
        "本办法自二〇二四年五月一日起施行。",
        "This leaflet was last reviewed on 1 May 2024.",
        "Date of issue: 1 May 2024",
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
        "A study published in 2024 found no difference.",
        "The trial, issued in May 2024, was small.",
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Valid until 31 May 2027", date(2027, 5, 31)),
        ("**Expires on:** 2027-05-31", date(2027, 5, 31)),
        ("Title\n\nExpiry date | May 2027", date(2027, 5, 31)),
        ("Valid to: February 2028", date(2028, 2, 29)),
        ("Valid through 2027", date(2027, 12, 31)),
        ("有效期至：2027年5月", date(2027, 5, 31)),
        ("失效日期：二〇二七年五月三十一日", date(2027, 5, 31)),
        ("Review due: 31 May 2027", None),
        ("Your voucher is valid until 31 May 2027.", None),
        ("Expires when replaced by the 2027 edition", None),
    ],
)
def test_the_last_day_is_read_where_a_line_says_so(text: str, expected: date | None) -> None:
    assert find_expiry_date(parsed(text)) == expected


def test_the_last_day_stated_in_metadata_goes_before_the_text() -> None:
    document = parsed("Valid until 2027-05-31", **{"Valid-Until": "2026"})
    assert find_expiry_date(document) == date(2026, 12, 31)


def test_a_document_that_would_end_before_it_begins_has_no_end() -> None:
    document = parsed("Effective: 2024-05-01\nExpires: 2023-05-01")
    assert find_dates(document, "file.txt") == FoundDates(date(2024, 5, 1), None)


days = st.none() | st.dates(date(2000, 1, 1), date(2030, 1, 1))
pairs = st.builds(FoundDates, days, days)


@settings(deadline=None)
@given(pairs)
def test_found_dates_survive_being_stored(found: FoundDates) -> None:
    assert FoundDates.of(found.stored()) == found


def test_nothing_stored_is_nothing_found() -> None:
    assert FoundDates.of(None) == FoundDates.of({}) == FoundDates()


def test_a_new_version_brings_its_own_date() -> None:
    old, new = FoundDates(date(2019, 1, 1)), FoundDates(date(2025, 1, 1), date(2027, 1, 1))
    assert settled_dates(FoundDates(), FoundDates(), old) == old
    assert settled_dates(old, old, new) == new


@pytest.mark.parametrize("said", [FoundDates(date(2021, 1, 1)), FoundDates()])
def test_what_a_curator_said_stands_also_that_the_date_is_unknown(said: FoundDates) -> None:
    before = FoundDates(date(2019, 1, 1))
    assert settled_dates(said, before, FoundDates(date(2025, 1, 1))) == said


@settings(deadline=None)
@given(pairs, pairs, pairs)
def test_no_document_ends_before_it_begins(
    current: FoundDates, before: FoundDates, now: FoundDates
) -> None:
    settled = settled_dates(current, before, now)
    assert not (settled.effective and settled.expires and settled.expires < settled.effective)
