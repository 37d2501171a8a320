"""The formats that are read, and how a file's type is told: by its name, checked by its bytes."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

from documents.parsing.base import ParseError
from documents.parsing.sniffing import COMPOUND_FILE, begins_as_html, has_signature, is_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from documents.parsing.base import Parser


_OOXML = "vnd.openxmlformats-officedocument"
_MAIL_HEADER = re.compile(
    rb"^(?:from|to|subject|date|received|return-path|mime-version|message-id|delivered-to|sender"
    rb"|content-type|x-[\w-]+):",
    re.IGNORECASE | re.MULTILINE,
)
_WITH_MACROS = frozenset({".docm", ".dotm", ".xlsm", ".xltm", ".pptm", ".potm", ".ppsm"})


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


def _looks_like_office(head: bytes) -> bool:
    # A password puts a modern document into a compound file; the parser tells those apart.
    return head.startswith((b"PK\x03\x04", COMPOUND_FILE))


def _looks_like_archive(head: bytes) -> bool:
    return head.startswith(b"PK\x03\x04")


def _looks_like_compound(head: bytes) -> bool:
    return head.startswith(COMPOUND_FILE)


def _looks_like_rich_text(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{\\rtf")


def _looks_like_mail(head: bytes) -> bool:
    return is_text(head) and _MAIL_HEADER.search(head) is not None


def _looks_like_plain_text(head: bytes) -> bool:
    return is_text(head) and not begins_as_html(head)


def _office(
    media_type: str,
    extension: str,
    module: str,
    looks_right: Callable[[bytes], bool] = _looks_like_office,
) -> Format:
    """A format of office programs: binary, one ending."""
    module = f"documents.parsing.{module}"
    return Format(f"application/{media_type}", (extension,), module, looks_right, is_packed=True)


FORMATS = (
    Format("application/pdf", (".pdf",), "documents.parsing.pdf", _looks_like_pdf, is_packed=True),
    _office(f"{_OOXML}.wordprocessingml.document", ".docx", "docx"),
    _office(f"{_OOXML}.presentationml.presentation", ".pptx", "pptx"),
    _office(f"{_OOXML}.spreadsheetml.sheet", ".xlsx", "spreadsheet"),
    _office("vnd.oasis.opendocument.text", ".odt", "opendocument", _looks_like_archive),
    _office("vnd.oasis.opendocument.presentation", ".odp", "opendocument", _looks_like_archive),
    _office("vnd.oasis.opendocument.spreadsheet", ".ods", "opendocument", _looks_like_archive),
    _office("epub+zip", ".epub", "epub", _looks_like_archive),
    _office("msword", ".doc", "doc", _looks_like_compound),
    _office("vnd.ms-powerpoint", ".ppt", "ppt", _looks_like_compound),
    _office("vnd.ms-excel", ".xls", "spreadsheet", _looks_like_compound),
    _office("vnd.ms-outlook", ".msg", "msg", _looks_like_compound),
    Format("application/rtf", (".rtf",), "documents.parsing.rtf", _looks_like_rich_text),
    Format("message/rfc822", (".eml",), "documents.parsing.eml", _looks_like_mail),
    Format("text/csv", (".csv",), "documents.parsing.delimited", is_text),
    Format("text/tab-separated-values", (".tsv", ".tab"), "documents.parsing.delimited", is_text),
    Format("text/x-rst", (".rst", ".rest"), "documents.parsing.rst", is_text),
    Format("text/html", (".html", ".htm", ".xhtml"), "documents.parsing.html", is_text),
    Format("text/markdown", (".md", ".markdown"), "documents.parsing.markdown", is_text),
    Format("text/x-org", (".org",), "documents.parsing.org", is_text),
    Format("application/json", (".json", ".jsonl"), "documents.parsing.json_values", is_text),
    Format("application/x-ipynb+json", (".ipynb",), "documents.parsing.notebook", is_text),
    Format("text/xml", (".xml",), "documents.parsing.xml_text", is_text),
    Format(
        "text/plain", (".txt", ".text", ".log"), "documents.parsing.text", _looks_like_plain_text
    ),
)
"""To add a format: copy one of the modules, and add a line here."""

SUPPORTED = {extension: known.media_type for known in FORMATS for extension in known.extensions}
"""Media type by file name ending, with its point, in lower case."""


def detect_media_type(filename: str, head: bytes) -> str:
    """The media type of a file by its name, if its first bytes (1 KiB or more) agree.

    Raises ``ParseError``: ``unsupported`` for an ending that no parser reads, ``macros`` for one
    that says that there are programs inside, ``empty`` for no bytes, ``mislabelled`` for bytes of
    another type, ``truncated`` for a binary format whose bytes are of no known type.
    """
    extension = PurePath(filename).suffix.lower()
    if extension in _WITH_MACROS:
        raise ParseError("macros", extension)
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
