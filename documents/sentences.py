"""Where sentences begin and end, in English and in Chinese, Japanese or Korean text. Pure."""

from __future__ import annotations

import re

_ABBREVIATION_LIST = """
    al approx cf ch co corp dept dr e.g ed eds eq est etc fig figs i.e inc jan feb mar apr
    jun jul aug sep sept oct nov dec jr ltd mr mrs ms p pp ph.d prof ref refs sec sr st
    tab u.k u.s vol vs
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_LIST.split())

_END = re.compile(
    r"""
      [。！？｡]+[”’」』）】》"')\]]*          # ideographic marks end a sentence wherever they stand
    | …+[”’」』）】》]*(?=\s|[\u3400-\u9fff])
    | (?P<latin>[.!?]+)[”’"')\]]*(?=\s|$)  # Latin marks only before white space
    | \n[ \t]*\n                           # a blank line always does
    """,
    re.VERBOSE,
)
_WORD_BEFORE = re.compile(r"[\w.]*$")
_NEXT_VISIBLE = re.compile(r"\S")


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Spans of the sentences in ``text[start:end]``, in order, without the space around them.

    Together the spans hold every non-space character of the range. A point after an
    abbreviation, an initial or a number that starts a list ("3. Rest"), or before a lower-case
    letter, ends no sentence.
    """
    stop = len(text) if end is None else end
    spans: list[tuple[int, int]] = []
    cursor = start
    for match in _END.finditer(text, start, stop):
        if match["latin"] is not None and not _ends_sentence(text, cursor, match, stop):
            continue
        _append_trimmed(spans, text, cursor, match.end())
        cursor = match.end()
    _append_trimmed(spans, text, cursor, stop)
    return spans


def sentences(text: str) -> list[str]:
    """The sentences of ``text`` as strings, in order."""
    return [text[start:end] for start, end in sentence_spans(text)]


def _ends_sentence(text: str, sentence_start: int, match: re.Match[str], stop: int) -> bool:
    following = _NEXT_VISIBLE.search(text, match.end(), stop)
    if following is not None and following.group().islower():
        return False
    if match["latin"] != ".":
        return True
    # Eight characters hold every abbreviation; a longer look back would cost time on long words.
    before = _WORD_BEFORE.search(text[max(sentence_start, match.start() - 8) : match.start()])
    word = before.group() if before is not None else ""
    if word.lower() in _ABBREVIATIONS:
        return False
    is_initial = len(word) == 1 and word.isalpha() and word.isupper()
    opens_list = word.isdigit() and not text[sentence_start : match.start() - len(word)].strip()
    return not (is_initial or opens_list)


def _append_trimmed(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        spans.append((start, end))
