"""Formats that are a ZIP of XML parts: opened under limits, and read without following anything."""

from __future__ import annotations

import posixpath
import struct
import zipfile
import zlib
from contextlib import contextmanager
from lzma import LZMAError
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lxml import etree  # type: ignore[import-untyped]

from documents.parsing.base import ParseError
from documents.parsing.builder import one_line
from documents.parsing.sniffing import COMPOUND_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from documents.parsing.base import ParserContext

_MAX_XML_BYTES = 64 * 1024 * 1024
"""A tree takes about ten times its XML in memory."""
_XML_PARTS = (".xml", ".rels", ".opf", ".xhtml", ".html", ".htm")
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_DEPTH_ERROR = "depth"
_CORE = {
    "title": "{http://purl.org/dc/elements/1.1/}title",
    "author": "{http://purl.org/dc/elements/1.1/}creator",
    "language": "{http://purl.org/dc/elements/1.1/}language",
    "subject": "{http://purl.org/dc/elements/1.1/}subject",
    "keywords": "{http://schemas.openxmlformats.org/package/2006/metadata/core-properties}keywords",
    "created": "{http://purl.org/dc/terms/}created",
    "modified": "{http://purl.org/dc/terms/}modified",
}
_UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    zlib.error,
    LZMAError,
)
_NO_CONTENTS = (ValueError, struct.error)
"""What ``zipfile`` raises besides for a damaged table of contents, as for names in it."""
_PROTECTED_OR_MISSING = (RuntimeError, KeyError, UnicodeError)


@contextmanager
def opened(path: Path, context: ParserContext) -> Iterator[zipfile.ZipFile]:
    """The archive, after its table of contents has been held against the limits.

    Declared sizes are enough: ``zipfile`` reads no more of a member than it declares. Raises
    ``ParseError``: ``encrypted``, ``mislabelled`` for a legacy file under a new name, ``truncated``
    also for damage found while the archive is read, ``too_large``.
    """
    refuse_compound_file(path)
    try:
        with _archive(path) as archive:
            check_contents(archive, context)
            yield archive
    except _UNREADABLE as error:
        raise ParseError("truncated", str(error)) from error


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _NO_CONTENTS as error:
        raise ParseError("truncated", f"{type(error).__name__}: {error}") from error


def refuse_compound_file(path: Path) -> None:
    """Raise for an OLE file: a password is one, and so is a file of the nineties."""
    with path.open("rb") as file:
        if file.read(8) == COMPOUND_FILE:
            code = "encrypted" if _ENCRYPTED_PACKAGE in file.read() else "mislabelled"
            raise ParseError(code, "an OLE compound file")


def check_contents(archive: zipfile.ZipFile, context: ParserContext) -> None:
    """Hold the members against the limits. Raises ``ParseError``."""
    members = archive.infolist()
    if len(members) > context.max_archive_members:
        raise ParseError("too_large", f"{len(members)} members")
    if sum(member.file_size for member in members) > context.max_uncompressed_bytes:
        raise ParseError("too_large", "unpacks to too much")
    if any(
        m.file_size > _MAX_XML_BYTES for m in members if m.filename.lower().endswith(_XML_PARTS)
    ):
        raise ParseError("too_large", "one part is too large")
    if any(member.flag_bits & 1 for member in members):
        raise ParseError("encrypted", "encrypted archive")


def check_office(archive: zipfile.ZipFile, kind: bytes) -> None:
    """Raise unless this is an Office document of ``kind`` (``spreadsheetml``), without macros."""
    names = set(archive.namelist())
    if "[Content_Types].xml" not in names:
        raise ParseError("mislabelled", "an archive that is no Office document")
    if kind not in archive.read("[Content_Types].xml"):
        raise ParseError("mislabelled", f"an Office document without {kind.decode()}")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise ParseError("macros", "a VBA project")


def refuse_entities(archive: zipfile.ZipFile) -> None:
    """Raise ``bomb`` where a part declares entities; for libraries that read parts themselves."""
    for name in archive.namelist():
        if name.lower().endswith(_XML_PARTS) and _declares_entities(archive.read(name)):
            raise ParseError("bomb", f"{name} declares entities")


def _declares_entities(data: bytes) -> bool:
    return b"<!ENTITY" in data or b"<!ENTITY" in data.replace(b"\x00", b"")


def parse_xml(data: bytes) -> Any:
    """The root element. No entity is expanded and nothing is fetched.

    Raises ``ParseError``: ``bomb`` for XML that declares entities of its own, which no program
    that writes documents does; ``nested`` for depth over the library's limit; ``truncated``.
    """
    if _declares_entities(data):
        raise ParseError("bomb", "entities are declared")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ParseError(code_of(error), str(error)) from error
    except ValueError as error:
        raise ParseError("truncated", str(error)) from error


def code_of(error: Exception) -> str:
    """``nested`` where a library says that XML is too deep for it, else ``truncated``."""
    return "nested" if _DEPTH_ERROR in str(error).lower() else "truncated"


def read_xml(archive: zipfile.ZipFile, name: str) -> Any:
    """The root of a part that must be there. Raises as ``parse_xml``, and ``truncated``."""
    try:
        data = archive.read(name)
    except _PROTECTED_OR_MISSING as error:
        raise ParseError("truncated", f"part {name} cannot be read") from error
    return parse_xml(data)


def optional_xml(archive: zipfile.ZipFile, name: str) -> Any | None:
    """The root of a part that may be missing; None too when it is broken, but a bomb raises."""
    try:
        return read_xml(archive, name)
    except ParseError as error:
        if error.code == "bomb":
            raise
        return None


def relationships(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """(last word of the type, part it leads to) by id; links out of the package are left out."""
    folder, name = posixpath.split(part)
    root = optional_xml(archive, posixpath.join(folder, "_rels", f"{name}.rels"))
    found: dict[str, tuple[str, str]] = {}
    for entry in () if root is None else root.iter(_RELATIONSHIP):
        if entry.get("TargetMode") != "External" and entry.get("Target"):
            target = resolve(part, entry.get("Target"))
            found[entry.get("Id") or ""] = ((entry.get("Type") or "").rpartition("/")[2], target)
    return found


def resolve(part: str, target: str) -> str:
    """The member that ``target``, as written inside the member ``part``, means."""
    target = unquote(target.partition("#")[0])
    joined = target if target.startswith("/") else posixpath.join(posixpath.dirname(part), target)
    return posixpath.normpath(joined).lstrip("/")


def core_properties(archive: zipfile.ZipFile) -> dict[str, str]:
    """Title, author, language and the like of an Office file, as far as stated."""
    root = optional_xml(archive, "docProps/core.xml")
    if root is None:
        return {}
    values = {key: one_line(root.findtext(f".//{tag}") or "") for key, tag in _CORE.items()}
    return {key: value for key, value in values.items() if value}
