"""Whether a question asks for the newest, or for what held in some year. Pure.

Decided by words alone, so that the page can say why. What is decided:

- "latest", "most recent", "up to date", "current rules", 最新, 目前, 现行: the newest counts.
- A year of the last few, or the next: documents of about that year count ("the 2025 guideline").
- An older year is as a rule what the question is about ("the 1918 flu"), and no wish at all; it
  asks for documents of that year only beside a word for a document ("the 2003 edition").
- "since 2020" asks for what is newer, "before 2010" for nothing, two years ("2019 or 2025?") for
  both, so neither is preferred.
- A number that counts something ("2000 calories") is no year, and words that speak of the asker
  ("my current weight", 我最近睡不好) or of something else ("electric current", "at the latest")
  ask for nothing new.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

RECENT_YEARS = 5
"""A year this many before today's may still be the age of a document rather than a topic."""
SINCE_YEARS = 10
"""What is asked "since" a year further back is a history, not the newest."""

_DOCUMENT = (
    r"guidelines?|guidance|editions?|versions?|reports?|rules?|regulations?|policy|policies"
    r"|standards?|recommendations?|advice|handbooks?|manuals?|plans?|updates?|releases?|leaflets?"
    r"|documents?|protocols?|laws?|acts?|forms?|rates?|budgets?|statements?|reviews?"
)
_FINDINGS = r"research|stud(?:y|ies)|evidence|findings?|data|figures|news|changes?|trials?"

_LATEST = re.compile(
    r"(?<!at )(?<!at the )\b(?:latest|newest)\b"
    r"(?!\s+(?:time|date|day|hour|point|moment|i|you|we|one|they|he|she|it)\b)"
    r"|\bmost (?:recent|up[- ]to[- ]date)\b|\bup[- ]to[- ]date\b|\bnowadays\b"
    r"|\bas of (?:now|today)\b|\bthese days\b|\bwhat(?:'s| is) new\b"
    rf"|\brecent(?:ly)? (?:published |updated |revised )?(?:{_DOCUMENT}|{_FINDINGS})\b"
    r"|\brecently (?:published|updated|revised|issued|approved)\b"
    r"|(?<!my )(?<!your )(?<!his )(?<!her )(?<!electric )(?<!electrical )(?<!direct )"
    r"(?<!alternating )(?<!ocean )(?<!water )(?<!sea )(?<!tidal )(?<!rip )(?<!river )"
    r"(?<!induced )(?<!eddy )(?<!collector )(?<!constant )(?<!base )(?<!the same )"
    r"\bcurrent(?! (?:density|flows?|limits?|sources?|transformers?|voltage|accounts?|through|in"
    r" (?:a|the)|of (?:a|the))\b)(?= [a-z])"
    r"|(?<!\bam )(?<!i )(?<!i'm )\bcurrently\b"
    r"|最新|现行|現行|时下|如今|新版|(?<!我)(?<!我们)(?<!我們)(?:目前|当前|當前)(?!我)"
    r"|(?:现在|現在|最近|近期|近来)的?(?:规定|規定|标准|標準|指南|政策|推荐|推薦|建议|建議|要求|做法"
    r"|研究|版本|数据|數據|进展|進展|更新|发布|發布)",
    re.IGNORECASE,
)

_UNIT = (
    r"[-\s]?(?:%|percent|mg|mcg|µg|g|kg|ml|l|iu|kcal|cal|calories|kilocalories|kj|steps?|hours?"
    r"|minutes?|days?|weeks?|months?|years? (?:ago|old|before)|people|persons?|patients?|adults?"
    r"|children|women|men|participants?|times|units?|words|pages?|euros?|dollars?|pounds?|yuan"
    r"|miles?|km|meters?|metres?|feet|rpm|hz|mah|watts?|volts?|bc|bce)\b"
)
_CHINESE_UNIT = (
    "元|块|塊|步|毫|千|大?卡|克|公|米|人|名|次|个|個|种|種|例|分|万|萬|亿|億|年前|倍|字|页|頁"
)
_YEAR = re.compile(
    r"(?<!\d)(?P<zh_year>(?:19|20)\d\d)\s?年(?!前)"
    rf"|(?<![A-Za-z0-9_.,/$€£¥#-])(?P<year>(?:19|20)\d\d)(?![A-Za-z0-9_/%]|[.,-]\d|{_UNIT}|\s?(?:{_CHINESE_UNIT}))"
    r"|(?P<numerals>[一二][〇○零九][〇○零一二三四五六七八九]{2})年(?!前)"
    r"|(?P<this>\bthis year's\b|今年(?=的|版|最))|(?P<last>\blast year's\b|去年(?=的|版))",
    re.IGNORECASE,
)
_NUMERALS = {numeral: str(value) for value, numeral in enumerate("零一二三四五六七八九")} | {
    "〇": "0",
    "○": "0",
}
_SINCE = re.compile(r"\b(?:since|after|from|later than)\s+(?:the year\s+)?$", re.IGNORECASE)
_SINCE_AFTER = re.compile(
    r"^\s*(?:onwards?\b|on\b|or (?:later|newer)\b|年?(?:以来|以來|以后|以後|之后|之後|起|至今))",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"\b(?:before|until|till|up to|prior to|by)\s+(?:the year\s+)?$", re.IGNORECASE)
_UNTIL_AFTER = re.compile("^年?(?:以前|之前|为止|為止)")
_DOCUMENT_AFTER = re.compile(
    rf"^(?:年)?(?:\s+\w+){{0,2}}?\s+(?:{_DOCUMENT})\b"
    "|^年?[版的]?[^，。？?]{0,8}(?:版|指南|规定|規定|标准|標準|政策|报告|報告|文件|规范|規範)",
    re.IGNORECASE,
)
_DOCUMENT_BEFORE = re.compile(
    rf"\b(?:{_DOCUMENT})(?:\s+(?:of|from|for|in|as of))?(?:\s+the year)?\s+$"
    "|(?:指南|规定|規定|标准|標準|政策|报告|報告|文件|规范|規範)[（(]?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TimeIntent:
    """What a question asks of the age of documents, and by which words."""

    kind: Literal["", "latest", "year"] = ""
    year: int | None = None
    """Set for ``year`` only."""
    words: str = ""
    """The question's own, as written."""

    @property
    def label(self) -> str:
        """As a ranking stores it: ``""``, ``latest``, or the year as text."""
        return str(self.year) if self.kind == "year" else self.kind


NO_WISH = TimeIntent()


def time_intent(question: str, today: date) -> TimeIntent:
    """The wish in ``question`` as of ``today``, by the rules above. A year goes before "latest"."""
    by_year = _year_intent(question, today)
    if by_year.kind:
        return by_year
    latest = _LATEST.search(question)
    return TimeIntent("latest", words=latest.group()) if latest is not None else NO_WISH


def _year_intent(question: str, today: date) -> TimeIntent:
    found = [(match, _year_of(match, today)) for match in _YEAR.finditer(question)]
    years = {year for _match, year in found}
    if len(years) != 1:
        return NO_WISH
    match, year = found[0]
    before, after = question[: match.start()], question[match.end() :]
    if _UNTIL.search(before) or _UNTIL_AFTER.search(after):
        return NO_WISH
    if _SINCE_AFTER.search(after) or _SINCE.search(before):
        is_near = today.year - SINCE_YEARS <= year <= today.year
        return TimeIntent("latest", words=match.group()) if is_near else NO_WISH
    is_recent = today.year - RECENT_YEARS <= year <= today.year + 1
    names_document = _DOCUMENT_AFTER.search(after) or _DOCUMENT_BEFORE.search(before)
    if is_recent or (names_document and year <= today.year):
        return TimeIntent("year", year=year, words=match.group())
    return NO_WISH


def _year_of(match: re.Match[str], today: date) -> int:
    if match["this"] or match["last"]:
        return today.year - (1 if match["last"] else 0)
    if match["numerals"]:
        return int("".join(_NUMERALS[numeral] for numeral in match["numerals"]))
    return int(match["year"] or match["zh_year"])
