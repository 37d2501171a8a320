"""PDF by its text layer: lines with page and box, in reading order, put together to paragraphs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.paragraphs import add_paragraphs, without_running_lines
from documents.parsing.pdf_text import lines_of_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.parsing.layout import PrintedLine
    from documents.types import ParsedDocument

_TAIL_BYTES = 64 * 1024
_END_MARK_BYTES = 2 * 1024
_PROGRAM_TITLE = re.compile(
    r"^(?:untitled.*|microsoft (?:word|powerpoint) ?-.*|.*\.\w{2,4})$", re.I
)


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a PDF's text layer. ``no_text`` for scans, ``encrypted`` where a password is needed."""
    document = open_pdf(path)
    try:
        page_count = len(document)
        if page_count > context.max_pages:
            raise ParseError("too_large", f"{page_count} pages")
        lines: list[PrintedLine] = []
        characters = 0
        for number in range(page_count):
            found = lines_of_page(document, number)
            characters += sum(len(line.text) for line in found)
            if characters > context.max_characters:
                raise ParseError("too_large", f"more than {context.max_characters} characters")
            lines.extend(found)
        metadata = {key.lower(): value for key, value in document.get_metadata_dict().items()}
    finally:
        document.close()
    _check_legible(lines)
    builder = DocumentBuilder(context.max_characters)
    add_paragraphs(builder, without_running_lines(lines, page_count))
    title = one_line(metadata.get("title", ""))
    return builder.build(
        title="" if _PROGRAM_TITLE.match(title) else title,
        author=metadata.get("author", ""),
        page_count=page_count,
        metadata={
            "created": metadata.get("creationdate", ""),
            "modified": metadata.get("moddate", ""),
            "subject": metadata.get("subject", ""),
            "keywords": metadata.get("keywords", ""),
        },
    )


def open_pdf(path: Path) -> Any:
    """The document, to be closed by the caller. Raises ``ParseError``."""
    _check_end(path)
    try:
        document = pypdfium2.PdfDocument(path)
        if len(document) == 0:
            raise ParseError("truncated", "no pages")
    except pypdfium2.PdfiumError as error:
        code = getattr(error, "err_code", None)
        if code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise ParseError("encrypted", str(error)) from error
        raise ParseError("truncated", str(error)) from error
    return document


def _check_end(path: Path) -> None:
    """Refuse a file that stops early: pdfium would repair it and silently read half of it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read().rstrip(b"\x00 \t\r\n")
    # Writers pad and append signatures; readers look into the last kilobyte for the mark.
    if b"%%EOF" not in tail[-_END_MARK_BYTES:] and b"startxref" not in tail[-_END_MARK_BYTES:]:
        raise ParseError("truncated", "no end mark")


def _check_legible(lines: Sequence[PrintedLine]) -> None:
    """Refuse a text layer without text: a scan, or fonts that do not say what they show."""
    text = "".join(line.text for line in lines)
    readable = sum(character.isalnum() for character in text)
    private = sum(character == "\ufffd" or "\ue000" <= character <= "\uf8ff" for character in text)
    if readable == 0 or private > readable:
        raise ParseError("no_text")
