"""From text to search tokens: one analyzer for the index, and the same for questions but for stop
words of Chinese. Pure.

Words of languages that write spaces are folded (NFKC, case, Latin accents) and stemmed by
Snowball's English rules. Scripts without spaces (Han, kana, Hangul, Thai, Lao, Khmer, Burmese)
become overlapping pairs of characters, which find words without a dictionary. Han and kana also
give their single characters (see ``docs/evaluation.md``), so that a question for one character
finds the words that hold it.
"""

from __future__ import annotations

import re
import sys
import threading
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import Stemmer

from documents.stopwords import (
    CHINESE_PROTECTED_WORDS,
    CHINESE_STOP_CHARACTERS,
    CHINESE_STOP_PHRASES,
    ENGLISH_FUNCTION_WORDS,
    ENGLISH_STOP_WORDS,
    OTHER_FUNCTION_WORDS,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from documents.types import Language

TERM_GENERATION = 1
"""Raised whenever ``analyze`` can give other tokens for the same text; the index is rebuilt."""

MAX_TOKEN_LENGTH = 64
"""Longer words are cut: they are encoded data, and an index entry has a limited size."""

_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
_SOUTH_EAST_ASIAN = "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u104f\u1780-\u17d3"
_UNSPACED = _HAN + _KANA + _HANGUL + _SOUTH_EAST_ASIAN


def _combining_marks() -> str:
    """A character-class body with the BMP's combining marks, which ``\\w`` leaves out."""
    return "".join(
        re.escape(chr(point))
        for point in range(0x300, 0xFE30)
        if unicodedata.category(chr(point)) in ("Mn", "Mc")
    )


_ASCII_WORD = re.compile(r"[a-z0-9]+")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b", re.IGNORECASE)
_RUN = re.compile(
    rf"(?P<unspaced>[{_UNSPACED}]+)|(?P<word>[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]|[{_combining_marks()}])*)"
)
_SINGLES = re.compile(f"[{_HAN}{_KANA}]")
_LATIN_ACCENTS = re.compile("[\u0300-\u036f]")
_STOP_PHRASE = re.compile(
    "(?P<kept>{})|{}".format(
        "|".join(sorted(CHINESE_PROTECTED_WORDS, key=len, reverse=True)),
        "|".join(sorted(CHINESE_STOP_PHRASES, key=len, reverse=True)),
    )
)
_HAN_CHARACTER = re.compile(f"[{_HAN}]")
_KANA_CHARACTER = re.compile(f"[{_KANA}]")
_HANGUL_CHARACTER = re.compile(f"[{_HANGUL}]")
_LATIN_WORD = re.compile("[a-zA-Z\u00c0-\u024f]+")
_OTHER_LETTER = re.compile("[\u0370-\u0dff\u0e00-\u10ff\u1200-\u1cff]")
_LANGUAGE_SAMPLE = 20_000
_HAN_CHARACTERS_PER_WORD = 1.6
_ENGLISH_ENDING = re.compile(
    r"(?:ing|tion|tions|ness|ment|ments|ed|ly|ity|ies|ous|able|ght|ism|ful)$"
)

_local = threading.local()


class ContentTerm(NamedTuple):
    """A term that a question is about: the token as indexed, and the words as asked."""

    token: str
    surface: str


def analyze(text: str) -> list[str]:
    """The search tokens of ``text``, in order, repeats kept: what the index holds.

    Hyphens, points and underscores part words; digits stay. No token is empty or longer than
    ``MAX_TOKEN_LENGTH``. Stop words are kept.
    """
    if text.isascii():
        words = _ASCII_WORD.findall(_POSSESSIVE.sub("", text).lower())
        return _stem([word[:MAX_TOKEN_LENGTH] for word in words])
    return _tokens(text, _pairs_and_singles)


def analyze_question(question: str) -> list[str]:
    """What a question is searched by: the tokens of ``analyze``, for Chinese without stop words.

    English stop words stand in so many passages that they weigh next to nothing. A Chinese one
    (怎样, 有什么) stands in few, and with its neighbours makes pairs that stand in fewer still: a
    title that asks alike would win over the text that answers. A question of nothing but such words
    keeps them.
    """
    return _tokens(question, _without_stop_words) or analyze(question)


def content_terms(question: str) -> list[ContentTerm]:
    """What ``question`` asks about: its tokens without stop and question words, unique, in order.

    Empty when the question holds nothing but such words ("Why is that?", "怎么办").
    ``surface`` is the word as written (a pair of characters in unspaced scripts).
    """
    terms: dict[str, str] = {}
    normalised = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", question))
    for match in _RUN.finditer(normalised):
        run = match.group()
        if match.lastgroup == "word":
            folded = _fold(run)
            if folded not in ENGLISH_STOP_WORDS:
                terms.setdefault(_stem([folded])[0], run)
            continue
        for segment in _content_segments(run):
            if segment in CHINESE_STOP_CHARACTERS:
                continue
            for piece in _pairs(segment) or [segment]:
                terms.setdefault(piece, piece)
    return [ContentTerm(token, surface) for token, surface in terms.items()]


def detect_language(text: str) -> Language:
    """``zh``, ``ja``, ``ko`` or ``en``; ``""`` when the text is another language or cannot be told.

    Judged by script, then, among languages in Latin letters, by function words. ``zh`` covers
    simplified and traditional characters. Reads the first 20,000 characters.
    """
    sample = text[:_LANGUAGE_SAMPLE]
    if not sample.isascii():
        sample = unicodedata.normalize("NFKC", sample)
        han = len(_HAN_CHARACTER.findall(sample))
        kana = len(_KANA_CHARACTER.findall(sample))
        hangul = len(_HANGUL_CHARACTER.findall(sample))
        words = _LATIN_WORD.findall(sample)
        unspaced = han + kana + hangul
        # A quoted term must not change the language of the text around it, either way.
        if unspaced and unspaced / _HAN_CHARACTERS_PER_WORD >= 0.4 * len(words):
            if hangul > 0.4 * unspaced:
                return "ko"
            return "ja" if kana > 0.1 * unspaced else "zh"
        others = len(_OTHER_LETTER.findall(sample))
        if others > sum(len(word) for word in words):
            return ""
    return "en" if _looks_english(sample) else ""


def is_in_another_script(text: str) -> bool:
    """Whether most letters are of scripts that no language of ``detect_language`` is written in.

    Cyrillic, Arabic or Thai, say. Of languages in Latin letters a question tells too little.
    """
    sample = unicodedata.normalize("NFKC", text[:_LANGUAGE_SAMPLE])
    others = len(_OTHER_LETTER.findall(sample))
    return others > sum(len(word) for word in _LATIN_WORD.findall(sample)) and not (
        _HAN_CHARACTER.search(sample)
        or _KANA_CHARACTER.search(sample)
        or _HANGUL_CHARACTER.search(sample)
    )


def _looks_english(sample: str) -> bool:
    words = [word.lower() for word in _LATIN_WORD.findall(sample)]
    if not words:
        return False
    english = sum(word in ENGLISH_FUNCTION_WORDS for word in words)
    other = sum(word in OTHER_FUNCTION_WORDS for word in words)
    if english or other:
        return english > 1.5 * other
    if not sample.isascii() and any(not word.isascii() for word in words):
        return False
    # Titles, table rows and keyword questions hold no function words ("diabetes diet").
    endings = sum(_ENGLISH_ENDING.search(word) is not None for word in words)
    return len(words) <= 8 or endings >= 0.1 * len(words)


def _stem(words: list[str]) -> list[str]:
    if not words:
        return []
    # A stemmer keeps state between calls, so threads must not share one.
    stemmer: Stemmer.Stemmer | None = getattr(_local, "stemmer", None)
    if stemmer is None:
        stemmer = _local.stemmer = Stemmer.Stemmer("english")
    return [sys.intern(stem) for stem in stemmer.stemWords(words)]


def _fold(word: str) -> str:
    if not word.isascii():
        decomposed = unicodedata.normalize("NFD", word)
        word = unicodedata.normalize("NFC", _LATIN_ACCENTS.sub("", decomposed))
    return word.casefold()[:MAX_TOKEN_LENGTH]


def _pairs(run: str) -> list[str]:
    return [run[index : index + 2] for index in range(len(run) - 1)]


def _tokens(text: str, unspaced: Callable[[str], list[str]]) -> list[str]:
    """Stems of the words, and what ``unspaced`` makes of each run of a script without spaces."""
    tokens: list[str] = []
    words: list[str] = []
    for match in _RUN.finditer(_POSSESSIVE.sub("", unicodedata.normalize("NFKC", text))):
        run = match.group()
        if match.lastgroup == "word":
            words.append(_fold(run))
            continue
        tokens.extend(_stem(words))
        words = []
        tokens.extend(unspaced(run))
    tokens.extend(_stem(words))
    return tokens


def _without_stop_words(run: str) -> list[str]:
    found = [token for segment in _content_segments(run) for token in _pairs_and_singles(segment)]
    return [token for token in found if token not in CHINESE_STOP_CHARACTERS]


def _pairs_and_singles(run: str) -> list[str]:
    return [run] if len(run) == 1 else _pairs(run) + _SINGLES.findall(run)


def _content_segments(run: str) -> list[str]:
    """``run`` without its stop phrases, cut where they stood."""
    segments: list[str] = []
    start = 0
    for match in _STOP_PHRASE.finditer(run):
        if match["kept"] is not None:
            continue
        segments.append(run[start : match.start()])
        start = match.end()
    segments.append(run[start:])
    return [segment for segment in segments if segment]
