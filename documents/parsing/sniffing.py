"""What bytes look like, before anything is parsed. Light enough for the web process."""

from __future__ import annotations

import re

COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""OLE: the legacy Office formats, and the wrapping of password-protected modern ones."""

_SIGNATURES = (
    b"%PDF-",
    b"PK\x03\x04",
    b"PK\x05\x06",
    COMPOUND_FILE,
    b"{\\rtf",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x1f\x8b",
    b"BZh",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\x7fELF",
    b"MZ",
    b"SQLite format 3",
)
_UNPRINTABLE = re.compile(b"[\x00-\x06\x0e-\x1a\x1c-\x1f]")
_HTML_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!doctype\s+html|<html[\s>])", re.IGNORECASE)
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_WIDE_CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef\x20-\x7e\r\n\t]")
_COMMON_CHINESE = frozenset("的一是不了在人有我他中来上大为和国地到以说时要就出会可也你对年")


def has_signature(data: bytes) -> bool:
    """Whether ``data`` begins as a known binary format does."""
    # Two letters may begin a text: a program's are followed by what no text holds.
    return data.startswith(_SIGNATURES) and not (data.startswith(b"MZ") and not is_binary(data))


def begins_as_html(data: bytes) -> bool:
    """Whether ``data`` begins with an HTML doctype or element."""
    return _HTML_START.match(data) is not None


def is_binary(data: bytes) -> bool:
    """Whether more than a hundredth are control characters, which no text in one-byte units has."""
    return len(_UNPRINTABLE.findall(data)) > max(2, len(data) // 100)


def wide_encoding(data: bytes) -> str:
    """``utf-16-le`` or ``utf-16-be`` for text in it without a byte order mark, else ``""``.

    In Latin text every second byte is NUL; Chinese is told by its most common characters.
    """
    even = data[: len(data) // 2 * 2]
    half = len(even) // 2
    if half < 4:
        return ""
    low, high = even[::2].count(0), even[1::2].count(0)
    if high > 0.7 * half and low < 0.05 * half:
        return "utf-16-le"
    if low > 0.7 * half and high < 0.05 * half:
        return "utf-16-be"
    for encoding in ("utf-16-le", "utf-16-be"):
        text = even.decode(encoding, errors="replace")
        common = sum(character in _COMMON_CHINESE for character in text)
        if len(_WIDE_CHINESE.findall(text)) > 0.9 * len(text) and common > 0.05 * len(text):
            return encoding
    return ""


def is_text(data: bytes) -> bool:
    """Whether ``data``, the beginning of a file, can be text in some encoding."""
    if data.startswith(_WIDE_MARKS):
        return True
    return not has_signature(data) and (not is_binary(data) or bool(wide_encoding(data)))
