"""Passages of an index in the making that something said since has overtaken."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from django.db.models import Q

from documents import carrying
from documents.fingerprints import sha256_of_text
from documents.models import Chunk, ChunkCuration

if TYPE_CHECKING:
    from collections.abc import Collection

    from documents.models import IndexGeneration


def forget_overtaken(generation: IndexGeneration) -> int:
    """Drop the passages of documents of which a curator says something else by now.

    Also of those that have another title. They are missing then. Returns how many rows went.
    """
    passages = Chunk.objects.filter(generation=generation)
    spoken = ChunkCuration.objects.filter(document__knowledge_base=generation.knowledge_base_id)
    marked = passages.filter(Q(is_edited=True) | Q(is_enabled=False))
    concerned = {
        *spoken.values_list("document", flat=True),
        *marked.values_list("document", flat=True),
    }
    overtaken = {
        *_overtaken(generation, concerned),
        *passages.filter(is_stale=True).values_list("document", flat=True),
    }
    dropped, _by_model = passages.filter(document__in=overtaken).delete()
    return dropped


def _overtaken(generation: IndexGeneration, documents: Collection[int]) -> list[int]:
    """Those of the documents whose passages are not as what was said of them demands."""
    said: dict[int, dict[str, ChunkCuration]] = defaultdict(dict)
    for curation in ChunkCuration.objects.filter(document__in=documents):
        said[curation.document_id][curation.text_sha256] = curation
    stored: dict[int, list[tuple[str, str, bool, bool]]] = defaultdict(list)
    for document_id, generated, text, is_edited, is_enabled in Chunk.objects.filter(
        generation=generation, document__in=documents
    ).values_list("document", "generated_text", "text", "is_edited", "is_enabled"):
        stored[document_id].append((generated, text, is_edited, is_enabled))
    return [
        document_id
        for document_id, passages in stored.items()
        if not _are_as_said(passages, said[document_id])
    ]


def _are_as_said(
    passages: Collection[tuple[str, str, bool, bool]], said: dict[str, ChunkCuration]
) -> bool:
    holding = carrying.applied([generated for generated, *_rest in passages], said)
    for generated, text, is_edited, is_enabled in passages:
        holds = holding.get(sha256_of_text(generated))
        edited = holds.edited_text if holds else ""
        disabled = holds.is_disabled if holds else False
        if (text, is_edited, is_enabled) != (edited or generated, bool(edited), not disabled):
            return False
    return True
