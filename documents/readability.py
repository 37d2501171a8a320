"""How easy a passage is to read, by a measure made for its language. Pure.

English: the New Dale-Chall formula (J. S. Chall and E. Dale, "Readability Revisited", Brookline
Books, 1995), whose score is the share of left-out words that readers fill in rightly:
``64 - 0.95 * unfamiliar words per hundred - 0.69 * words per sentence``. Unfamiliar is a word
whose stem is none of ``FAMILIAR_ENGLISH_WORDS``. It tells lay from technical health articles
better than Flesch's reading ease, which counts syllables and knows no words: ``docs/factors.md``
has the figures of this measure, made by ``manage.py measure_factors``.

Chinese has no syllables to count, so what makes it hard is measured by itself: the length of
sentences and of the clauses inside them, the share of characters outside the common ones, and the
share of Latin letters and digits mixed in. Common characters are the 3,755 of level one of the
national standard GB 2312, which orders them by use; Python's codec knows them. Traditional
characters outside that set are counted as common when Big5 lists them in its level one.
"""

from __future__ import annotations

import re
from functools import cache

from documents.analysis import analyze
from documents.familiar import FAMILIAR_ENGLISH_WORDS
from documents.sentences import sentence_spans
from documents.types import Readability

NEUTRAL = 0.5
"""The score of a text that is too short to judge, or in a language without a measure."""

_EASIEST = 64.0
"""Divided by less, the same texts lie further apart: the order among them stays, but readability
then outweighs relevance where all passages are as hard or as easy as each other."""
_MINIMUM_WORDS = 20
_MINIMUM_CHARACTERS = 20
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['’][A-Za-z]+)*")
_APOSTROPHE = re.compile("['’].*$")
_LIST_MARK = re.compile(r"\n|\s[-–—•*]\s")
"""Items of a list are read one by one, though no full stop parts them."""
_HAN = re.compile("[\u4e00-\u9fff\u3400-\u4dbf]")
_CLAUSE_MARK = re.compile("[，；：、,;:。！？.!?\n]+")
_LATIN_OR_DIGIT = re.compile("[A-Za-z0-9]")


def measure_readability(text: str, language: str) -> Readability:
    """The readability of ``text``; ``language`` is an ISO 639-1 code or ``""``.

    English divides the New Dale-Chall score by 64, the most that it can be; below 0, harder than
    what is read at college, is 0. Chinese weighs its four inputs as ``_chinese`` says.
    Texts below 20 words (20 Chinese characters), tables among them that hold hardly any words, and
    other languages score a neutral 0.5.
    """
    if language == "en":
        return _english(text)
    if language == "zh":
        return _chinese(text)
    return Readability(NEUTRAL, "none")


def reading_words(text: str) -> float:
    """How much there is to read, in words: those of letters, and two Chinese characters as one."""
    return len(_WORD.findall(text)) + len(_HAN.findall(text)) / 2


def _english(text: str) -> Readability:
    words = _WORD.findall(text)
    if len(words) < _MINIMUM_WORDS:
        return Readability(NEUTRAL, "too_short", {"words": float(len(words))})
    parts = (part for a, b in sentence_spans(text) for part in _LIST_MARK.split(text[a:b]))
    sentences = max(1, sum(_holds_words(part) for part in parts))
    words_per_sentence = len(words) / sentences
    stems = analyze(" ".join(_APOSTROPHE.sub("", word) for word in words))
    unfamiliar_share = sum(stem not in _familiar_stems() for stem in stems) / len(stems)
    score = 64 - 95 * unfamiliar_share - 0.69 * words_per_sentence
    return Readability(
        score=_clip(score / _EASIEST),
        measure="new_dale_chall",
        inputs={
            "words_per_sentence": round(words_per_sentence, 2),
            "unfamiliar_share": round(unfamiliar_share, 4),
            "dale_chall": round(score, 2),
        },
    )


@cache
def _familiar_stems() -> frozenset[str]:
    """Stems, so that "walks" and "walking" are as familiar as "walk"."""
    return frozenset(analyze(" ".join(FAMILIAR_ENGLISH_WORDS)))


def _chinese(text: str) -> Readability:
    """Weighted mean of four scales from easy to hard.

    - characters per sentence: 1 at 12 and below, 0 at 60 and above; weighs 0.35;
    - characters per clause: 1 at 5, 0 at 18; weighs 0.35;
    - share of rare characters: 1 at none, 0 at 0.08; weighs 0.15;
    - share of Latin letters and digits: 1 at none, 0 at 0.3; weighs 0.15.

    The scales were set so that lay health articles come out near 0.9, encyclopaedia paragraphs
    near 0.6 and abstracts of scientific papers near 0.4.
    """
    characters = _HAN.findall(text)
    if len(characters) < _MINIMUM_CHARACTERS:
        return Readability(NEUTRAL, "too_short", {"characters": float(len(characters))})
    sentences = [_length(text[start:end]) for start, end in sentence_spans(text)]
    clauses = [_length(clause) for clause in _CLAUSE_MARK.split(text)]
    per_sentence = _mean([length for length in sentences if length])
    per_clause = _mean([length for length in clauses if length])
    rare = sum(not _is_common(character) for character in characters) / len(characters)
    foreign = len(_LATIN_OR_DIGIT.findall(text))
    mixed = foreign / (foreign + len(characters))
    score = (
        0.35 * _scale(per_sentence, 12, 60)
        + 0.35 * _scale(per_clause, 5, 18)
        + 0.15 * _scale(rare, 0, 0.08)
        + 0.15 * _scale(mixed, 0, 0.3)
    )
    return Readability(
        score=_clip(score),
        measure="zh_sentence_and_characters",
        inputs={
            "characters_per_sentence": round(per_sentence, 2),
            "characters_per_clause": round(per_clause, 2),
            "rare_character_share": round(rare, 4),
            "latin_share": round(mixed, 4),
        },
    )


def _is_common(character: str) -> bool:
    try:
        # Level one of GB 2312 stands in rows 16 to 55; EUC adds 0xA0 to the row.
        return character.encode("gb2312")[0] <= 0xA0 + 55
    except UnicodeEncodeError:
        pass
    try:
        # Level one of Big5, 5,401 characters, ends at 0xC67E.
        return character.encode("big5") <= b"\xc6\x7e"
    except UnicodeEncodeError:
        return False


def _length(text: str) -> int:
    """Characters that are read: ideographs one each, four Latin letters or digits as one."""
    return len(_HAN.findall(text)) + (len(_LATIN_OR_DIGIT.findall(text)) + 3) // 4


def _holds_words(text: str) -> bool:
    return _WORD.search(text) is not None


def _mean(lengths: list[int]) -> float:
    return sum(lengths) / len(lengths) if lengths else 0.0


def _scale(value: float, easy: float, hard: float) -> float:
    return _clip((hard - value) / (hard - easy))


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
