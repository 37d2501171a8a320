"""A printed page for one viewer: its picture, and the cited lines on it.

Asking for a page that was not drawn yet has it drawn; that is filling a cache and no change of
anything, so it leaves no audit event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from documents import tasks
from documents.access import version_for
from documents.models import ParsedText
from documents.originals import page_file
from documents.page_images import PageImage
from documents.problems import explain
from documents.queueing import enqueue_on_commit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from accounts.models import User
    from documents.models import Document, DocumentVersion
    from documents.problems import Problem

State = PageImage.State
DRAWN_TYPES = frozenset({"application/pdf"})
ASK_AGAIN_AFTER = timedelta(seconds=40)
"""A page that waits longer was not heard of, or its worker died."""
TRY_AGAIN_AFTER = timedelta(minutes=5)
_MARGIN = 1.0
"""Points by which a mark is larger than its line."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a cited line is, in points from the upper left corner of the page."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PrintedPage:
    """A page of a version. Sizes are in points, 0 while the picture is not there."""

    version: DocumentVersion
    number: int
    start: int
    end: int
    is_ready: bool
    problem: Problem | None
    width: float = 0.0
    height: float = 0.0
    marks: tuple[Mark, ...] = ()

    @property
    def document(self) -> Document:
        return self.version.document


def has_pictures(version: DocumentVersion | None) -> bool:
    """Whether pages of the version can be drawn."""
    return (
        version is not None
        and version.media_type in DRAWN_TYPES
        and bool(version.original)
        and bool(version.page_count)
    )


def printed_page(
    viewer: User, version_pk: int, number: int, *, start: int = 0, end: int = 0
) -> PrintedPage:
    """Page ``number`` with the lines of ``[start, end)`` marked; it is drawn if it was not yet.

    Raises ``Http404`` when the viewer may not open the document now, or there is no such page.
    """
    version = _version(viewer, version_pk, number)
    image = _asked_for(version, number)
    if image.state != State.READY:
        problem = explain(image.error_code) if image.state == State.FAILED else None
        return PrintedPage(version, number, start, end, is_ready=False, problem=problem)
    lines: Iterable[Mapping[str, Any]] = ()
    if end > start:
        found = ParsedText.objects.filter(version=version).values_list("lines", flat=True).first()
        lines = found or ()
    return PrintedPage(
        version,
        number,
        start,
        end,
        is_ready=True,
        problem=None,
        width=image.width,
        height=image.height,
        marks=marks_of(lines, number, start, end, page_height=image.height),
    )


def picture(viewer: User, version_pk: int, number: int) -> bytes:
    """The picture as WebP. Raises ``Http404`` as ``printed_page``, and when it is not there."""
    version = _version(viewer, version_pk, number)
    if not PageImage.objects.filter(version=version, page=number, state=State.READY).exists():
        raise _nothing()
    try:
        return page_file(version, number).read_bytes()
    except FileNotFoundError as error:
        # The cache was emptied by hand: the next look has it drawn again.
        PageImage.objects.filter(version=version, page=number).delete()
        raise _nothing() from error


def marks_of(
    lines: Iterable[Mapping[str, Any]], number: int, start: int, end: int, *, page_height: float
) -> tuple[Mark, ...]:
    """Where the lines of page ``number`` are that share characters with ``[start, end)``.

    ``lines`` are as stored: offsets, page, and a box in points from the lower left corner.
    """
    marks = []
    for line in lines:
        if line["page"] != number or line["end"] <= start or line["start"] >= end:
            continue
        left, bottom, right, top = line["box"]
        marks.append(
            Mark(
                x=round(left - _MARGIN, 1),
                y=round(page_height - top - _MARGIN, 1),
                width=round(right - left + 2 * _MARGIN, 1),
                height=round(top - bottom + 2 * _MARGIN, 1),
            )
        )
    return tuple(marks)


def _version(viewer: User, version_pk: int, number: int) -> DocumentVersion:
    version = version_for(viewer, version_pk)
    if not has_pictures(version) or not 1 <= number <= (version.page_count or 0):
        raise _nothing()
    return version


def _nothing() -> Http404:
    return Http404(_("There is no picture of this page."))


def _asked_for(version: DocumentVersion, number: int) -> PageImage:
    """The page's row; its drawing is asked for when that was not done, or long ago."""
    now = timezone.now()
    image, is_new = PageImage.objects.get_or_create(version=version, page=number)
    with transaction.atomic():
        again = PageImage.objects.filter(pk=image.pk, state=State.PENDING)
        again = again.filter(asked_at__lt=now - ASK_AGAIN_AFTER) | PageImage.objects.filter(
            pk=image.pk, state=State.FAILED, finished_at__lt=now - TRY_AGAIN_AFTER
        )
        if is_new or again.update(state=State.PENDING, asked_at=now, error_code=""):
            enqueue_on_commit(tasks.render_page, image.pk)
            image.state = State.PENDING
    return image
