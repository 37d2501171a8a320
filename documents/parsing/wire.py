"""The JSON between the parsing program and the runner. What comes back is checked, not trusted."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, get_args

from documents.types import Block, BlockKind, Line, ParsedDocument

VERSION = 1
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
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def encode_error(code: str, detail: str) -> bytes:
    """The message in place of a document."""
    return json.dumps({"version": VERSION, "error": code, "detail": detail}).encode()


def decode_message(data: bytes) -> ParsedDocument | tuple[str, str]:
    """The document, or ``(code, detail)`` of the error. Raises ``WireError`` on anything else."""
    try:
        message: Any = json.loads(data)
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
        page_count=None if message["page_count"] is None else int(message["page_count"]),
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
        level=int(level),
        page=None if page is None else int(page),
    )


def _line(row: Any, length: int) -> Line:
    start, end, page, (left, bottom, right, top) = row
    _check_span(start, end, length)
    return Line(start, end, int(page), (float(left), float(bottom), float(right), float(top)))


def _check_span(start: Any, end: Any, length: int) -> None:
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= length):
        msg = "a span outside the text"
        raise WireError(msg)


def _text(value: Any) -> str:
    """A string that Postgres takes: a lone surrogate or NUL can hide behind a JSON escape."""
    if not isinstance(value, str) or "\x00" in value:
        msg = "no storable text"
        raise WireError(msg)
    value.encode()
    return value
