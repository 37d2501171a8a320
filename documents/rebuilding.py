"""A knowledge base's whole index, built anew beside the old one and swapped in when complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from documents import parsed
from documents.chunking import chunk
from documents.corpora import settle
from documents.generations import (
    activate,
    chunk_recipe,
    discard,
    embedder_of,
    fingerprint,
    lock_index,
    start_generation,
)
from documents.lexicon import rebuild_statistics
from documents.models import Chunk, Document, DocumentVersion, IndexGeneration
from documents.storing import Placed, curations_of, ids_of_terms, passages_of, store, vectors_of
from inference.conf import get_embedder

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet

    from documents.models import KnowledgeBase
    from inference.ports import Embedder


def rebuild_index(
    knowledge_base: KnowledgeBase, *, on_progress: Callable[[int], None] = lambda done: None
) -> IndexGeneration:
    """Index every document by the present configuration, then search that instead.

    The text that was parsed is cut and embedded again; originals are not read. Questions and
    uploads go on meanwhile, and what is uploaded is in the new index too. Raises ``ModelError``;
    then the old index stays. Call it outside a transaction.
    """
    configured = get_embedder()
    generation = start_generation(knowledge_base.pk, configured)
    embedder = embedder_of(generation, configured)
    done = 0
    completed = False
    try:
        while not completed:
            for version in _missing(generation):
                _index(version, generation, embedder)
                done += 1
                on_progress(done)
            rebuild_statistics(generation.pk)
            completed = _swap(generation)
    finally:
        if not completed:
            discard(generation.pk)
    generation.refresh_from_db()
    settle(generation)
    return generation


def _missing(generation: IndexGeneration) -> QuerySet[DocumentVersion]:
    """Versions in use that the generation has no passages of, deleted documents' included.

    A deleted document can be restored; what has been purged has no text to index.
    """
    indexed = Chunk.objects.filter(generation=generation, version=OuterRef("pk"))
    return (
        DocumentVersion.objects.filter(
            ~Exists(indexed),
            knowledge_base_id=generation.knowledge_base_id,
            document__current_version=F("pk"),
            document__purged_at=None,
            parsed__isnull=False,
        )
        .select_related("document")
        .order_by("pk")
    )


def _index(
    version: DocumentVersion, generation: IndexGeneration, embedder: Embedder | None
) -> None:
    found = parsed.recall(version)
    if found is None:
        return
    document = version.document
    passages = passages_of(
        document.title, chunk(found, chunk_recipe(generation)), curations_of(document.pk)
    )
    vectors = vectors_of(embedder, passages)
    ids = ids_of_terms(generation, passages)
    with transaction.atomic():
        lock_index(generation.knowledge_base_id)
        if not Document.objects.filter(pk=document.pk, current_version=version).exists():
            return
        Chunk.objects.filter(generation=generation, document=document).delete()
        store(
            generation,
            [
                Placed(document.pk, version.pk, passage, vector)
                for passage, vector in zip(passages, vectors, strict=True)
            ],
            ids,
        )
        DocumentVersion.objects.filter(pk=version.pk).update(
            indexed_fingerprint=fingerprint(version, generation, embedder)
        )


def _swap(generation: IndexGeneration) -> bool:
    """Search the new generation, if it has all. False: something was uploaded meanwhile."""
    with transaction.atomic():
        lock_index(generation.knowledge_base_id)
        if _missing(generation).exists():
            return False
        previous = activate(generation)
    if previous is not None:
        discard(previous)
    return True
