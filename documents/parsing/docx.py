"""Word documents (DOCX): headings by style, list items, tables row by row, notes at the end.

The tree of the document is walked here and not through python-docx's paragraph objects, which
leave out content controls, tracked insertions and text boxes.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any

import docx
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml import parse_xml
from lxml.etree import LxmlError  # type: ignore[import-untyped]

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.packages import check_office, code_of, opened, refuse_entities
from documents.parsing.tables import add_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_HEADING_NAME = re.compile(r"heading ([1-9])$")
_END_OF_BOX = object()
_NOTES = (RELATIONSHIP_TYPE.FOOTNOTES, RELATIONSHIP_TYPE.ENDNOTES)


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a Word document."""
    with opened(path, context) as archive:
        check_office(archive, b"wordprocessingml")
        refuse_entities(archive)
    try:
        document = docx.Document(str(path))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, PackageNotFoundError) as error:
        raise ParseError("truncated", str(error)) from error
    except (KeyError, ValueError, LxmlError, AttributeError) as error:
        # A missing part, a part of another type, broken XML.
        raise ParseError(code_of(error), f"{type(error).__name__}: {error}") from error
    if document.element.body is None:
        raise ParseError("truncated", "no body")
    builder = DocumentBuilder(context.max_characters)
    levels, list_styles = _styles(document)
    _add_body(builder, document.element.body, levels, list_styles)
    for relationship in document.part.rels.values():
        if relationship.reltype in _NOTES and not relationship.is_external:
            _add_body(builder, _notes(relationship.target_part), {}, frozenset())
    return _build(builder, document)


def _notes(part: Any) -> Any:
    try:
        return parse_xml(part.blob)
    except LxmlError as error:
        raise ParseError(code_of(error), f"notes: {error}") from error


def _styles(document: Any) -> tuple[dict[str, int], frozenset[str]]:
    """Heading level by style id, and ids of list styles; both follow ``basedOn``."""
    own: dict[str, tuple[int, bool, str]] = {}
    for style in document.styles.element.iterchildren(f"{_W}style"):
        name = (_value(style.find(f"{_W}name")) or "").lower()
        match = _HEADING_NAME.match(name)
        level = int(match.group(1)) if match else int(name == "title")
        outline = style.find(f"{_W}pPr/{_W}outlineLvl")
        if not level and outline is not None:
            level = _outline_level(outline)
        listed = style.find(f"{_W}pPr/{_W}numPr") is not None or name.startswith("list ")
        parent = _value(style.find(f"{_W}basedOn")) or ""
        own[style.get(f"{_W}styleId") or ""] = (level, listed, parent)
    levels: dict[str, int] = {}
    lists = set()
    for style_id in own:
        seen: set[str] = set()
        current = style_id
        while current in own and current not in seen:  # styles can be based on each other
            seen.add(current)
            level, listed, parent = own[current]
            if level:
                levels.setdefault(style_id, min(level, 6))
            if listed:
                lists.add(style_id)
            current = parent
    return levels, frozenset(lists)


def _add_body(
    builder: DocumentBuilder, body: Any, levels: dict[str, int], list_styles: frozenset[str]
) -> None:
    for element in _blocks(body):
        if element.tag == f"{_W}tbl":
            rows = [row for row in element.iter(f"{_W}tr") if _is_of(row, element)]
            cells = [[one_line(_text(cell)) for cell in _cells(row)] for row in rows]
            add_table(builder, cells, has_header=_has_header(element))
            continue
        text = _text(element)
        properties = element.find(f"{_W}pPr")
        style = _value(properties.find(f"{_W}pStyle")) if properties is not None else None
        level = levels.get(style or "", 0)
        numbered = False
        if properties is not None:
            outline = properties.find(f"{_W}outlineLvl")
            level = level or (_outline_level(outline) if outline is not None else 0)
            numbered = properties.find(f"{_W}numPr") is not None
        if level and len(text) <= 300:
            builder.heading(text, level)
        else:
            is_item = numbered or style in list_styles
            builder.add("list_item" if is_item else "paragraph", text)


def _blocks(root: Any) -> Iterator[Any]:
    """Paragraphs and tables in reading order, through content controls and insertions."""
    stack = [root]
    while stack:
        element = stack.pop()
        if element.tag in (f"{_W}p", f"{_W}tbl"):
            yield element
        elif element.tag != f"{_W}del":
            stack.extend(child for child in reversed(element) if isinstance(child.tag, str))


def _is_of(row: Any, table: Any) -> bool:
    return next(row.iterancestors(f"{_W}tbl")) is table


def _has_header(table: Any) -> bool | None:
    """What the table says of its first row: no, or nothing, since yes is what Word says unasked."""
    look = table.find(f"{_W}tblPr/{_W}tblLook")
    return False if look is not None and look.get(f"{_W}firstRow") == "0" else None


def _cells(row: Any) -> Iterator[Any]:
    for child in row.iter(f"{_W}tc"):
        # A cell of a table inside a cell is part of the outer cell's text.
        if next(child.iterancestors(f"{_W}tr")) is row:
            yield child


def _text(root: Any) -> str:
    """The visible text under an element. A text box is read once, not again as its fallback."""
    parts: list[str] = []
    stack: list[Any] = [root]
    while stack:
        element = stack.pop()
        if element is _END_OF_BOX:
            parts.append("\n")
            continue
        if not isinstance(element.tag, str) or element.tag in (_FALLBACK, f"{_W}del"):
            continue
        if element.tag == f"{_W}t":
            parts.append(element.text or "")
        elif element.tag in (f"{_W}br", f"{_W}cr"):
            parts.append("\n")
        elif element.tag == f"{_W}tab" and element.getparent().tag == f"{_W}r":
            parts.append("\t")
        elif element.tag == f"{_W}noBreakHyphen":
            parts.append("-")
        else:
            if element.tag == f"{_W}p" and parts:
                parts.append("\n")
            if element.tag == f"{_W}txbxContent":
                stack.append(_END_OF_BOX)
            stack.extend(reversed(element))
    return "".join(parts)


def _value(element: Any) -> str | None:
    return None if element is None else element.get(f"{_W}val")


def _outline_level(element: Any) -> int:
    value = _value(element) or ""
    return int(value) + 1 if value.isdigit() and int(value) < 6 else 0


def _build(builder: DocumentBuilder, document: Any) -> ParsedDocument:
    title = author = language = ""
    metadata: dict[str, str] = {}
    try:
        properties = document.core_properties
        title, author = properties.title or "", properties.author or ""
        language = properties.language or ""
        for key in ("created", "modified"):
            moment = getattr(properties, key)
            if moment is not None:
                metadata[key] = moment.isoformat()
        metadata["subject"] = properties.subject or ""
        metadata["keywords"] = properties.keywords or ""
    except (ValueError, KeyError, LxmlError, AttributeError):
        # Broken properties cost the title, never the text.
        metadata.clear()
    return builder.build(title=title, author=author, declared_language=language, metadata=metadata)
