"""What curators do to processing itself: call documents off, pause a knowledge base and go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from accounts.audit import record
from documents import claims
from documents.doorbell import ring_once_on_commit
from documents.models import Document, DocumentVersion, KnowledgeBase

if TYPE_CHECKING:
    from accounts.models import User


def cancel(*, actor: User, document: Document) -> bool:
    """Stop the processing of the document. False when nothing of it waits or is in work.

    What is searched stays so. The worker stops within seconds; trying again takes this back.
    """
    with transaction.atomic():
        stopped = claims.call_off(DocumentVersion.objects.filter(document=document))
        if stopped:
            record(actor, "document.cancel", document, versions=stopped)
    return bool(stopped)


def try_now(*, actor: User, document: Document) -> bool:
    """Let a document that waits for its next try have it now. False when none waits so."""
    with transaction.atomic():
        hastened = claims.hasten(DocumentVersion.objects.filter(document=document))
        if hastened:
            record(actor, "document.try_now", document)
            ring_once_on_commit()
    return bool(hastened)


def cancel_all(*, actor: User, knowledge_base: KnowledgeBase) -> int:
    """The same for each document of the base that waits or is in work. Returns how many."""
    present = Document.objects.present().filter(knowledge_base=knowledge_base)
    with transaction.atomic():
        stopped = claims.call_off(
            DocumentVersion.objects.filter(
                knowledge_base=knowledge_base, document__in=present.values("pk")
            )
        )
        if stopped:
            record(actor, "knowledge_base.cancel_all", knowledge_base, versions=stopped)
    return len(stopped)


def set_paused(*, actor: User, knowledge_base: KnowledgeBase, paused: bool) -> bool:
    """Begin none of the base's documents until this is taken back. False when it was so already.

    What is in work is finished.
    """
    with transaction.atomic():
        changed = (
            KnowledgeBase.objects.present()
            .filter(pk=knowledge_base.pk)
            .exclude(is_paused=paused)
            .update(is_paused=paused)
        )
        if changed:
            action = "knowledge_base.pause" if paused else "knowledge_base.resume"
            record(actor, action, knowledge_base)
            ring_once_on_commit()
    return bool(changed)
