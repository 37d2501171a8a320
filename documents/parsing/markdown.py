"""Markdown: CommonMark with tables, and front matter of simple ``key: value`` lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from documents.dates import parse_date
from documents.parsing.builder import DocumentBuilder, clean
from documents.parsing.decoding import decode
from documents.parsing.html import add_visible_blocks
from documents.parsing.tables import add_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from markdown_it.token import Token

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_FRONT_MATTER = re.compile(r"\A---[^\S\n]*\n(?P<body>.*?)\n(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.S)
_ENTRY = re.compile(r"(?P<key>[A-Za-z_][\w -]{0,60}?)\s*:\s*(?P<value>\S.*)")
_PUBLISHED_KEYS = ("published", "date", "issued")


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a Markdown file. HTML inside it is read as HTML, without what a page would hide."""
    text = clean(decode(path.read_bytes()))
    metadata, body = split_front_matter(text)
    builder = DocumentBuilder(context.max_characters)
    add_markdown(builder, body)
    stated = next((metadata[key] for key in _PUBLISHED_KEYS if key in metadata), "")
    return builder.build(
        title=metadata.get("title", ""),
        author=metadata.get("author", ""),
        declared_language=metadata.get("lang", "") or metadata.get("language", ""),
        published=parse_date(stated),
        metadata=metadata,
    )


def add_markdown(builder: DocumentBuilder, text: str) -> None:
    """Add the blocks of ``text``, which has no front matter."""
    _add_tokens(builder, MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text))


def split_front_matter(text: str) -> tuple[dict[str, str], str]:
    """The ``key: value`` lines between two ``---`` at the start, keys in lower case, and the rest.

    Nested values and lists are left out: no YAML is interpreted. A block without a single such
    line is no front matter but text between two rules.
    """
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    entries = [_ENTRY.fullmatch(line.rstrip()) for line in match["body"].split("\n")]
    metadata = {
        entry["key"].lower(): entry["value"].strip().strip("\"'")
        for entry in entries
        if entry is not None
    }
    return (metadata, text[match.end() :]) if metadata else ({}, text)


def _add_tokens(builder: DocumentBuilder, tokens: Sequence[Token]) -> None:
    heading_level = list_depth = 0
    cells: list[str] | None = None
    rows: list[list[str]] = []
    for token in tokens:
        match token.type:
            case "heading_open":
                heading_level = int(token.tag[1])
            case "heading_close":
                heading_level = 0
            case "list_item_open":
                list_depth += 1
            case "list_item_close":
                list_depth -= 1
            case "tr_open":
                cells = []
            case "tr_close":
                rows.append(cells or [])
                cells = None
            case "table_close":
                add_table(builder, rows, has_header=True)
                rows = []
            case "fence" | "code_block":
                builder.add("code", token.content)
            case "html_block":
                add_visible_blocks(builder, BeautifulSoup(token.content, "lxml"))
            case "inline":
                text = _visible_text(token.children or [])
                if heading_level:
                    builder.heading(text, heading_level)
                elif cells is not None:
                    cells.append(" ".join(text.split()))
                else:
                    builder.add("list_item" if list_depth else "paragraph", text)


def _visible_text(children: Sequence[Token]) -> str:
    """The text of inline tokens: link texts and picture descriptions, no addresses, no HTML."""
    parts = []
    for child in children:
        if child.type in ("text", "code_inline", "image"):
            parts.append(child.content)
        elif (
            child.type == "softbreak"
            or child.type == "hardbreak"
            or child.content.lower().startswith("<br")
        ):
            parts.append("\n")
    return "".join(parts)
