"""Erasing a deleted document for good: its text, its file, and every copy that others keep.

What stays is that there was a document: rows with hashes, sizes, numbers and positions, so that
judgements and figures made with it still mean something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.dispatch import Signal
from django.utils import timezone

from accounts.audit import record
from documents import delivery_claims
from documents.deliveries import DeliveredFile, Delivery
from documents.generations import lock_index
from documents.models import (
    Chunk,
    ChunkCuration,
    Document,
    DocumentVersion,
    PageImage,
    ParsedText,
    ProcessingStage,
)
from documents.originals import erase_originals

if TYPE_CHECKING:
    from accounts.models import User

document_purged = Signal()
"""Sent with ``document`` inside the transaction. Whoever keeps copies of its text erases them."""


def purge_document(*, actor: User, document: Document) -> bool:
    """Erase a deleted document. False when it is not deleted, or was erased before.

    The file goes right after the transaction, with an archive that it came from and that is kept
    since it failed. Nothing of this can be taken back.
    """
    with transaction.atomic():
        # No worker stores passages of it meanwhile.
        lock_index(document.knowledge_base_id)
        locked = (
            Document.objects.select_for_update(no_key=True, of=("self",))
            .filter(pk=document.pk, purged_at=None)
            .exclude(deleted_at=None)
            .first()
        )
        if locked is None:
            return False
        versions = DocumentVersion.objects.filter(document=locked)
        hashes = list(versions.order_by("number").values_list("sha256", flat=True))
        _erase_text(locked)
        _erase_words(locked)
        document_purged.send(sender=Document, document=locked)
        record(actor, "document.purge", locked, sha256=hashes)
        transaction.on_commit(erase_originals, robust=True)
        transaction.on_commit(delivery_claims.erase_originals, robust=True)
    return True


def _erase_text(document: Document) -> None:
    Chunk.objects.filter(document=document).delete()
    ChunkCuration.objects.filter(document=document).delete()
    ParsedText.objects.filter(version__document=document).delete()
    # Their files lie beside the originals and go with them.
    PageImage.objects.filter(version__document=document).delete()


def _erase_words(document: Document) -> None:
    """Names and what was found in the file; a worker that still reads it loses its claim."""
    versions = DocumentVersion.objects.filter(document=document)
    ProcessingStage.objects.filter(version__in=versions).update(error_detail="")
    versions.exclude(state__in=DocumentVersion.FINAL).update(
        state=DocumentVersion.State.CANCELLED, error_code="deleted", finished_at=timezone.now()
    )
    versions.update(filename="", metadata={}, error_detail="", indexed_fingerprint="")
    DeliveredFile.objects.filter(document=document).update(name="")
    pages = Q(document=document) | Q(kind=Delivery.Kind.WEB_PAGE, files__document=document)
    Delivery.objects.filter(pk__in=Delivery.objects.filter(pages).values("pk")).update(
        name="", address=""
    )
    document.title = document.source_url = document.licence = ""
    document.tags = []
    document.purged_at = timezone.now()
    document.save(update_fields=["title", "source_url", "licence", "tags", "purged_at"])
