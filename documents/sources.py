"""A cited place in its document: the page or part around it, with the cited words marked.

Only for a viewer who may read the document now; the text is plain and is shown as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import Http404
from django.utils.translation import gettext as _

from documents.access import document_for
from documents.models import Document, DocumentVersion, ParsedText

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from accounts.models import User

PART_STARTS_AT_HEADING_AFTER = 2_500
"""Where a format has no pages, a heading begins a new part after this many characters."""
LONGEST_PART = 9_000
"""A part without headings ends at the first block that begins after this many characters."""
OUTLINE_LEVELS = 3
OUTLINE_ENTRIES = 300


@dataclass(frozen=True, slots=True)
class SourceBlock:
    """One block of text in three pieces; ``marked`` is what is cited of it, often nothing."""

    kind: str
    level: int
    before: str
    marked: str
    after: str
    is_first_marked: bool = False


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    title: str
    level: int
    start: int
    is_current: bool
    """Whether it is the last heading at or before the cited place."""


@dataclass(frozen=True, slots=True)
class SourcePage:
    """One page or part of a version's text. Offsets are characters of ``ParsedText.text``."""

    document: Document
    version: DocumentVersion | None
    blocks: tuple[SourceBlock, ...] = ()
    outline: tuple[OutlineEntry, ...] = ()
    number: int = 0
    """Which part this is, from 1; 0 when there is no text."""
    count: int = 0
    page: int | None = None
    """The printed page, where the format has pages."""
    previous: int | None = None
    """Where the part before begins, to be given as ``start``."""
    next: int | None = None

    @property
    def is_marked(self) -> bool:
        return any(block.is_first_marked for block in self.blocks)

    @property
    def is_current_version(self) -> bool:
        return self.version is not None and self.version.pk == self.document.current_version_id


@dataclass(frozen=True, slots=True)
class _Span:
    """A block as stored, without its text."""

    kind: str
    start: int
    end: int
    level: int
    page: int | None


def source_page(
    viewer: User,
    document_pk: int,
    *,
    version_pk: int | None = None,
    start: int = 0,
    end: int | None = None,
) -> SourcePage:
    """The part of the document in which ``start`` lies, with ``[start, end)`` marked.

    Without ``end`` nothing is marked. Without ``version_pk``: the version that is searched, else
    the newest. A place outside the text gives the nearest part. Raises ``Http404`` when the viewer
    may not read the document now, or the version is not its own.
    """
    document = document_for(viewer, document_pk)
    version = _version(document, version_pk)
    parsed = ParsedText.objects.filter(version=version).only("text", "blocks").first()
    if parsed is None or not parsed.text.strip():
        return SourcePage(document=document, version=version)
    text = parsed.text
    start = max(0, min(start, len(text) - 1))
    end = max(start, min(start if end is None else end, len(text)))
    spans = _spans(parsed.blocks, text)
    parts = split_into_parts([(span.start, span.level, span.page) for span in spans])
    index = _part_at(spans, parts, start)
    first, last = parts[index]
    return SourcePage(
        document=document,
        version=version,
        blocks=tuple(_cut(text, spans[first:last], start, end)),
        outline=tuple(_outline(text, spans, start)),
        number=index + 1,
        count=len(parts),
        page=spans[first].page,
        previous=spans[parts[index - 1][0]].start if index else None,
        next=spans[last].start if last < len(spans) else None,
    )


def split_into_parts(
    blocks: Sequence[tuple[int, int, int | None]],
) -> list[tuple[int, int]]:
    """Half-open ranges of indexes into ``blocks`` of (start, heading level or 0, page or None).

    One range per page where there are pages; else parts of a readable length that begin at
    headings. Every block is in exactly one range, in order.
    """
    parts: list[tuple[int, int]] = []
    first = 0
    for index, (start, level, page) in enumerate(blocks):
        if index == first:
            continue
        begun_at, _level, begun_on = blocks[first]
        length = start - begun_at
        if page is not None or begun_on is not None:
            breaks = page != begun_on
        else:
            breaks = length >= LONGEST_PART or (
                0 < level <= OUTLINE_LEVELS and length >= PART_STARTS_AT_HEADING_AFTER
            )
        if breaks:
            parts.append((first, index))
            first = index
    if blocks:
        parts.append((first, len(blocks)))
    return parts


def _version(document: Document, version_pk: int | None) -> DocumentVersion | None:
    if version_pk is None:
        return document.current_version or document.versions.order_by("-number").first()
    version = document.versions.filter(pk=version_pk).first()
    if version is None:
        raise Http404(_("There is no such document, or it is not yours to open."))
    return version


def _spans(stored: Sequence[Mapping[str, Any]], text: str) -> list[_Span]:
    """The stored blocks in reading order; text without any is taken paragraph by paragraph."""
    spans = [
        _Span(
            kind=str(block["kind"]),
            start=int(block["start"]),
            end=int(block["end"]),
            level=int(block.get("level") or 0),
            page=block.get("page"),
        )
        for block in stored
        if int(block["end"]) > int(block["start"])
    ]
    return spans or list(_paragraphs(text))


def _paragraphs(text: str) -> Iterator[_Span]:
    position = 0
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            yield _Span("paragraph", position, position + len(paragraph), 0, None)
        position += len(paragraph) + 2


def _part_at(spans: Sequence[_Span], parts: Sequence[tuple[int, int]], start: int) -> int:
    """The last part that begins at or before ``start``."""
    found = 0
    for index, (first, _last) in enumerate(parts):
        if spans[first].start > start:
            break
        found = index
    return found


def _cut(text: str, spans: Iterable[_Span], start: int, end: int) -> Iterator[SourceBlock]:
    is_first = True
    for span in spans:
        mark_start = min(max(start, span.start), span.end)
        mark_end = min(max(end, mark_start), span.end)
        marked = text[mark_start:mark_end]
        yield SourceBlock(
            kind=span.kind,
            level=span.level,
            before=text[span.start : mark_start],
            marked=marked,
            after=text[mark_end : span.end],
            is_first_marked=bool(marked) and is_first,
        )
        if marked:
            is_first = False


def _outline(text: str, spans: Iterable[_Span], start: int) -> list[OutlineEntry]:
    headings = [span for span in spans if 0 < span.level <= OUTLINE_LEVELS][:OUTLINE_ENTRIES]
    passed = [span.start for span in headings if span.start <= start]
    return [
        OutlineEntry(
            title=" ".join(text[span.start : span.end].split()),
            level=span.level,
            start=span.start,
            is_current=bool(passed) and span.start == passed[-1],
        )
        for span in headings
    ]
