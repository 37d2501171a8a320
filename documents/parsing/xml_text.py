"""Any XML: what stands in each element, a paragraph for each that holds words of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder
from documents.parsing.packages import parse_xml

if TYPE_CHECKING:
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_LONGEST = 64 * 1024 * 1024
_TITLES = ("title", "name", "headline")


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read XML of any vocabulary. Entities of its own are refused, see ``parse_xml``."""
    if path.stat().st_size > _LONGEST:
        raise ParseError("too_large", "a tree takes ten times its text")
    root = parse_xml(path.read_bytes())
    builder = DocumentBuilder(context.max_characters)
    title = ""
    stack = [root]
    while stack:
        element = stack.pop()
        if not isinstance(element.tag, str):
            continue
        if _holds_words(element):
            text = "".join(element.itertext())
            name = element.tag.rpartition("}")[2]
            title = title or (text if name.lower() in _TITLES else "")
            builder.add("paragraph", " ".join(text.split()))
        else:
            stack.extend(reversed(element))
    return builder.build(
        title=title,
        declared_language=root.get("{http://www.w3.org/XML/1998/namespace}lang") or "",
    )


def _holds_words(element: Any) -> bool:
    """Whether text stands in the element itself, beside its children or without any."""
    own = [element.text, *(child.tail for child in element)]
    return any(text and text.strip() for text in own)
