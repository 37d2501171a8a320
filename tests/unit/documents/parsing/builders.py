"""Small files of each format, made here so that a test shows what is in them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from documents.parsing.base import ParserContext
from documents.parsing.registry import detect_media_type, parser_for
from documents.types import ParsedDocument


def parse(path: Path, context: ParserContext | None = None) -> ParsedDocument:
    """Parse in this process, by the ordinary choice of parser."""
    media_type = detect_media_type(path.name, path.read_bytes()[:4096])
    return parser_for(media_type).parse(path, context or ParserContext())


def kinds_and_texts(parsed: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def pdf(draw: Callable[[Canvas], None], **options: object) -> bytes:
    """A PDF of what ``draw`` puts on the canvas; it ends its pages itself, but for the last."""
    file = BytesIO()
    canvas = Canvas(file, pagesize=(400, 600), **options)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def write_lines(
    canvas: Canvas, lines: list[str], *, top: float, size: float = 10, font: str = "Helvetica"
) -> None:
    """Lines from ``top`` down, at one and a fifth of their size."""
    canvas.setFont(font, size)
    for number, line in enumerate(lines):
        canvas.drawString(50, top - number * 1.2 * size, line)


def chinese_font() -> str:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    return "STSong-Light"
