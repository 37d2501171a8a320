"""From bytes to text: byte order marks, UTF-8, then the encodings that people still have."""

from __future__ import annotations

import codecs

from documents.parsing.base import ParseError
from documents.parsing.guessing import guess_encoding
from documents.parsing.sniffing import is_binary, wide_encoding

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE = 64 * 1024


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
    text = _as_mail_japanese(data) or _as_utf8(data)
    if text is not None:
        return text
    return _as_declared(data, declared) or data.decode(
        guess_encoding(data[:_SAMPLE]), errors="replace"
    )


def _as_mail_japanese(data: bytes) -> str | None:
    """ISO 2022, which is ASCII with escapes, or None."""
    if b"\x1b$" not in data:
        return None
    try:
        return data.decode("iso2022_jp")
    except UnicodeDecodeError:
        return None


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
