"""Draws printed pages in a worker, by the limited program. No other process opens the file."""

from __future__ import annotations

import json
import logging
import math
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from documents.models import DocumentVersion
from documents.originals import page_file
from documents.page_images import PageImage
from documents.parsing.base import ParseError
from documents.parsing.runner import run_job

logger = logging.getLogger(__name__)

State = PageImage.State
WIDTH = 1_400
"""Dots across: twice as many as a column of text on the screen is wide."""
TIME_LIMIT_S = 30.0
MOST_MB = 16
KEPT_FOR = timedelta(days=30)
"""A picture is made anew when a page is opened later."""
_MOST_HEADER = 200
_MOST_POINTS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Picture:
    width: float
    height: float
    data: bytes


def render(image_id: int) -> None:
    """Draw a page that waits. Quietly does nothing when it is there, or its document is gone.

    Two at once are no harm: the second finds the row done. A page that cannot be drawn has the
    reason on its row.
    """
    image = (
        PageImage.objects.select_related("version")
        .filter(pk=image_id, state=State.PENDING, version__document__purged_at=None)
        .first()
    )
    if image is None or not image.version.original:
        return
    try:
        picture = _drawn(image.version, image.page)
        _keep(image, picture)
    except ParseError as error:
        _fail(image, error.code)
    except OSError:
        logger.warning("document.page.failed", extra={"version_id": image.version_id})
        _fail(image, "disk_full")


def erase_old() -> int:
    """Delete pictures that were drawn long ago, with their rows. Returns how many."""
    old = PageImage.objects.filter(finished_at__lt=timezone.now() - KEPT_FOR)
    count = 0
    for pk in list(old.values_list("pk", flat=True)[:500]):
        with transaction.atomic():
            image = PageImage.objects.select_for_update().filter(pk=pk).first()
            if image is None:
                continue
            version = DocumentVersion.objects.get(pk=image.version_id)
            if version.original:
                page_file(version, image.page).unlink(missing_ok=True)
            image.delete()
            count += 1
    return count


def _drawn(version: DocumentVersion, page: int) -> _Picture:
    path = Path(version.original.path)
    if not path.is_file():
        raise ParseError("missing_original")
    options = {"page": page, "width": WIDTH}
    return _checked(run_job(path, "render", options, time_limit_s=TIME_LIMIT_S, output_mb=MOST_MB))


def _checked(message: bytes) -> _Picture:
    """What the program wrote, if it looks like a picture: it was made from an untrusted file."""
    header, _, data = message[: _MOST_HEADER + MOST_MB * 1024 * 1024].partition(b"\n")
    try:
        if len(header) > _MOST_HEADER:
            raise ValueError
        said = json.loads(header)
        width, height = float(said["width"]), float(said["height"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ParseError("crashed", "no picture") from error
    is_sane = all(math.isfinite(side) and 0 < side <= _MOST_POINTS for side in (width, height))
    if not is_sane or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise ParseError("crashed", "no picture")
    return _Picture(width, height, data)


def _keep(image: PageImage, picture: _Picture) -> None:
    """Store the file and say so, unless the row went with its document meanwhile.

    Erasing a document deletes the row first, so it waits for the lock, and its files after that.
    """
    with transaction.atomic():
        waiting = PageImage.objects.select_for_update().filter(pk=image.pk, state=State.PENDING)
        if waiting.first() is None:
            return
        target = page_file(image.version, image.page)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_bytes(picture.data)
            part.replace(target)
        except OSError:
            with suppress(OSError):
                part.unlink()
            raise
        PageImage.objects.filter(pk=image.pk).update(
            state=State.READY,
            error_code="",
            width=picture.width,
            height=picture.height,
            finished_at=timezone.now(),
        )


def _fail(image: PageImage, code: str) -> None:
    PageImage.objects.filter(pk=image.pk, state=State.PENDING).update(
        state=State.FAILED, error_code=code[:40], finished_at=timezone.now()
    )
