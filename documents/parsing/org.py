"""Org mode: headings by stars, blocks, tables, the keywords at the top."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from documents.dates import parse_date
from documents.parsing.builder import DocumentBuilder, clean
from documents.parsing.decoding import decode
from documents.parsing.tables import add_table
from documents.parsing.text import add_paragraphs

if TYPE_CHECKING:
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_HEADING = re.compile(r"(\*+)\s+(?:(?:TODO|DONE)\s+)?(.*?)(?:\s+:[\w:@]+:)?\s*")
_KEYWORD = re.compile(r"#\+(\w+):\s*(.*)", re.IGNORECASE)
_BEGIN = re.compile(r"\s*#\+begin_(\w+)", re.IGNORECASE)
_END = re.compile(r"\s*#\+end_", re.IGNORECASE)
_RULE = re.compile(r"\s*\|[-+]+\|?\s*")
_LINK = re.compile(r"\[\[[^\]\n]*\]\[([^\]\n]*)\]\]|\[\[([^\]\n]*)\]\]")
_DRAWER = re.compile(r"\s*:[\w-]+:.*")
_AS_CODE = ("src", "example")


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read an Org file as text with headings; nothing in it is run."""
    builder = DocumentBuilder(context.max_characters)
    keywords: dict[str, str] = {}
    group: list[str] = []
    rows: list[list[str]] = []
    block = ""

    def flush() -> None:
        add_table(builder, rows)
        if block in _AS_CODE:
            builder.add("code", "\n".join(group))
        else:
            text = _LINK.sub(lambda m: m.group(1) or m.group(2), "\n".join(group))
            add_paragraphs(builder, text, one_per_line=False)
        group.clear()
        rows.clear()

    for line in clean(decode(path.read_bytes())).split("\n"):
        begin, heading = _BEGIN.match(line), _HEADING.fullmatch(line)
        keyword = _KEYWORD.fullmatch(line.strip())
        if block in _AS_CODE and not _END.match(line):
            group.append(line)
        elif begin or _END.match(line):
            flush()
            block = begin.group(1).lower() if begin else ""
        elif heading:
            flush()
            builder.heading(heading.group(2), min(len(heading.group(1)), 6))
        elif keyword:
            keywords.setdefault(keyword.group(1).lower(), keyword.group(2).strip())
        elif line.strip().startswith("|"):
            if not _RULE.fullmatch(line):
                rows.append(line.strip().strip("|").split("|"))
        elif not line.strip() or _DRAWER.fullmatch(line) or line.startswith("# "):
            flush()
        else:
            group.append(line)
    flush()
    return builder.build(
        title=keywords.get("title", ""),
        author=keywords.get("author", ""),
        declared_language=keywords.get("language", ""),
        published=parse_date(keywords.get("date", "")),
    )
