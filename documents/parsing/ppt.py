"""PowerPoint of 1997 to 2003 (PPT): each slide a page; titles, texts, speaker notes.

After the published description of the format, [MS-PPT]: records inside records, found through the
directory that the last save left behind.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.compound import compound_properties, open_compound, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_STREAM = "PowerPoint Document"
_ENCRYPTED_TOKEN = 0xF3D1C4DF
_USER_EDIT, _DIRECTORY = 0x0FF5, 0x1772
_SLIDE_LIST, _SLIDE_PLACE, _SLIDE_ATOM = 0x0FF0, 0x03F3, 0x03EF
_HEADER, _CHARS, _BYTES, _OUTLINE_REF = 0x0F9F, 0x0FA0, 0x0FA8, 0x0F9E
_SLIDES, _NOTES = 0, 2
_TITLE_KINDS = frozenset({0, 6})
_BODY_KINDS = frozenset({1, 5, 7, 8})
_NOTES_KIND = 2
_CONTAINER = 0x0F
_DEEPEST = 100
_MOST_EDITS = 10_000


class _Record(NamedTuple):
    kind: int
    instance: int
    is_container: bool
    start: int
    end: int


class _Text(NamedTuple):
    kind: int
    text: str


class _Place(NamedTuple):
    """A slide as the list names it: where its record is found, and the outline's texts of it."""

    reference: int
    identifier: int
    texts: list[_Text]


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read the slides in order, each with its notes."""
    builder = DocumentBuilder(context.max_characters)
    with open_compound(path, context) as file:
        if file.exists("EncryptedSummary"):
            raise ParseError("encrypted", "a password")
        if not file.exists(_STREAM):
            code = "outdated" if file.exists("PP40") or file.exists("Header") else "mislabelled"
            raise ParseError(code, "no PowerPoint file of 1997 or later")
        data, user = stream_of(file, _STREAM), stream_of(file, "Current User")
        properties = compound_properties(file)
    try:
        count = _add_slides(builder, data, user, context)
    except struct.error as error:
        raise ParseError("truncated", "a record ends early") from error
    title = properties.pop("title", "")
    return builder.build(
        title="" if title.lower() == "powerpoint presentation" else title,
        author=properties.pop("author", ""),
        page_count=count or None,
        metadata=properties,
    )


def _add_slides(builder: DocumentBuilder, data: bytes, user: bytes, context: ParserContext) -> int:
    directory, document = _directory(data, user)
    places: dict[int, list[_Place]] = {_SLIDES: [], _NOTES: []}
    for record in _walk(data, document, len(data)):
        if record.kind == _SLIDE_LIST and record.instance in places:
            places[record.instance] += _places(data, record)
    notes = {place.identifier: place for place in places[_NOTES]}
    if len(places[_SLIDES]) > context.max_pages:
        raise ParseError("too_large", "too many slides")
    for page, place in enumerate(places[_SLIDES], start=1):
        texts = list(place.texts)
        notes_id = 0
        for record in _inside(data, directory.get(place.reference)):
            if record.kind == _SLIDE_ATOM:
                notes_id = struct.unpack_from("<I", data, record.start + 16)[0]
        texts += _texts(data, directory.get(place.reference))
        remarks = notes.get(notes_id)
        if notes_id and remarks is not None:
            found = [*remarks.texts, *_texts(data, directory.get(remarks.reference))]
            texts += [text for text in found if text.kind == _NOTES_KIND]
        _add(builder, texts, page)
    return len(places[_SLIDES])


def _directory(data: bytes, user: bytes) -> tuple[dict[int, int], int]:
    """Where each numbered record is, by the newest save, and where the document begins."""
    token, edit = struct.unpack_from("<II", user, 12)
    if token == _ENCRYPTED_TOKEN:
        raise ParseError("encrypted", "a password")
    places: dict[int, int] = {}
    document_id = 0
    for _ in range(_MOST_EDITS):
        record = _record(data, edit)
        if record.kind != _USER_EDIT:
            raise ParseError("truncated", "the chain of saves is broken")
        before, where, number = struct.unpack_from("<III", data, record.start + 8)
        document_id = document_id or number
        for identifier, offset in _entries(data, where):
            places.setdefault(identifier, offset)
        if not before or before >= edit:
            break
        edit = before
    if document_id not in places:
        raise ParseError("truncated", "the document is not in the directory")
    return places, places[document_id]


def _entries(data: bytes, offset: int) -> Iterator[tuple[int, int]]:
    record = _record(data, offset)
    position = record.start
    while record.kind == _DIRECTORY and position + 4 <= record.end:
        packed = struct.unpack_from("<I", data, position)[0]
        first, count = packed & 0xFFFFF, packed >> 20
        for index in range(count):
            position += 4
            yield first + index, struct.unpack_from("<I", data, position)[0]
        position += 4


def _record(data: bytes, offset: int) -> _Record:
    head, kind, length = struct.unpack_from("<HHI", data, offset)
    end = min(offset + 8 + length, len(data))
    return _Record(kind, head >> 4, head & 0x0F == _CONTAINER, offset + 8, end)


def _walk(data: bytes, offset: int, end: int) -> Iterator[_Record]:
    """The record at ``offset`` and all inside it, in order; each byte is visited once."""
    stack = [(offset, min(_record(data, offset).end, end))]
    while stack:
        position, limit = stack.pop()
        if position + 8 > limit:
            continue
        record = _record(data, position)
        stack.append((record.end, limit))
        if len(stack) > _DEEPEST * 2:
            raise ParseError("nested", "records inside records")
        yield record
        if record.is_container:
            stack.append((record.start, min(record.end, limit)))


def _inside(data: bytes, offset: int | None) -> Iterator[_Record]:
    if offset is not None and offset + 8 <= len(data):
        yield from _walk(data, offset, len(data))


def _places(data: bytes, parent: _Record) -> Iterator[_Place]:
    place: _Place | None = None
    kind = 4
    position = parent.start
    while position + 8 <= parent.end:
        record = _record(data, position)
        if record.kind == _SLIDE_PLACE:
            if place is not None:
                yield place
            reference, _, _, identifier = struct.unpack_from("<IIiI", data, record.start)
            place = _Place(reference, identifier, [])
        elif record.kind == _HEADER:
            kind = struct.unpack_from("<I", data, record.start)[0]
        elif place is not None and record.kind in (_CHARS, _BYTES):
            place.texts.append(_Text(kind, _text(data, record)))
        position = record.end
    if place is not None:
        yield place


def _texts(data: bytes, offset: int | None) -> Iterator[_Text]:
    """The texts of a slide's shapes; those that the outline has are only referred to."""
    kind = 4
    for record in _inside(data, offset):
        if record.kind == _HEADER:
            kind = struct.unpack_from("<I", data, record.start)[0]
        elif record.kind in (_CHARS, _BYTES):
            yield _Text(kind, _text(data, record))


def _text(data: bytes, record: _Record) -> str:
    raw = data[record.start : record.end]
    return raw.decode("utf-16-le" if record.kind == _CHARS else "latin-1", errors="replace")


def _add(builder: DocumentBuilder, texts: list[_Text], page: int) -> None:
    for kind, text in sorted(texts, key=lambda text: text.kind not in _TITLE_KINDS):
        lines = [line.replace("\x0b", "\n") for line in text.split("\r") if one_line(line)]
        for line in lines:
            if kind in _TITLE_KINDS:
                builder.heading(line, 1, page=page)
            else:
                is_list = kind in _BODY_KINDS and len(lines) > 1
                builder.add("list_item" if is_list else "paragraph", line, page=page)
