"""PDF by its text layer: lines with page and box, in reading order, put together to paragraphs."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from documents.analysis import detect_language
from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.ocr import PageReader
from documents.parsing.paragraphs import add_paragraphs, without_running_lines
from documents.parsing.pdf_text import lines_of_page, picture_share

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.parsing.layout import PrintedLine
    from documents.types import ParsedDocument

_TAIL_BYTES = 64 * 1024
_END_MARK_BYTES = 2 * 1024
_LITTLE_TEXT = 50
"""Letters and digits; less may be a page number, a stamp or the name of a scanner."""
_NEXT_TO_NO_TEXT = 16
_MUCH_PICTURE = 0.5
"""Of a page's area."""
_SOME_PICTURE = 0.02
_PROGRAM_TITLE = re.compile(
    r"^(?:untitled.*|microsoft (?:word|powerpoint) ?-.*|.*\.\w{2,4})$", re.I
)


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a PDF's text layer, and pages without one from their picture.

    ``encrypted`` where a password is needed; ``no_text`` where nothing can be read,
    ``needs_recognition`` if that is because no recogniser is installed. ``metadata`` has, under
    ``warning.`` and a code of ``documents.problems.WARNINGS``, the pages that it is about.
    """
    document = open_pdf(path)
    try:
        page_count = len(document)
        if page_count > context.max_pages:
            raise ParseError("too_large", f"{page_count} pages")
        pages: list[list[PrintedLine]] = []
        characters = 0
        for number in range(page_count):
            pages.append(lines_of_page(document, number))
            characters += sum(len(line.text) for line in pages[-1])
            if characters > context.max_characters:
                raise ParseError("too_large", f"more than {context.max_characters} characters")
        reader = _recognise(document, pages, context)
        metadata = {key.lower(): value for key, value in document.get_metadata_dict().items()}
    finally:
        document.close()
    lines = [line for page in pages for line in page]
    if not any(_is_legible(page) for page in pages):
        needs = reader.unread and not reader.is_available
        raise ParseError("needs_recognition" if needs else "no_text")
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
            **_warnings(reader),
        },
    )


def _recognise(document: Any, pages: list[list[PrintedLine]], context: ParserContext) -> PageReader:
    """Put what is recognised in place of pages that say nothing, and beside the text of others."""
    text = "\n".join(line.text for page in pages if _is_legible(page) for line in page)
    reader = PageReader(context.recogniser, context.recognition_s, detect_language(text))
    for index, page in enumerate(pages):
        if _is_legible(page) and not _may_be_picture(document, index, page):
            continue
        found = reader.lines(document, index + 1)
        if _is_legible(page):
            found = [line for line in found if not _is_known(line, page)]
            if not _readable(found):
                reader.forget(index + 1)
                continue
            found = [*page, *found]
        if found:
            pages[index] = found
    return reader


def _is_known(line: PrintedLine, page: Sequence[PrintedLine]) -> bool:
    """Whether the page's own text says at the same place what was recognised there."""
    return any(
        line.box[0] < own.box[2]
        and own.box[0] < line.box[2]
        and line.box[1] < own.box[3]
        and own.box[1] < line.box[3]
        and len(line.text) <= 1.5 * len(own.text)
        for own in page
    )


def _may_be_picture(document: Any, index: int, page: Sequence[PrintedLine]) -> bool:
    """Whether a page has little text, as a stamp or a number, and a picture that may hold more."""
    readable = _readable(page)
    if readable >= _LITTLE_TEXT:
        return False
    share = picture_share(document, index)
    return share > _MUCH_PICTURE or (share > _SOME_PICTURE and readable < _NEXT_TO_NO_TEXT)


def _warnings(reader: PageReader) -> dict[str, str]:
    unread = "unreadable_pages" if reader.is_available else "not_recognised"
    return {
        f"warning.{code}": page_ranges(pages)
        for code, pages in (("recognised", reader.read), (unread, reader.unread))
        if pages
    }


def page_ranges(pages: Sequence[int]) -> str:
    """Ascending page numbers for people: ``1, 3–5``."""
    ranges: list[list[int]] = []
    for page in pages:
        if ranges and page == ranges[-1][1] + 1:
            ranges[-1][1] = page
        else:
            ranges.append([page, page])
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in ranges)


def open_pdf(path: Path) -> Any:
    """The document, to be closed by the caller. Raises ``ParseError``."""
    _check_end(path)
    try:
        document = pypdfium2.PdfDocument(path)
        with suppress(pypdfium2.PdfiumError):
            # For the fields of a form; it has to come before anything else.
            document.init_forms()
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


def _is_legible(lines: Sequence[PrintedLine]) -> bool:
    """Whether there is text: not in a scan, nor in fonts that hide what they say."""
    text = "".join(line.text for line in lines)
    private = sum(character == "\ufffd" or "\ue000" <= character <= "\uf8ff" for character in text)
    return _readable(lines) > max(0, private - 1)


def _readable(lines: Sequence[PrintedLine]) -> int:
    return sum(character.isalnum() for line in lines for character in line.text)
