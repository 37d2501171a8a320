"""PowerPoint (PPTX): each slide a page; titles, texts, tables, charts, diagrams, speaker notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.packages import (
    check_office,
    core_properties,
    opened,
    optional_xml,
    read_xml,
    relationships,
)
from documents.parsing.tables import add_table

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_PRESENTATION = "ppt/presentation.xml"
_TITLES = frozenset({"title", "ctrTitle"})
_REPEATED = frozenset({"dt", "ftr", "sldNum", "hdr"})
"""Date, footer and number stand on every slide."""
_MOST_POINTS = 2_000


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read the slides in the order of the presentation, hidden ones too."""
    builder = DocumentBuilder(context.max_characters)
    with opened(path, context) as archive:
        check_office(archive, b"presentationml")
        slides = _slides(archive)
        if len(slides) > context.max_pages:
            raise ParseError("too_large", f"{len(slides)} slides")
        for number, slide in enumerate(slides, start=1):
            _add_slide(builder, archive, slide, number)
        properties = core_properties(archive)
    title = properties.pop("title", "")
    return builder.build(
        title="" if title.lower() == "powerpoint presentation" else title,
        author=properties.pop("author", ""),
        declared_language=properties.pop("language", ""),
        page_count=len(slides),
        metadata=properties,
    )


def _slides(archive: zipfile.ZipFile) -> list[str]:
    root = read_xml(archive, _PRESENTATION)
    parts = relationships(archive, _PRESENTATION)
    names = set(archive.namelist())
    found = [parts.get(entry.get(f"{_R}id") or "") for entry in root.iter(f"{_P}sldId")]
    return [target for part in found if part for target in part[1:] if target in names]


def _add_slide(builder: DocumentBuilder, archive: zipfile.ZipFile, part: str, page: int) -> None:
    root = read_xml(archive, part)
    related = relationships(archive, part)
    shapes = list(_shapes(root))
    for shape in [s for s in shapes if _placeholder(s) in _TITLES]:
        builder.heading(" ".join(_paragraphs(shape)), 1, page=page)
    for shape in shapes:
        if _placeholder(shape) not in _TITLES | _REPEATED:
            _add_shape(builder, archive, shape, related, page)
    for kind, target in related.values():
        notes = optional_xml(archive, target) if kind == "notesSlide" else None
        for shape in () if notes is None else _shapes(notes):
            if _placeholder(shape) == "body":
                for text in _paragraphs(shape):
                    builder.add("paragraph", text, page=page)


def _shapes(root: Any) -> Iterator[Any]:
    """Shapes and frames in reading order, out of their groups, each alternative once."""
    stack = [root]
    while stack:
        element = stack.pop()
        if element.tag in (f"{_P}sp", f"{_P}graphicFrame"):
            yield element
        elif element.tag != _FALLBACK and isinstance(element.tag, str):
            stack.extend(reversed(element))


def _placeholder(shape: Any) -> str:
    """What the layout says that the shape is for; ``""`` for a shape that stands by itself."""
    element = shape.find(f".//{_P}nvPr/{_P}ph")
    return "" if element is None else element.get("type") or "body"


def _add_shape(
    builder: DocumentBuilder,
    archive: zipfile.ZipFile,
    shape: Any,
    related: dict[str, tuple[str, str]],
    page: int,
) -> None:
    if shape.tag == f"{_P}sp":
        texts = list(_paragraphs(shape))
        is_list = _placeholder(shape) == "body" and len(texts) > 1
        for text in texts:
            builder.add("list_item" if is_list else "paragraph", text, page=page)
        return
    for table in shape.iter(f"{_A}tbl"):
        properties = table.find(f"{_A}tblPr")
        named = properties is not None and properties.get("firstRow") in ("1", "true")
        rows = [
            [" ".join(_paragraphs(cell)) for cell in row.iter(f"{_A}tc")]
            for row in table.iter(f"{_A}tr")
        ]
        add_table(builder, rows, has_header=named or None, page=page)
    identifiers = {value for element in shape.iter() for value in element.attrib.values()}
    for identifier, (kind, target) in related.items():
        if identifier in identifiers and kind in ("chart", "diagramData"):
            part = optional_xml(archive, target)
            if part is not None and kind == "chart":
                _add_chart(builder, part, page)
            elif part is not None:
                for text in _paragraphs(part):
                    builder.add("paragraph", text, page=page)


def _add_chart(builder: DocumentBuilder, chart: Any, page: int) -> None:
    """The title, and the points as the table that they were drawn from."""
    for title in chart.iter(f"{_C}title"):
        builder.add("paragraph", " ".join(_paragraphs(title)), page=page)
    header, columns = [""], list[list[str]]()
    for series in chart.iter(f"{_C}ser"):
        header.append(" ".join(_values(series.find(f"{_C}tx"))))
        if not columns:
            columns.append(_values(series.find(f"{_C}cat")))
        columns.append(_values(series.find(f"{_C}val")))
    height = max(map(len, columns), default=0)
    rows = [[column[i] if i < len(column) else "" for column in columns] for i in range(height)]
    add_table(builder, [header, *rows], page=page)


def _values(element: Any | None) -> list[str]:
    if element is None:
        return []
    return [value.text or "" for value in element.iter(f"{_C}v")][:_MOST_POINTS]


def _paragraphs(root: Any) -> Iterator[str]:
    for paragraph in root.iter(f"{_A}p"):
        parts = []
        for element in paragraph.iter(f"{_A}t", f"{_A}br", f"{_A}tab"):
            parts.append({f"{_A}br": "\n", f"{_A}tab": "\t"}.get(element.tag, element.text or ""))
        text = "".join(parts)
        if one_line(text):
            yield text
