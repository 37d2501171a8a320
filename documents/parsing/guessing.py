"""Which encoding a text without any declaration is in, by what each would make of its bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from charset_normalizer import from_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fc]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_HANGUL_WORDS = re.compile("[\uac00-\ud7a3] [\uac00-\ud7a3]")
_HAN = re.compile("[\u4e00-\u9fff]")
_WIDE_RUN = re.compile("[^\x00-\x7f]+")
_WIDE = re.compile("[^\x00-\x7f]")
_COMMON_CHINESE = {
    "gb18030": frozenset(
        "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子"
    ),
    "big5": frozenset("的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子"),
}
_FREQUENT = {
    "gb18030": ((0xA1, 0xA3), (0xB0, 0xD7), 0xA1),
    "big5": ((0xA1, 0xA3), (0xA4, 0xC6), 0x40),
    "cp932": ((0x81, 0x84), (0x88, 0x97), 0x40),
}
"""First bytes of marks, first bytes of the characters that the standard put into its first level,
the frequent ones, and the lowest second byte of both."""
_CYRILLIC = ("cp1251", "koi8_r", "cp866", "iso8859_5")
_FREQUENT_CYRILLIC = frozenset("оеаинтсрвлк")
_WESTERN = frozenset("äöüßÄÖÜéèêëàâçôùûîïÿœæåøÅØÆñáíóúãõÉÈÀÇÊÁÓÑ¡¿ª°«»“”„‘’…–—€£§®©\xa0•·×½²")
_CENTRAL = frozenset("ąćęłńóśźżáčďéěíňřšťúůýžőűöüäĄĆĘŁŃÓŚŹŻÁČĎÉĚÍŇŘŠŤÚŮÝŽŐŰÖÜÄß„”“–…\xa0")
_LATIN = {"cp1252": _WESTERN, "cp1250": _CENTRAL, "iso8859_2": _CENTRAL}
_FEW = 8
_DAMAGE = 2
"""Bytes that may be lost: the sample may end inside a character."""


def guess_encoding(sample: bytes) -> str:
    """The likeliest encoding of ``sample``, which is not UTF-8; Windows' Latin if nothing tells."""
    tests: tuple[Callable[[bytes], str], ...] = (_kana, _hangul, _han, _cyrillic, _latin)
    for test in tests:
        encoding = test(sample)
        if encoding:
            return encoding
    best = from_bytes(sample).best()
    return best.encoding if best is not None else "cp1252"


def _kana(sample: bytes) -> str:
    """Japanese, by what every sentence of it has; in Chinese encodings the same bytes are rare."""
    shares = {}
    for encoding in ("euc_jp", "cp932"):
        text = _decoded(sample, encoding)
        wide = len(_WIDE.findall(text))
        if wide:
            shares[encoding] = len(_KANA.findall(text)) / wide
    best = max(shares, key=lambda encoding: shares[encoding], default="")
    return best if best and shares[best] >= 0.2 else ""


def _hangul(sample: bytes) -> str:
    """Korean, by syllables alone: Chinese text read as Korean is half ideographs."""
    text = _decoded(sample, "euc_kr")
    syllables = len(_HANGUL.findall(text))
    if not syllables or syllables < 0.9 * (syllables + len(_HAN.findall(text))):
        return ""
    return "cp949" if syllables >= _FEW or _HANGUL_WORDS.search(text) else ""


def _han(sample: bytes) -> str:
    """By the commonest Chinese characters, else by the share of frequent ones in each standard."""
    shares = {}
    for encoding, (marks, frequent, lowest) in _FREQUENT.items():
        text = _decoded(sample, encoding)
        han = _HAN.findall(text)
        common = _COMMON_CHINESE.get(encoding, frozenset())
        if len(han) >= 4 and sum(c in common for c in han) >= 0.06 * len(han):
            return encoding
        wide = [c.encode(encoding) for c in _WIDE.findall(text)]
        good = [
            len(c) == 2
            and (marks[0] <= c[0] <= marks[1] or frequent[0] <= c[0] <= frequent[1])
            and c[1] >= lowest
            for c in wide
        ]
        # Accents of Latin words come one by one, and may take the letter behind them along.
        if han and len(wide) >= 1.8 * len(_WIDE_RUN.findall(text)):
            shares[encoding] = sum(good) / len(good)
    best = max(shares, key=lambda encoding: shares[encoding], default="")
    return best if best and shares[best] >= 0.75 else ""


def _cyrillic(sample: bytes) -> str:
    """By the share of Russian's frequent letters, in lower case: the encodings swap cases."""
    shares = {}
    for encoding in _CYRILLIC:
        letters = [c for c in sample.decode(encoding, errors="ignore") if c.isalpha()]
        lower = sum("а" <= c <= "ё" for c in letters)
        if letters and lower >= 0.5 * len(letters):
            shares[encoding] = sum(c in _FREQUENT_CYRILLIC for c in letters) / len(letters)
    best = max(shares, key=lambda encoding: shares[encoding], default="")
    return best if best and shares[best] >= 0.4 else ""


def _latin(sample: bytes) -> str:
    """Where accents are few, and those of words of the region."""
    for encoding, known in _LATIN.items():
        text = sample.decode(encoding, errors="ignore")
        letters = sum(character.isalpha() for character in text)
        accents = _WIDE.findall(text)
        fits = sum(character in known for character in accents)
        if 10 * len(accents) <= 3 * letters and 10 * fits >= 9 * len(accents):
            return encoding
    return ""


def _decoded(sample: bytes, encoding: str) -> str:
    """The text, or nothing where more bytes are lost than the end of a sample explains."""
    text = sample.decode(encoding, errors="ignore")
    lost = len(sample) - len(text.encode(encoding, errors="ignore"))
    return text if lost <= _DAMAGE else ""
