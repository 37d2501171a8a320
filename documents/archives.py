"""An archive of documents, taken apart by the limited program and handed to the ordinary upload.

First its files become rows, then each is settled: taken, recognised or refused, in one transaction
with what it brings. So another worker goes on where one was lost, and no file is taken twice.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction

from documents import delivery_claims, uploading
from documents.deliveries import DeliveredFile, Delivery
from documents.delivery_setbacks import settle
from documents.parsing import unpacking
from documents.parsing.base import ParseError
from documents.parsing.runner import run_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from accounts.models import User
    from documents.delivery_claims import Claim

__all__ = ["unpack"]

logger = logging.getLogger(__name__)

Outcome = DeliveredFile.Outcome

LARGEST_FILE = 200 * 1024**2
"""Bytes of one file: twice that is held at a time, and the program's output is limited too."""
BATCH_BYTES = 48 * 1024**2
BATCH_FILES = 100
"""So much is unpacked at a time; the program is started anew for each batch."""
TIME_LIMIT_S = 120.0
_FROM_OUTSIDE = frozenset({"cancelled", "killed"})
"""Of ``ParseError``: no fault of the file that was read."""
_TAG_LENGTH = 40
_MOST_TAGS = 20


def unpack(delivery_id: int) -> None:
    """Take the documents out of an archive that waits. Does nothing when it does not wait.

    What is wrong with the archive or a file in it is stored on the rows, not raised.
    """
    held = delivery_claims.claim(delivery_id, Delivery.Kind.ARCHIVE)
    if held is None:
        return
    settle(held, lambda: _unpack(held, held.row()))
    delivery_claims.erase_originals()


def _unpack(held: Claim, delivery: Delivery) -> None:
    path = Path(delivery.original.path) if delivery.original else None
    if path is None or not path.is_file():
        raise ParseError("missing_original")
    cancelled = held.cancellation()
    if not delivery.files.exists():
        _list(held, path, cancelled)
    waiting = list(delivery.files.filter(outcome=Outcome.WAITING).order_by("position"))
    limit = min(LARGEST_FILE, settings.RAGSITE_MAX_UPLOAD_MB * 1024**2)
    for batch in _batches(waiting):
        held.write()
        for file, found in zip(batch, _unpacked(path, batch, limit, cancelled), strict=True):
            _settle(held, delivery, file, found)
    held.finish()
    logger.info("delivery.finished", extra={"delivery_id": delivery.pk, "files": len(waiting)})


def _unpacked(
    path: Path, batch: list[DeliveredFile], limit: int, cancelled: Callable[[], bool]
) -> Iterator[unpacking.Unpacked]:
    """What is in the files, in their order; one that the program fails at harms no other."""
    positions = [file.position for file in batch]
    options = {"positions": positions, "max_bytes": limit}
    try:
        message = run_job(path, "unpack", options, time_limit_s=TIME_LIMIT_S, cancelled=cancelled)
        found = list(unpacking.unpacked_in(message, positions))
    except ParseError as error:
        if error.code in _FROM_OUTSIDE:
            raise
        if len(batch) > 1:
            # Which of them it was is seen when each has a program of its own.
            for file in batch:
                yield from _unpacked(path, [file], limit, cancelled)
            return
        found = [unpacking.Unpacked(positions[0], error.code, b"")]
    yield from found


def _list(held: Claim, path: Path, cancelled: Callable[[], bool]) -> None:
    """One row for each file: all of them or none."""
    message = run_job(path, "unpack", {}, time_limit_s=TIME_LIMIT_S, cancelled=cancelled)
    rows = [
        DeliveredFile(
            delivery_id=held.job_id,
            position=member.position,
            name=member.name,
            size=member.size,
            outcome=Outcome.REFUSED if member.code else Outcome.WAITING,
            code=member.code,
        )
        for member in unpacking.members_in(message)
    ]
    with transaction.atomic():
        refused = sum(row.outcome == Outcome.REFUSED for row in rows)
        held.write(progress_done=refused, progress_total=len(rows))
        DeliveredFile.objects.bulk_create(rows, batch_size=1000)


def _settle(
    held: Claim, delivery: Delivery, file: DeliveredFile, found: unpacking.Unpacked
) -> None:
    """What becomes of one file. Raises ``ClaimLost``; and ``UploadRefused`` for a full disk."""
    with transaction.atomic():
        # Fenced first: the row is held until all of this is committed.
        held.write(progress_done=delivery.files.exclude(outcome=Outcome.WAITING).count() + 1)
        actor = delivery_claims.requester(delivery)
        file.outcome, file.code = Outcome.REFUSED, found.code
        if not found.code:
            _take(actor, delivery, file, found.data)
        file.save(update_fields=["outcome", "code", "document"])


def _take(actor: User, delivery: Delivery, file: DeliveredFile, data: bytes) -> None:
    member = unpacking.Member(file.position, file.name, file.size)
    try:
        taken = uploading.upload(
            actor=actor,
            knowledge_base=delivery.knowledge_base,
            file=ContentFile(data, name=member.filename),
            provenance=uploading.Provenance(tags=tags_of(member.folders), delivery=delivery.pk),
        )
    except uploading.UploadRefused as error:
        if error.code == "disk_full":
            raise  # each further file would meet it
        file.code = error.code
    else:
        file.outcome = Outcome.KNOWN if taken.duplicate else Outcome.STORED
        file.document = taken.document


def tags_of(folders: Iterable[str]) -> tuple[str, ...]:
    """Folders as tags, from the outermost, each once; commas stand between tags elsewhere."""
    tags = (" ".join(folder.replace(",", " ").split())[:_TAG_LENGTH] for folder in folders)
    return tuple(dict.fromkeys(tag for tag in tags if tag))[:_MOST_TAGS]


def _batches(files: Iterable[DeliveredFile]) -> Iterator[list[DeliveredFile]]:
    batch: list[DeliveredFile] = []
    size = 0
    for file in files:
        if batch and (size + file.size > BATCH_BYTES or len(batch) >= BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch
