"""The formats that are read, and how a file's type is told: by its name, checked by its bytes."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

from documents.parsing.base import ParseError
from documents.parsing.sniffing import COMPOUND_FILE, begins_as_html, has_signature, is_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from documents.parsing.base import Parser


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its media type, the endings of its files, its parser's module, its first bytes."""

    media_type: str
    extensions: tuple[str, ...]
    module: str
    looks_right: Callable[[bytes], bool]
    is_packed: bool = False
    """Binary by nature: bytes of no known type are then a damaged file, not another type."""


def _looks_like_pdf(head: bytes) -> bool:
    return b"%PDF-" in head[:1024]


def _looks_like_docx(head: bytes) -> bool:
    # Word puts a password-protected document into a compound file; the parser tells those apart.
    return head.startswith((b"PK\x03\x04", COMPOUND_FILE))


def _looks_like_plain_text(head: bytes) -> bool:
    return is_text(head) and not begins_as_html(head)


FORMATS = (
    Format("application/pdf", (".pdf",), "documents.parsing.pdf", _looks_like_pdf, is_packed=True),
    Format(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        (".docx",),
        "documents.parsing.docx",
        _looks_like_docx,
        is_packed=True,
    ),
    Format("text/html", (".html", ".htm", ".xhtml"), "documents.parsing.html", is_text),
    Format("text/markdown", (".md", ".markdown"), "documents.parsing.markdown", is_text),
    Format("text/plain", (".txt", ".text"), "documents.parsing.text", _looks_like_plain_text),
)
"""To add a format: copy one of the modules, and add a line here."""

SUPPORTED = {extension: known.media_type for known in FORMATS for extension in known.extensions}
"""Media type by file name ending, with its point, in lower case."""


def detect_media_type(filename: str, head: bytes) -> str:
    """The media type of a file by its name, if its first bytes (1 KiB or more) agree.

    Raises ``ParseError``: ``unsupported`` for an ending that no parser reads, ``empty`` for no
    bytes, ``mislabelled`` for bytes of another type, ``truncated`` for a PDF or DOCX whose bytes
    are of no known type.
    """
    extension = PurePath(filename).suffix.lower()
    known = next((one for one in FORMATS if extension in one.extensions), None)
    if known is None:
        raise ParseError("unsupported", extension)
    if not head:
        raise ParseError("empty")
    if not known.looks_right(head):
        is_damaged = known.is_packed and not (has_signature(head) or is_text(head))
        code = "truncated" if is_damaged else "mislabelled"
        raise ParseError(code, f"{extension} that begins with {head[:8]!r}")
    return known.media_type


def parser_for(media_type: str) -> Parser:
    """The parser of a media type, its libraries imported now and not before.

    Raises ``ParseError("unsupported")``.
    """
    for known in FORMATS:
        if known.media_type == media_type:
            return cast("Parser", importlib.import_module(known.module))
    raise ParseError("unsupported", media_type)
