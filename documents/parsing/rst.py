"""reStructuredText, also Sphinx's, whose own directives and roles are read as the text inside."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Parser
from docutils.utils import new_document

from documents.dates import parse_date
from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, clean
from documents.parsing.decoding import decode
from documents.parsing.tables import add_table
from documents.parsing.text import add_paragraphs

if TYPE_CHECKING:
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import BlockKind, ParsedDocument

_ROLE = re.compile(r":(?!math:|sub:|sup:)[a-zA-Z][\w:.+-]{0,40}:`([^`<>]+?)(?:\s*<[^`<>]*>)?`")
_DIRECTIVE = re.compile(r"\s*\.\.\s+(?P<name>[\w:.+-]+)::[^\S\n]*(?P<argument>[^\n]*)")
_OPTION = re.compile(r"\s*:[\w-]+:[^\n]*")
_OF_TOOLS = re.compile(
    r"(?:toctree|contents|index|highlight|default-domain|include|image|currentmodule|auto\w+)$"
)
_CODE = re.compile(r"(?:code|sourcecode|literal|prompt|parsed)")
_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 6,
    "syntax_highlight": "none",
    "_disable_config": True,
    "line_length_limit": 10_000_000,
}
_LEAVES: dict[type[nodes.Node], BlockKind] = {
    nodes.literal_block: "code",
    nodes.doctest_block: "code",
    nodes.math_block: "code",
    nodes.paragraph: "paragraph",
    nodes.term: "paragraph",
    nodes.rubric: "paragraph",
    nodes.attribution: "paragraph",
    nodes.caption: "paragraph",
    nodes.line_block: "paragraph",
    nodes.field: "paragraph",
}
_UNSEEN = (nodes.comment, nodes.substitution_definition, nodes.target, nodes.pending)
_FIELD_NAMES = {"author": "author", "authors": "author", "date": "date", "lang": "language"}


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read the text; no file that it names is opened, and no raw HTML is taken."""
    text = _ROLE.sub(r"\1", clean(decode(path.read_bytes())))
    settings = get_default_settings(Parser)
    for name, value in _SETTINGS.items():
        setattr(settings, name, value)
    document = new_document(path.name, settings)
    try:
        Parser().parse(text, document)
    except RecursionError as error:
        raise ParseError("nested", "blocks inside blocks") from error
    builder = DocumentBuilder(context.max_characters)
    _add(builder, document)
    fields = _fields(document)
    return builder.build(
        author=fields.get("author", ""),
        declared_language=fields.get("language", ""),
        published=parse_date(fields.get("date", "")),
        metadata=fields,
    )


def _add(builder: DocumentBuilder, document: nodes.document) -> None:
    stack: list[tuple[Any, int, bool]] = [(document, 0, False)]
    while stack:
        node, level, in_list = stack.pop()
        kind = next((kind for leaf, kind in _LEAVES.items() if isinstance(node, leaf)), None)
        if isinstance(node, _UNSEEN):
            continue
        if isinstance(node, nodes.system_message):
            _add_unknown(builder, node)
        elif isinstance(node, nodes.title):
            builder.heading(node.astext(), max(1, min(level, 6)))
        elif isinstance(node, nodes.table):
            _add_rows(builder, node)
        elif kind is not None:
            is_item = in_list and kind == "paragraph"
            builder.add("list_item" if is_item else kind, _astext(node))
        else:
            level += isinstance(node, nodes.section)
            in_list = in_list or isinstance(node, nodes.list_item)
            stack.extend((child, level, in_list) for child in reversed(node.children))


def _astext(node: Any) -> str:
    if isinstance(node, nodes.line_block):
        return "\n".join(line.astext() for line in node.findall(nodes.line))
    if isinstance(node, nodes.field):
        return f"{node.children[0].astext()}: {_stated(node)}"
    return str(node.astext())


def _add_rows(builder: DocumentBuilder, table: nodes.table) -> None:
    for title in table.findall(nodes.title):
        builder.add("paragraph", title.astext())
    rows = [
        [entry.astext() for entry in row.findall(nodes.entry)] for row in table.findall(nodes.row)
    ]
    add_table(builder, rows, has_header=any(table.findall(nodes.thead)) or None)


def _add_unknown(builder: DocumentBuilder, message: nodes.system_message) -> None:
    """What stands inside a directive that only another program knows."""
    for block in message.findall(nodes.literal_block):
        match = _DIRECTIVE.match(block.astext())
        if match is None or _OF_TOOLS.match(match["name"]):
            continue
        lines = block.astext()[match.end() :].split("\n")
        while lines and (not lines[0].strip() or _OPTION.fullmatch(lines[0])):
            del lines[0]
        if _CODE.match(match["name"]):
            builder.add("code", dedent("\n".join(lines)))
            continue
        builder.add("paragraph", match["argument"])
        for group in "\n".join(lines).split("\n\n"):
            add_paragraphs(builder, group, one_per_line=False)


def _fields(document: nodes.document) -> dict[str, str]:
    """The ``:author: name`` lines at the top."""
    found: dict[str, str] = {}
    for fields in list(document.findall(nodes.field_list))[:1]:
        for field in fields.findall(nodes.field):
            name = field.children[0].astext().lower()
            if name in _FIELD_NAMES:
                found[_FIELD_NAMES[name]] = _stated(field)
    return found


def _stated(field: nodes.field) -> str:
    """A field's value as written: "A. B." is a person and no list."""
    body = field.children[1]
    return str(body.rawsource or body.astext())
