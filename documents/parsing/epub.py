"""Electronic books (EPUB): the chapters of the spine, each read as the page that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from documents.dates import parse_date
from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.html import add_visible_blocks, soup_of
from documents.parsing.packages import opened, optional_xml, read_xml, resolve

if TYPE_CHECKING:
    import zipfile
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONT_SCHEMES = ("idpf.org/2008/embedding", "ns.adobe.com/pdf/enc#RC")
"""Fonts are garbled in books that anyone may read."""
_PAGES = (".xhtml", ".html", ".htm")
_DC = ("title", "creator", "language", "date", "publisher", "identifier", "subject", "description")


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a book. One with digital rights management is ``encrypted``."""
    builder = DocumentBuilder(context.max_characters)
    with opened(path, context) as archive:
        _refuse_protected(archive)
        names = set(archive.namelist())
        if _CONTAINER not in names:
            raise ParseError("mislabelled", "an archive that is no book")
        metadata, chapters = _contents(archive, names)
        for name in chapters:
            data = archive.read(name)
            if data.strip():
                add_visible_blocks(builder, soup_of(data))
    return builder.build(
        title=metadata.pop("title", ""),
        author=metadata.pop("creator", ""),
        declared_language=metadata.pop("language", ""),
        published=parse_date(metadata.get("date", "")),
        metadata=metadata,
    )


def _refuse_protected(archive: zipfile.ZipFile) -> None:
    root = optional_xml(archive, _ENCRYPTION)
    for method in () if root is None else root.iter("{*}EncryptionMethod"):
        if not any(scheme in (method.get("Algorithm") or "") for scheme in _FONT_SCHEMES):
            raise ParseError("encrypted", "digital rights management")


def _contents(archive: zipfile.ZipFile, names: set[str]) -> tuple[dict[str, str], list[str]]:
    """What the book says of itself, and its chapters in order; all pages if it gives no order."""
    container = read_xml(archive, _CONTAINER)
    packages = [resolve("", e.get("full-path") or "") for e in container.iter("{*}rootfile")]
    package = next((name for name in packages if name in names), "")
    root = optional_xml(archive, package) if package else None
    metadata = {} if root is None else _metadata(root)
    chapters = [] if root is None else _spine(root, package)
    found = list(dict.fromkeys(name for name in chapters if name in names))
    return metadata, found or sorted(name for name in names if name.lower().endswith(_PAGES))


def _metadata(root: Any) -> dict[str, str]:
    values = {}
    for name in _DC:
        found = [one_line("".join(e.itertext())) for e in root.iter(f"{{*}}{name}")]
        values[name] = ", ".join(dict.fromkeys(found)) if name == "creator" else (found or [""])[0]
    return {name: value for name, value in values.items() if value}


def _spine(root: Any, package: str) -> list[str]:
    items = {
        entry.get("id"): resolve(package, entry.get("href") or "")
        for entry in root.iter("{*}item")
        if "html" in (entry.get("media-type") or "")
    }
    found = [items.get(entry.get("idref")) for entry in root.iter("{*}itemref")]
    return [name for name in found if name]
