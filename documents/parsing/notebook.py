"""Jupyter notebooks: text cells as Markdown, code as code, what was printed under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, clean
from documents.parsing.decoding import decode
from documents.parsing.json_values import loaded
from documents.parsing.markdown import add_markdown

if TYPE_CHECKING:
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_LONGEST_OUTPUT = 20_000


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a notebook of version 4, or of version 3 with its one sheet."""
    book = loaded(decode(path.read_bytes()))
    cells = _list(book, "cells") or [
        c for s in _list(book, "worksheets") for c in _list(s, "cells")
    ]
    if not isinstance(book, dict) or "nbformat" not in book:
        raise ParseError("mislabelled", "JSON that is no notebook")
    builder = DocumentBuilder(context.max_characters)
    for cell in cells:
        kind = cell.get("cell_type") if isinstance(cell, dict) else ""
        if kind == "markdown":
            add_markdown(builder, clean(_text(cell.get("source"))))
        elif kind in ("code", "raw", "heading"):
            builder.add("code", _text(cell.get("source", cell.get("input"))))
            for output in _list(cell, "outputs"):
                builder.add("code", _shown(output)[:_LONGEST_OUTPUT])
    metadata = book.get("metadata")
    title = metadata.get("title", "") if isinstance(metadata, dict) else ""
    return builder.build(title=title if isinstance(title, str) else "")


def _shown(output: Any) -> str:
    if not isinstance(output, dict):
        return ""
    data = output.get("data")
    return _text(output.get("text")) or _text(
        data.get("text/plain") if isinstance(data, dict) else ""
    )


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _text(value: Any) -> str:
    """A text, or the lines of one."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""
