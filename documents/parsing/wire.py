"""The JSON between the parsing program and the runner. What comes back is checked, not trusted."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, get_args

from documents.types import Block, BlockKind, Line, ParsedDocument

VERSION = 1
MOST_PAGES = 1_000_000
"""More than any format counts; columns and sorting take it."""
_MOST_POINTS = 1e9
_DEEPEST = 6
_KINDS = frozenset(get_args(BlockKind))
_MALFORMED = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class WireError(ValueError):
    """The program's output does not hold together."""


def encode_document(parsed: ParsedDocument) -> bytes:
    """One JSON object, UTF-8; blocks and lines as arrays, since there are many of them."""
    message = {
        "version": VERSION,
        "text": parsed.text,
        "blocks": [
            [b.kind, b.start, b.end, list(b.heading_path), b.level, b.page] for b in parsed.blocks
        ],
        "lines": [[line.start, line.end, line.page, list(line.box)] for line in parsed.lines],
        "title": parsed.title,
        "author": parsed.author,
        "language": parsed.language,
        "published": parsed.published.isoformat() if parsed.published else None,
        "page_count": parsed.page_count,
        "metadata": dict(parsed.metadata),
    }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def encode_error(code: str, detail: str) -> bytes:
    """The message in place of a document."""
    return json.dumps({"version": VERSION, "error": code, "detail": detail}).encode()


def decode_message(data: bytes) -> ParsedDocument | tuple[str, str]:
    """The document, or ``(code, detail)`` of the error. Raises ``WireError`` on anything else."""
    try:
        message: Any = json.loads(data, parse_constant=_refuse)
        if message["version"] != VERSION:
            msg = f"version {message['version']!r}"
            raise WireError(msg)
        if "error" in message:
            return str(message["error"]), str(message["detail"])
        return _document(message)
    except _MALFORMED as error:
        msg = f"unreadable output: {type(error).__name__}"
        raise WireError(msg) from error


def _document(message: Any) -> ParsedDocument:
    text = _text(message["text"])
    published = message["published"]
    return ParsedDocument(
        text=text,
        blocks=tuple(_block(row, len(text)) for row in message["blocks"]),
        lines=tuple(_line(row, len(text)) for row in message["lines"]),
        title=_text(message["title"]),
        author=_text(message["author"]),
        language=_text(message["language"]),
        published=date.fromisoformat(published) if published else None,
        page_count=_page(message["page_count"]),
        metadata={_text(key): _text(value) for key, value in message["metadata"].items()},
    )


def _block(row: Any, length: int) -> Block:
    kind, start, end, path, level, page = row
    _check_span(start, end, length)
    if kind not in _KINDS:
        msg = "unknown kind of block"
        raise WireError(msg)
    return Block(
        kind=kind,
        start=start,
        end=end,
        heading_path=tuple(_text(title) for title in path),
        level=_whole(level, 0, _DEEPEST),
        page=_page(page),
    )


def _line(row: Any, length: int) -> Line:
    start, end, page, (left, bottom, right, top) = row
    _check_span(start, end, length)
    box = (float(left), float(bottom), float(right), float(top))
    if not all(abs(side) <= _MOST_POINTS for side in box):
        msg = "a box on no page"
        raise WireError(msg)
    return Line(start, end, _whole(page, 1, MOST_PAGES), box)


def _check_span(start: Any, end: Any, length: int) -> None:
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= length):
        msg = "a span outside the text"
        raise WireError(msg)


def _page(value: Any) -> int | None:
    return None if value is None else _whole(value, 0, MOST_PAGES)


def _whole(value: Any, least: int, most: int) -> int:
    """A number that a column takes."""
    if type(value) is not int or not least <= value <= most:
        msg = "a number that cannot be"
        raise WireError(msg)
    return value


def _refuse(constant: str) -> Any:
    """In place of what JSON has no word for, and Postgres no value."""
    raise WireError(constant)


def _text(value: Any) -> str:
    """A string that Postgres takes: a lone surrogate or NUL can hide behind a JSON escape."""
    if not isinstance(value, str) or "\x00" in value:
        msg = "no storable text"
        raise WireError(msg)
    value.encode()
    return value
