"""Plain text: paragraphs by blank lines, list items by their marks, the first line as title."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from documents.parsing.builder import DocumentBuilder, clean, joint
from documents.parsing.decoding import decode

if TYPE_CHECKING:
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_LIST_MARK = re.compile(r"[^\S\n]*(?:[-*•·▪◦‣–]|\(?\d{1,3}[.)、]|[a-zA-Z][.)])\s+\S")
_SENTENCE_END = re.compile(r"[.。;；,，:：!！…]$")
_TITLE_LENGTH = 150
_WRAP_WIDTH = 160
"""Lines longer than this were not wrapped by hand: there, each line is a paragraph."""


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a text file in any common encoding."""
    builder = DocumentBuilder(context.max_characters)
    text = clean(decode(path.read_bytes()))
    groups = [group for group in _BLANK_LINES.split(text) if group.strip()]
    if len(groups) > 1 and _is_title(groups[0]):
        builder.heading(groups.pop(0), level=1)
    one_per_line = any(len(line) > _WRAP_WIDTH for line in text.split("\n"))
    for group in groups:
        add_paragraphs(builder, group, one_per_line=one_per_line)
    return builder.build()


def add_paragraphs(builder: DocumentBuilder, group: str, *, one_per_line: bool) -> None:
    """Add lines without a blank one between them: as one paragraph, or each, and list items."""
    pending: list[str] = []
    pending_is_item = False
    for line in [line.strip() for line in group.split("\n") if line.strip()]:
        is_item = _LIST_MARK.match(line) is not None
        if pending and (is_item or one_per_line):
            _flush(builder, pending, is_item=pending_is_item)
            pending = []
        if not pending:
            pending_is_item = is_item
        pending.append(line)
    _flush(builder, pending, is_item=pending_is_item)


def _flush(builder: DocumentBuilder, lines: list[str], *, is_item: bool) -> None:
    text = ""
    for line in lines:
        text += joint(text, line) + line if text else line
    builder.add("list_item" if is_item else "paragraph", text)


def _is_title(group: str) -> bool:
    line = group.strip()
    return (
        "\n" not in line
        and len(line) <= _TITLE_LENGTH
        and not _SENTENCE_END.search(line)
        and not _LIST_MARK.match(line)
    )
