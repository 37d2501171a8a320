"""From bytes to text: byte order marks, UTF-8, then the encodings that people still have."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

from documents.parsing.base import ParseError
from documents.parsing.sniffing import is_binary, wide_encoding

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 64 * 1024
_CHINESE_ENCODINGS = ("gb18030", "big5")
_COMMON_CHINESE = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子"
)
_COMMON_TRADITIONAL = frozenset(
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子"
)
_HAN = re.compile("[\u4e00-\u9fff]")


def decode(data: bytes, declared: str = "") -> str:
    """The text of ``data``; an encoding that the file declares goes before guessing.

    Never fails on single bad bytes: they become U+FFFD. Raises ``ParseError("mislabelled")`` for
    data that is no text in any encoding, and ``ParseError("empty")`` for no data.
    """
    if not data.strip(b"\x00 \t\r\n"):
        raise ParseError("empty")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    wide = wide_encoding(data[:_SAMPLE])
    if wide and (is_binary(data[:_SAMPLE]) or _as_utf8(data) is None):
        return data.decode(wide, errors="replace")
    if is_binary(data[:_SAMPLE]):
        raise ParseError("mislabelled", "binary data where text was expected")
    text = _as_utf8(data)
    if text is not None:
        return text
    return _as_declared(data, declared) or data.decode(_guess(data[:_SAMPLE]), errors="replace")


def _as_utf8(data: bytes) -> str | None:
    for errors in ("strict", "surrogatepass"):  # careless programs write lone surrogates
        try:
            return data.decode("utf-8", errors)
        except UnicodeDecodeError:
            pass
    text = data.decode("utf-8", errors="replace")
    # A few bad bytes in much text are damage, not another encoding: in that, each accent is one.
    wrong = text.count("\ufffd")
    right = sum(not character.isascii() for character in text) - wrong
    return text if wrong <= 2 and right >= 10 * wrong else None


def _as_declared(data: bytes, declared: str) -> str | None:
    """The text in the declared encoding, unless that is unknown or plainly wrong."""
    if not declared or declared.lower().replace("-", "").replace("_", "") == "utf8":
        return None  # it was tried
    try:
        text = data.decode(declared, errors="replace")
    except (LookupError, ValueError):
        return None
    return text if text.count("\ufffd") <= 0.01 * len(text) else None


def _guess(sample: bytes) -> str:
    """The likeliest encoding. Chinese first: its common characters prove it on short texts too."""
    for encoding in _CHINESE_ENCODINGS:
        # The sample may end inside a character.
        decoded = sample.decode(encoding, errors="ignore")
        han = _HAN.findall(decoded)
        common = _COMMON_CHINESE if encoding == "gb18030" else _COMMON_TRADITIONAL
        lost = len(sample) - len(decoded.encode(encoding, errors="ignore"))
        if len(han) >= 4 and lost <= 2 and sum(c in common for c in han) >= 0.06 * len(han):
            return encoding
    best = from_bytes(sample).best()
    return best.encoding if best is not None else "cp1252"
