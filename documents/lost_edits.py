"""What was said of passages that are cut no more: the curator decides what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from accounts.audit import record
from documents import carrying, curating
from documents.models import Chunk, ChunkCuration, Document
from documents.storing import curations_of

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from accounts.models import User
    from documents.models import KnowledgeBase

OFFERED = 3
"""Passages shown beside each, those likest to the text that is gone."""


@dataclass(frozen=True, slots=True)
class LostEdit:
    """What was said, with the passages of its document that it may have been said of."""

    curation: ChunkCuration
    candidates: tuple[Chunk, ...]


def lost_edits(base: KnowledgeBase) -> list[ChunkCuration]:
    """Everything said in the base that holds nowhere and was not decided, by document."""
    lost: list[ChunkCuration] = []
    found: dict[int, list[ChunkCuration]] = {}
    for curation in _unmatched(base):
        found.setdefault(curation.document_id, []).append(curation)
    for document_id, curations in found.items():
        texts = _passages(base, document_id).values_list("generated_text", flat=True)
        nowhere = set(carrying.orphans(list(texts), curations_of(document_id)))
        lost += [each for each in curations if each.text_sha256 in nowhere]
    return lost


def with_candidates(base: KnowledgeBase, curation: ChunkCuration) -> LostEdit:
    """The curation with the passages to choose from, the likest first."""
    passages = list(_passages(base, curation.document_id))
    texts = [passage.generated_text for passage in passages]
    wanted = curation.generated_text or curation.edited_text
    places = carrying.likest(wanted, texts, OFFERED)
    return LostEdit(curation, tuple(passages[place] for place in places))


def apply(*, actor: User, curation: ChunkCuration, chunk: Chunk, text: str) -> bool:
    """Say of ``chunk`` what was said of the passage that is gone; ``text`` replaces its text.

    An empty ``text`` edits nothing. False when it was decided meanwhile, or the passage is of
    another document or gone. Raises ``ValidationError`` for a text that no passage may have.
    """
    with transaction.atomic():
        locked = _undecided(curation)
        if (
            locked is None
            or not Chunk.objects.filter(
                pk=chunk.pk,
                document=locked.document_id,
                generation=F("knowledge_base__active_generation"),
            ).exists()
        ):
            return False
        if text.strip():
            curating.edit_chunk(actor=actor, chunk=chunk, text=text)
        if locked.is_disabled:
            curating.set_chunk_enabled(actor=actor, chunk=chunk, enabled=False)
        _decide(actor, locked, "curation.apply", chunk=chunk.pk)
    return True


def drop(*, actor: User, curation: ChunkCuration) -> bool:
    """Let it go. False when it was decided meanwhile. ``take_back`` asks again."""
    with transaction.atomic():
        locked = _undecided(curation)
        if locked is None:
            return False
        _decide(actor, locked, "curation.drop")
    return True


def take_back(*, actor: User, curation: ChunkCuration) -> bool:
    """Ask again for what was dropped. False when nothing was."""
    with transaction.atomic():
        again = (
            ChunkCuration.objects.filter(pk=curation.pk)
            .exclude(settled_at=None)
            .update(settled_at=None)
        )
        if again:
            record(actor, "curation.take_back", curation, document=curation.document_id)
    return bool(again)


def _unmatched(base: KnowledgeBase) -> QuerySet[ChunkCuration]:
    """What is said of texts that are no passages now, in documents that have passages."""
    passages = Chunk.objects.filter(
        generation=base.active_generation_id, document=OuterRef("document")
    )
    return (
        ChunkCuration.objects.filter(
            Exists(passages),
            ~Exists(passages.filter(text_sha256=OuterRef("text_sha256"))),
            document__in=Document.objects.present().filter(knowledge_base=base).values("pk"),
            settled_at=None,
        )
        .exclude(edited_text="", is_disabled=False)
        .select_related("document", "updated_by")
        .order_by("document__title", "document", "pk")
    )


def _passages(base: KnowledgeBase, document_id: int) -> QuerySet[Chunk]:
    return (
        Chunk.objects.filter(generation=base.active_generation_id, document=document_id)
        .defer("term_weights", "term_frequencies", "term_vector", "lines")
        .order_by("ordinal")
    )


def _undecided(curation: ChunkCuration) -> ChunkCuration | None:
    return (
        ChunkCuration.objects.select_for_update(no_key=True)
        .filter(pk=curation.pk, settled_at=None)
        .first()
    )


def _decide(actor: User, curation: ChunkCuration, action: str, **data: object) -> None:
    # Not ``updated_at``: nothing else is said of any passage by this.
    ChunkCuration.objects.filter(pk=curation.pk).update(settled_at=timezone.now())
    record(actor, action, curation, document=curation.document_id, **data)
