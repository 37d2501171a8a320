"""When a document's content dates from, as far as the document says so. Pure."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from documents.types import ParsedDocument

_FIRST_YEAR, _LAST_YEAR = 1900, 2100
_HEAD, _TAIL = 4_000, 1_500
"""A date of the document stands on its first or last page; further in are dates of other things."""
_LABEL_GAP = 4
"""Characters that may stand between a label and its date."""

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

_WITHOUT_DAY = frozenset(
    rank
    for rank, pattern in enumerate(_DATE_PATTERNS)
    if not {"d", "a"} & pattern.groupindex.keys()
)

_LABELS = (
    # Strongest first: what holds from a day says more than when a page was last touched.
    r"effective(?: date)?|valid from|in force from|生效日期|实施日期|施行日期|實施日期",
    r"(?:last |date )?(?:updated|reviewed|revised|modified)|last (?:update|review|revision)"
    r"|revision date|(?:更新|修订|修訂)(?:日期|时间|時間)|最后更新|最後更新",
    r"(?:date )?(?:published|issued|posted)|publication (?:date|year)|date of publication"
    r"|issue date|date of issue|release date"
    r"|(?:发布|公布|出版|发表|印发|發布|發佈|公佈|發表)(?:日期|时间|時間)",
)
_EXPIRY_LABELS = (
    r"valid (?:until|to|till|through)|expir(?:es|y(?: date)?|ation(?: date)?)|not valid after"
    r"|有效期(?:限)?至|有效期(?:到|截至)|失效日期|废止日期|廢止日期"
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
_EXPIRY = re.compile(
    # At the start of a line only: further in it is a voucher or a passport that expires.
    rf"^[ \t>*_|(（-]*(?:{_EXPIRY_LABELS})[*_]*(?: on| in)?\s*[:：=|]?{_VALUE}",
    re.IGNORECASE | re.MULTILINE,
)
_EXPIRY_KEYS = (
    ("expires_at", "expires", "expiry", "expiry_date", "expiration_date", "expires_on"),
    ("valid_until", "valid_to", "valid_through"),
)
_CHINESE_DATE = re.compile(
    r"(?P<y>[一二][〇○零九][〇○零一二三四五六七八九]{2})年"
    r"(?:(?P<m>十[一二]?|[一二三四五六七八九])月)?"
    r"(?:(?P<d>[二三]?十[一二三四五六七八九]?|[一二三四五六七八九])[日号號])?"
)
_NUMERALS = "零一二三四五六七八九"
_METADATA_KEYS = (
    ("effective_date", "effective", "valid_from"),
    ("updated", "last_updated", "lastmod", "last_modified", "reviewed", "last_reviewed"),
    ("published", "date", "issued", "publish_date", "pubdate", "year"),
)
_FILE_KEYS = (("modified", "created"),)


class FoundDates(NamedTuple):
    """What a document says of when its content holds; ``expires`` is the last day."""

    effective: date | None = None
    expires: date | None = None

    def stored(self) -> dict[str, str | None]:
        """Ready for JSON."""
        return {name: day.isoformat() if day else None for name, day in self._asdict().items()}

    @classmethod
    def of(cls, stored: object) -> FoundDates:
        """From ``stored``; nothing was found where nothing is stored."""
        if not isinstance(stored, dict):
            return cls()
        days = (stored.get(name) for name in cls._fields)
        return cls(*(date.fromisoformat(day) if day else None for day in days))


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


def find_expiry_date(parsed: ParsedDocument) -> date | None:
    """The last day on which the document holds, or ``None`` when it does not say.

    From metadata, then from a line of the first or last page that says so ("Valid until 31 May
    2027", "有效期至：2027年5月"). A month alone is its last day, a year alone its last day. When a
    review is due is no expiry.
    """
    values = _by_plain_key(parsed.metadata)
    stated = (values.get(key, "") for keys in _EXPIRY_KEYS for key in keys)
    lines = (match["value"] for match in _EXPIRY.finditer(_first_and_last_page(parsed.text)))
    for value, furthest in ((stated, None), (lines, _LABEL_GAP)):
        for text in value:
            found = min(_dates(text, end=True), default=None)
            if found is not None and (furthest is None or found[0] <= furthest):
                return found[2]
    return None


def find_dates(parsed: ParsedDocument, filename: str) -> FoundDates:
    """Both dates; an end before the beginning is none."""
    effective, expires = find_effective_date(parsed, filename), find_expiry_date(parsed)
    return _in_order(FoundDates(effective, expires))


def settled_dates(current: FoundDates, before: FoundDates, now: FoundDates) -> FoundDates:
    """The dates that a document keeps when it is indexed again.

    ``current`` is what the document has, ``before`` what was found in the version before, ``now``
    what is found in the new one. Where the first two differ a curator has spoken, be it by leaving
    the date empty, and that stands.
    """
    return _in_order(
        FoundDates(
            now.effective if current.effective == before.effective else current.effective,
            now.expires if current.expires == before.expires else current.expires,
        )
    )


def _in_order(dates: FoundDates) -> FoundDates:
    out_of_order = dates.effective and dates.expires and dates.expires < dates.effective
    return dates._replace(expires=None) if out_of_order else dates


def parse_date(text: str) -> date | None:
    """The first date in ``text``, in English, Chinese, ISO or PDF notation, from 1900 to 2100.

    Of a date whose day and month could be exchanged (03/04/2024) only the year is taken.
    """
    found = min(_dates(text), default=None)
    return None if found is None else found[2]


def _dates(text: str, *, end: bool = False) -> Iterator[tuple[int, int, date]]:
    """Offset, rank of the notation and date: of each notation the first that names a real day.

    With ``end`` a month or a year alone stands for its last day, else for its first.
    """
    text = _CHINESE_DATE.sub(_in_digits, text)
    for rank, pattern in enumerate(_DATE_PATTERNS):
        for match in pattern.finditer(text):
            value = _date_of(match.groupdict(), end=end)
            if value is not None:
                yield match.start(), rank, value
                break


def _in_digits(match: re.Match[str]) -> str:
    """二〇二四年五月一日 as 2024年5月1日."""
    year = "".join(str(_NUMERALS.index(n)) for n in re.sub("[〇○]", "零", match["y"]))
    parts = ((match["m"], "月"), (match["d"], "日"))
    return f"{year}年" + "".join(f"{_below_hundred(n)}{unit}" for n, unit in parts if n)


def _below_hundred(numerals: str) -> int:
    tens, ten, ones = numerals.rpartition("十")
    return (_NUMERALS.index(tens) if tens else 1 if ten else 0) * 10 + (
        _NUMERALS.index(ones) if ones else 0
    )


def _date_of(groups: Mapping[str, str | None], *, end: bool) -> date | None:
    year = int(groups["y"] or 0)
    stated_month = int(groups.get("m") or _MONTHS.get((groups.get("n") or "").lower(), 0))
    month = stated_month or (12 if end else 1)
    if not 1 <= month <= 12:
        return None
    day = int(groups.get("d") or (monthrange(year, month)[1] if end and year > 0 else 1))
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


def _by_plain_key(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key.lower().replace("-", "_").replace(" ", "_"): metadata[key] for key in metadata}


def _from_metadata(metadata: Mapping[str, str], rows: tuple[tuple[str, ...], ...]) -> date | None:
    values = _by_plain_key(metadata)
    for keys in rows:
        for key in keys:
            found = parse_date(values.get(key, ""))
            if found is not None:
                return found
    return None


def _from_labels(text: str) -> date | None:
    page = _CHINESE_DATE.sub(_in_digits, _first_and_last_page(text))
    for pattern in _LABELLED:
        for match in pattern.finditer(page):
            found = _opening_date(match["value"], whole=_is_inside_a_sentence(match))
            if found is not None:
                return found
    return None


def _is_inside_a_sentence(match: re.Match[str]) -> bool:
    """ "A study published in 2019 found": words around it, and no colon; what is dated so may be
    something else."""
    line = match.string[: match.start()].rpartition("\n")[2]
    label = match.string[match.start() : match.start("value")]
    return (line[-2:-1].islower() or line.endswith(", ")) and not re.search("[:：=|]", label)


def _first_and_last_page(text: str) -> str:
    return text if len(text) <= _HEAD + _TAIL else text[:_HEAD] + "\n" + text[-_TAIL:]


def _opening_date(value: str, *, whole: bool) -> date | None:
    """The date that ``value`` opens with; "date: see page 2024" opens with none.

    With ``whole`` a date without its day is none.
    """
    found = min(_dates(value), default=None)
    if found is None or found[0] > _LABEL_GAP or (whole and found[1] in _WITHOUT_DAY):
        return None
    return found[2]


def _from_filename(filename: str) -> date | None:
    stem = PurePath(filename).stem
    found = parse_date(stem.replace("_", "-"))
    if found is None or (found.month, found.day) != (1, 1):
        return found
    # A year alone must stand by itself: "RFC2045" names no year.
    year = _FILENAME_YEAR.search(stem)
    return date(int(year.group(1)), 1, 1) if year else None
