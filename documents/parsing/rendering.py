"""One page of a PDF as a picture, for the source viewer: a job of the limited program."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pypdfium2
from PIL import Image

from documents.parsing.base import ParseError
from documents.parsing.pdf import open_pdf

if TYPE_CHECKING:
    from pathlib import Path

    from documents.parsing.base import ParserContext

MOST_WIDTH = 2_000
MOST_HIGH = 16_000
"""WebP's limit is 16,383."""
MOST_PIXELS = 6_000_000
_QUALITY = 80


def run(path: Path, options: dict[str, Any], context: ParserContext) -> bytes:
    """Page ``options["page"]``, from 1, ``options["width"]`` dots wide, as WebP.

    Before it stands a line of JSON with ``width`` and ``height`` of the page in points, as it is
    shown: the measure of the boxes of its lines. A page of an unusual shape gets fewer dots.
    Raises ``ParseError``: as the PDF parser does, or ``no_page``.
    """
    Image.preinit()
    document = open_pdf(path)
    try:
        page = _page(document, int(options["page"]))
        try:
            width, height = page.get_size()
            if width <= 0 or height <= 0:
                raise ParseError("no_page", "an empty page")
            scale = min(
                min(int(options["width"]), MOST_WIDTH) / width,
                (MOST_PIXELS / (width * height)) ** 0.5,
                MOST_HIGH / height,
            )
            picture = page.render(scale=scale).to_pil()
        finally:
            page.close()
    finally:
        document.close()
    file = io.BytesIO()
    picture.convert("RGB").save(file, "WEBP", quality=_QUALITY, method=2)
    return json.dumps({"width": width, "height": height}).encode() + b"\n" + file.getvalue()


def _page(document: Any, number: int) -> Any:
    if not 1 <= number <= len(document):
        raise ParseError("no_page", f"page {number} of {len(document)}")
    try:
        return document[number - 1]
    except pypdfium2.PdfiumError as error:
        raise ParseError("no_page", str(error)) from error
