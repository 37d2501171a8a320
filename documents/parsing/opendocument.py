"""OpenDocument texts, presentations and sheets (ODT, ODP, ODS): values as they are shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.packages import opened, optional_xml, read_xml
from documents.parsing.tables import add_table, names_something, regions

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_NS = "urn:oasis:names:tc:opendocument:xmlns:"
_TEXT, _TABLE, _DRAW = f"{{{_NS}text:1.0}}", f"{{{_NS}table:1.0}}", f"{{{_NS}drawing:1.0}}"
_OFFICE, _META = f"{{{_NS}office:1.0}}", f"{{{_NS}meta:1.0}}"
_SHOWN = f"{{{_NS}presentation:1.0}}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_UNSEEN = frozenset(
    [
        f"{_TEXT}tracked-changes",
        f"{_TEXT}sequence-decls",
        f"{_TEXT}index-title-template",
        f"{_OFFICE}annotation",
        f"{_OFFICE}forms",
        f"{_OFFICE}scripts",
    ]
)
_PROPERTIES = {
    "title": f"{_DC}title",
    "author": f"{_META}initial-creator",
    "creator": f"{_DC}creator",
    "language": f"{_DC}language",
    "subject": f"{_DC}subject",
    "created": f"{_META}creation-date",
    "modified": f"{_DC}date",
}
_MOST_SPACES, _MOST_COLUMNS = 100, 1_000


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a text or a presentation; of the latter, each slide is a page."""
    builder = DocumentBuilder(context.max_characters)
    with opened(path, context) as archive:
        names = set(archive.namelist())
        if "content.xml" not in names:
            raise ParseError("mislabelled", "an archive that is no OpenDocument file")
        refuse_encrypted(archive)
        root = read_xml(archive, "content.xml")
        properties = document_properties(archive)
    notes: list[Any] = []
    slides = list(root.iter(f"{_DRAW}page"))
    if slides:
        for number, slide in enumerate(slides, start=1):
            _add(builder, slide, notes, page=number)
    else:
        _add(builder, root, notes, page=None)
    for note in notes:
        builder.add("paragraph", _inline(note, []))
    return builder.build(
        title=properties.pop("title", ""),
        author=properties.pop("author", "") or properties.get("creator", ""),
        declared_language=properties.pop("language", ""),
        page_count=len(slides) or None,
        metadata=properties,
    )


def refuse_encrypted(archive: zipfile.ZipFile) -> None:
    """Raise for a file with a password: its parts are encrypted one by one."""
    root = optional_xml(archive, "META-INF/manifest.xml")
    if root is not None and root.find(".//{*}encryption-data") is not None:
        raise ParseError("encrypted", "encrypted parts")


def document_properties(archive: zipfile.ZipFile) -> dict[str, str]:
    """Title, author, language and times, as far as stated."""
    root = optional_xml(archive, "meta.xml")
    if root is None:
        return {}
    values = {key: one_line(root.findtext(f".//{tag}") or "") for key, tag in _PROPERTIES.items()}
    return {key: value for key, value in values.items() if value}


def _add(builder: DocumentBuilder, root: Any, notes: list[Any], *, page: int | None) -> None:
    """Blocks in reading order, with a stack of its own: lists are nested as deep as they like."""
    stack: list[tuple[Any, bool, bool]] = [(root, False, False)]
    while stack:
        element, in_list, is_title = stack.pop()
        tag = element.tag
        if not isinstance(tag, str) or tag in _UNSEEN:
            continue
        if tag == f"{_TEXT}h" or (tag == f"{_TEXT}p" and is_title):
            level = _count(element.get(f"{_TEXT}outline-level"), 6)
            builder.heading(_inline(element, notes), level, page=page)
        elif tag == f"{_TEXT}p":
            builder.add("list_item" if in_list else "paragraph", _inline(element, notes), page=page)
            stack.extend((box, in_list, False) for box in reversed(list(_boxes(element))))
        elif tag == f"{_TABLE}table":
            has_header = element.find(f"{_TABLE}table-header-rows") is not None
            rows = [list(_cells(row, notes)) for row in element.iter(f"{_TABLE}table-row")]
            if element.getparent().tag == f"{_OFFICE}spreadsheet":
                _add_sheet(builder, element.get(f"{_TABLE}name") or "", rows)
            else:
                add_table(builder, rows, has_header=has_header or None, page=page)
        else:
            in_list = in_list or tag == f"{_TEXT}list-item"
            is_title = is_title or element.get(f"{_SHOWN}class") == "title"
            stack.extend((child, in_list, is_title) for child in reversed(element))


def _add_sheet(builder: DocumentBuilder, name: str, rows: list[list[str]]) -> None:
    if names_something(name):
        builder.heading(name, 1)
    for region in regions(rows):
        add_table(builder, region)


def _cells(row: Any, notes: list[Any]) -> Iterator[str]:
    for cell in row:
        if cell.tag in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            times = _count(cell.get(f"{_TABLE}number-columns-repeated"), _MOST_COLUMNS)
            text = " ".join(_inline(part, notes) for part in cell.iter(f"{_TEXT}p", f"{_TEXT}h"))
            yield from [text] * times


def _boxes(paragraph: Any) -> Iterator[Any]:
    """The text boxes that hang on a paragraph; those inside them hang on paragraphs of theirs."""
    for box in paragraph.iter(f"{_DRAW}text-box"):
        around = next(box.iterancestors(f"{_DRAW}text-box"), None)
        if around is None or paragraph not in around.iterancestors():
            yield box


def _count(stated: str | None, most: int) -> int:
    """A repetition that the file states, at least 1; no more than anybody means."""
    return min(int(stated), most) if stated and re.fullmatch("[1-9][0-9]{0,9}", stated) else 1


def _inline(root: Any, notes: list[Any]) -> str:
    """The text of a paragraph; its notes are put aside, its boxes are blocks of their own."""
    parts: list[str] = [root.text or ""]
    stack = list(reversed([(child, False) for child in root]))
    while stack:
        element, leaves = stack.pop()
        if leaves:
            parts.append(element.tail or "")
            continue
        stack.append((element, True))
        tag = element.tag
        if tag == f"{_TEXT}s":
            parts.append(" " * _count(element.get(f"{_TEXT}c"), _MOST_SPACES))
        elif tag == f"{_TEXT}tab":
            parts.append("\t")
        elif tag == f"{_TEXT}line-break":
            parts.append("\n")
        elif tag == f"{_TEXT}note":
            notes.extend(element.iter(f"{_TEXT}note-body"))
        elif isinstance(tag, str) and tag not in _UNSEEN and tag != f"{_DRAW}text-box":
            if tag == f"{_TEXT}p":
                parts.append("\n")
            parts.append(element.text or "")
            stack.extend((child, False) for child in reversed(element))
    return "".join(parts)
