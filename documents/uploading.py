"""Files in: checked, recognised, stored, put on record, and handed to the workers."""

from __future__ import annotations

import hashlib
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, OuterRef, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.audit import record
from documents import claims
from documents.doorbell import ring_on_commit, ring_once_on_commit
from documents.fingerprints import sha256_of
from documents.models import Document, DocumentVersion, KnowledgeBase
from documents.parsing.base import ParseError
from documents.parsing.registry import SUPPORTED, detect_media_type
from documents.problems import explain
from documents.setbacks import is_disk_full

if TYPE_CHECKING:
    from django.core.files.base import File
    from django.db.models.fields.files import FieldFile

    from accounts.models import User

ACCEPTED = tuple(SUPPORTED)
"""Endings of the files that are taken, with their points."""
HEAD_BYTES = 4096
"""How much of a file is looked at to tell its type."""

_TITLE_LENGTH = 300
_FILENAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class UploadOutcome:
    document: Document
    version: DocumentVersion
    duplicate: bool
    """Whether the same bytes were there already; then nothing was stored or queued."""


class UploadRefused(Exception):
    """A file that is not taken. ``code`` as in ``documents.problems``; ``message`` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class _Checked:
    """What is known of a file that may be stored."""

    filename: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of where a file comes from, beside its name."""

    tags: tuple[str, ...] = ()
    """For a new document: the folders that it stood in."""
    source_url: str = ""
    """For a new document: the address that it was fetched from."""
    delivery: int | None = None
    """Id of the archive or page that it came out of, for the audit trail."""


def upload(
    *,
    actor: User,
    knowledge_base: KnowledgeBase,
    file: File[bytes],
    provenance: Provenance | None = None,
) -> UploadOutcome:
    """Take ``file`` as a new document of the base; its first version waits to be processed.

    The same bytes in a document that is there already give that document with ``duplicate``.
    Raises ``UploadRefused``; then, as on any other error, no row and no stored file remain.
    """
    return _take(actor, knowledge_base, file, None, provenance or Provenance())


def upload_version(
    *,
    actor: User,
    document: Document,
    file: File[bytes],
    provenance: Provenance | None = None,
) -> UploadOutcome:
    """Take ``file`` as the next version of ``document``. The present one serves until it is ready.

    The bytes of any document of the base are recognised, and errors raised, as in ``upload``; but
    those of an earlier version of ``document`` are taken: that is how one goes back to it.
    """
    return _take(actor, document.knowledge_base, file, document, provenance or Provenance())


def reprocess(*, actor: User, document: Document) -> bool:
    """Queue the newest version again, from the stored original. False: none, or not final yet.

    What is searchable stays so until the new result replaces it.
    """
    with transaction.atomic():
        newest = document.versions.order_by("-number").first()
        if newest is None or not claims.wait_again([newest.pk]):
            return False
        ring_on_commit()
        record(actor, "document.reprocess", document, version=newest.number)
    return True


def retry_failed(*, actor: User, knowledge_base: KnowledgeBase) -> int:
    """Queue again each document of the base whose newest version failed. Returns how many."""
    newest = DocumentVersion.objects.filter(document=OuterRef("pk")).order_by("-number")
    failed = DocumentVersion.objects.filter(
        pk__in=Document.objects.present()
        .filter(knowledge_base=knowledge_base)
        .annotate(newest=Subquery(newest.values("pk")[:1]))
        .values("newest"),
        state__in=[DocumentVersion.State.FAILED, DocumentVersion.State.CANCELLED],
    )
    with transaction.atomic():
        queued = claims.wait_again(list(failed.values_list("pk", flat=True)))
        if queued:
            ring_once_on_commit()
            record(actor, "knowledge_base.retry_failed", knowledge_base, versions=queued)
    return len(queued)


def _take(
    actor: User,
    base: KnowledgeBase,
    file: File[bytes],
    document: Document | None,
    provenance: Provenance,
) -> UploadOutcome:
    checked = _check(file)
    # Left on an error with the stored file still to be undone; after the commit it stays.
    with ExitStack() as undo:
        with transaction.atomic():
            _lock_bytes(base, checked.sha256)
            same = _same_bytes(base, checked.sha256, document)
            if same is not None:
                return UploadOutcome(document=same.document, version=same, duplicate=True)
            if document is None:
                action, newest = "document.upload", 0
                document = Document.objects.create(
                    knowledge_base=base,
                    title=_title(checked.filename),
                    created_by=actor,
                    tags=list(provenance.tags),
                    source_url=provenance.source_url,
                )
            else:
                action = "document.upload_version"
                Document.objects.select_for_update(no_key=True).get(pk=document.pk)
                newest = _newest(document)
            version = _store(actor, document, newest + 1, checked, file, undo)
            record(
                actor,
                action,
                document,
                knowledge_base=base.slug,
                version=version.number,
                filename=checked.filename,
                size=checked.size,
                sha256=checked.sha256,
                **({"delivery": provenance.delivery} if provenance.delivery else {}),
            )
            # First of all after the commit: an interrupt while the queue is told keeps the file.
            transaction.on_commit(undo.pop_all)
            ring_on_commit()
        undo.pop_all()  # Inside a caller's transaction nothing is committed yet.
    return UploadOutcome(document=document, version=version, duplicate=False)


def _check(file: File[bytes]) -> _Checked:
    filename = filename_of(file)
    size = check_size(file, settings.RAGSITE_MAX_UPLOAD_MB)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    try:
        media_type = detect_media_type(filename, head)
    except ParseError as error:
        raise refusal(error.code) from error
    file.seek(0)
    sha256 = sha256_of(file)
    file.seek(0)
    return _Checked(filename=filename, media_type=media_type, size=size, sha256=sha256)


def filename_of(file: File[bytes]) -> str:
    """The name that a file was sent under, without folders."""
    return PurePath(file.name or "").name[-_FILENAME_LENGTH:]


def check_size(file: File[bytes], limit: int) -> int:
    """The size in bytes. Raises ``UploadRefused`` for none, and for more than ``limit`` MiB."""
    size = file.size
    if not size:
        raise refusal("empty")
    if size > limit * 1024 * 1024:
        raise UploadRefused(
            "too_large",
            ngettext(
                "The file is larger than %(limit)d megabyte, which is the most taken here.",
                "The file is larger than %(limit)d megabytes, which is the most taken here.",
                limit,
            )
            % {"limit": limit},
        )
    return size


def refusal(code: str) -> UploadRefused:
    """The refusal with the words of ``documents.problems``."""
    problem = explain(code)
    return UploadRefused(code, f"{problem.sentence} {problem.remedy}")


def _lock_bytes(base: KnowledgeBase, sha256: str) -> None:
    """Two uploads of the same bytes to one base wait for each other until the transaction ends."""
    digest = hashlib.blake2b(f"{base.pk}:{sha256}".encode(), digest_size=8).digest()
    key = int.from_bytes(digest, "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])


def _same_bytes(
    base: KnowledgeBase, sha256: str, document: Document | None
) -> DocumentVersion | None:
    """The version that has these bytes; earlier ones of ``document`` do not count."""
    same = DocumentVersion.objects.filter(
        knowledge_base=base, sha256=sha256, document__deleted_at=None
    )
    if document is not None:
        same = same.exclude(document=document, number__lt=_newest(document))
    return same.select_related("document").order_by("pk").first()


def _newest(document: Document) -> int:
    """The number of its newest version; 0 for none."""
    newest: int | None = document.versions.aggregate(newest=Max("number"))["newest"]
    return newest or 0


def _store(
    actor: User,
    document: Document,
    number: int,
    checked: _Checked,
    file: File[bytes],
    undo: ExitStack,
) -> DocumentVersion:
    """Keep the original under a name of our own, and the row of the version that names it."""
    version = DocumentVersion(
        document=document,
        knowledge_base=document.knowledge_base,
        number=number,
        filename=checked.filename,
        media_type=checked.media_type,
        size=checked.size,
        sha256=checked.sha256,
        uploaded_by=actor,
    )
    keep(version.original, PurePath(checked.filename).suffix, file, undo)
    version.save(force_insert=True)
    return version


def keep(field: FieldFile, suffix: str, file: File[bytes], undo: ExitStack) -> None:
    """Store ``file`` under a name of our own; ``undo`` takes it away again.

    Raises ``UploadRefused`` when the disk is full.
    """
    try:
        field.save(uuid.uuid4().hex + suffix.lower()[:12], file, save=False)
    except OSError as error:
        if is_disk_full(error):
            raise refusal("disk_full") from error
        raise
    undo.callback(field.delete, save=False)


def _title(filename: str) -> str:
    """A title to read until the parser has found a better one."""
    stem = PurePath(filename).stem.replace("_", " ").strip()
    return (stem or filename or _("Untitled"))[:_TITLE_LENGTH]
