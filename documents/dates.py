"""When a document's content dates from, as far as the document says so. Pure."""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from documents.types import ParsedDocument

_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_HEAD, _TAIL = 4_000, 1_500
"""A date of the document stands on its first or last page; further in are dates of other things."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sept sep",
            "october oct",
            "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = r"(?P<n>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\.?"

_DATE_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:D:)(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",  # PDF
        r"(?<!\d)(?P<y>\d{4})\s*[-/.]\s*(?P<m>\d{1,2})\s*[-/.]\s*(?P<d>\d{1,2})(?!\d)",
        r"(?<!\d)(?P<y>\d{4})\s*年\s*(?P<m>\d{1,2})\s*月\s*(?:(?P<d>\d{1,2})\s*[日号號])?",
        r"(?<!\d)(?P<d>\d{1,2})(?:st|nd|rd|th)?\s+"
        + _MONTH.format("n")
        + r",?\s+(?P<y>\d{4})(?!\d)",
        _MONTH.format("n") + r"\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<y>\d{4})(?!\d)",
        r"(?<!\w)" + _MONTH.format("n") + r",?\s+(?P<y>\d{4})(?!\d)",
        r"(?<!\d)(?P<a>\d{1,2})\s*[-/.]\s*(?P<b>\d{1,2})\s*[-/.]\s*(?P<y>\d{4})(?!\d)",
        r"(?<!\d)(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})(?!\d)",
        r"(?<!\d)(?P<y>(?:19|20)\d{2})[-/.](?P<m>\d{1,2})(?!\d)",
        r"(?<!\d)(?P<y>(?:19|20)\d{2})\s*年?(?!\d)",
    )
)

_LABELS = (
    # Strongest first: what holds from a day says more than when a page was last touched.
    r"effective(?: date)?|valid from|in force from|生效日期|实施日期|施行日期|實施日期",
    r"(?:last |date )?(?:updated|reviewed|revised|modified)|last (?:update|review|revision)"
    r"|revision date|(?:更新|修订|修訂)(?:日期|时间|時間)|最后更新|最後更新",
    r"(?:date )?(?:published|issued|posted)|publication (?:date|year)|date of publication"
    r"|issue date|release date|(?:发布|公布|出版|发表|印发|發布|發佈|公佈|發表)(?:日期|时间|時間)",
)
_VALUE = r"[*_\s]*(?P<value>[^\n]{4,40})"
_LABELLED = (
    re.compile(r"(?P<value>\d{4}年\d{1,2}月\d{1,2}日)\s*起?(?:施行|实施|實施|生效)"),
    *(
        re.compile(rf"(?<![\w-])(?:{label})(?: on| in| from| as of)?\s*[:：=|]?{_VALUE}", re.I)
        for label in _LABELS
    ),
    re.compile(r"(?P<value>\d{4}年\d{1,2}月\d{1,2}日)\s*(?:发布|公布|印发|修订|發布|公佈|修訂)"),
    # "Date" and "year" are common words: only at the start of a line and with a colon.
    re.compile(rf"^[ \t>*_|-]*(?:date|year|日期|年份)[*_]*\s*[:：|]{_VALUE}", re.I | re.M),
)
_FILENAME_YEAR = re.compile(r"(?:^|[-_. (])((?:19|20)\d{2})(?=$|[-_. )])")
_METADATA_KEYS = (
    ("effective_date", "effective", "valid_from"),
    ("updated", "last_updated", "lastmod", "last_modified", "reviewed", "last_reviewed"),
    ("published", "date", "issued", "publish_date", "pubdate", "year"),
)
_FILE_KEYS = (("modified", "created"),)


def find_effective_date(parsed: ParsedDocument, filename: str) -> date | None:
    """The date from which the document's content holds, or ``None`` when nothing tells.

    Looked for in this order: what the author stated in metadata (effective, then updated, then
    published), the parser's publication date, a labelled date in the first or last page of the
    text ("Last reviewed: 1 May 2024", "发布日期：2024年5月1日"), a date in the file's name, and the
    time stamps that a program left in the file. A month alone is its first day, a year alone its
    first day: never newer than stated.
    """
    stated = _from_metadata(parsed.metadata, _METADATA_KEYS)
    return (
        stated
        or parsed.published
        or _from_labels(parsed.text)
        or _from_filename(filename)
        or _from_metadata(parsed.metadata, _FILE_KEYS)
    )


def parse_date(text: str) -> date | None:
    """The first date in ``text``, in English, Chinese, ISO or PDF notation, from 1900 to 2100.

    Of a date whose day and month could be exchanged (03/04/2024) only the year is taken.
    """
    found = min(_dates(text), default=None)
    return None if found is None else found[2]


def _dates(text: str) -> Iterator[tuple[int, int, date]]:
    """Offset, rank of the notation and date: of each notation the first that names a real day."""
    for rank, pattern in enumerate(_DATE_PATTERNS):
        for match in pattern.finditer(text):
            value = _date_of(match.groupdict())
            if value is not None:
                yield match.start(), rank, value
                break


def _date_of(groups: Mapping[str, str | None]) -> date | None:
    year = int(groups["y"] or 0)
    month = int(groups.get("m") or _MONTHS.get((groups.get("n") or "").lower(), 1))
    day = int(groups.get("d") or 1)
    first, second = groups.get("a"), groups.get("b")
    if first and second:
        low, high = sorted((int(first), int(second)))
        if high <= 12 and low != high:
            return None
        month, day = low, high
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _from_metadata(metadata: Mapping[str, str], rows: tuple[tuple[str, ...], ...]) -> date | None:
    values = {key.lower().replace("-", "_").replace(" ", "_"): metadata[key] for key in metadata}
    for keys in rows:
        for key in keys:
            found = parse_date(values.get(key, ""))
            if found is not None:
                return found
    return None


def _from_labels(text: str) -> date | None:
    page = text if len(text) <= _HEAD + _TAIL else text[:_HEAD] + "\n" + text[-_TAIL:]
    for pattern in _LABELLED:
        for match in pattern.finditer(page):
            found = _opening_date(match["value"])
            if found is not None:
                return found
    return None


def _opening_date(value: str) -> date | None:
    """The date that ``value`` opens with; "date: see page 2024" opens with none."""
    found = min(_dates(value), default=None)
    return None if found is None or found[0] > 4 else found[2]


def _from_filename(filename: str) -> date | None:
    stem = PurePath(filename).stem
    found = parse_date(stem.replace("_", "-"))
    if found is None or (found.month, found.day) != (1, 1):
        return found
    # A year alone must stand by itself: "RFC2045" names no year.
    year = _FILENAME_YEAR.search(stem)
    return date(int(year.group(1)), 1, 1) if year else None
