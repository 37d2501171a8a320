"""The index's self-test: is all there that should be, and does the approximate search find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import Exists, F, OuterRef

from documents.generations import embedder_of
from documents.models import Chunk, ChunkEmbedding, DocumentVersion
from documents.retrieval import nearest_in
from documents.spaces import has_vector_index
from inference.coverage import can_read
from inference.formatting import format_passage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from documents.models import EmbeddingSpace, IndexGeneration, KnowledgeBase
    from inference.ports import Embedder

NEAREST = 10
LEAST_RECALL = 0.95
"""Share of the exact ``NEAREST`` that the approximate search must find."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What the self-test found in one knowledge base."""

    chunks: int
    vectors: int
    versions_without_chunks: tuple[int, ...]
    chunks_without_vector: tuple[int, ...]
    """Only those that the embedder reads; of others none is expected."""
    recall: float | None
    """Of the approximate search against the exact one; None where no approximate index exists."""
    statistics_off_by: int
    """Passages by which the term statistics differ from what is there."""

    @property
    def is_sound(self) -> bool:
        complete = not self.versions_without_chunks and not self.chunks_without_vector
        return complete and (self.recall is None or self.recall >= LEAST_RECALL)


def verify_index(
    knowledge_base: KnowledgeBase, embedder: Embedder | None, *, samples: int = 50
) -> Verification | None:
    """Check the generation that is searched; None when nothing was ever indexed.

    ``samples`` stored vectors serve as questions for the comparison. Raises ``ModelError``.
    """
    generation = knowledge_base.active_generation
    if generation is None:
        return None
    chunks = Chunk.objects.filter(generation=generation)
    counted = chunks.filter(
        is_enabled=True, document__is_enabled=True, document__deleted_at=None
    ).count()
    return Verification(
        chunks=chunks.count(),
        vectors=ChunkEmbedding.objects.filter(generation=generation).count(),
        versions_without_chunks=_versions_without_chunks(generation),
        chunks_without_vector=tuple(
            _chunks_without_vector(generation, embedder_of(generation, embedder))
        ),
        recall=_recall(generation, generation.space, samples),
        statistics_off_by=abs(counted - generation.chunk_count),
    )


def _versions_without_chunks(generation: IndexGeneration) -> tuple[int, ...]:
    indexed = Chunk.objects.filter(generation=generation, version=OuterRef("pk"))
    missing = DocumentVersion.objects.filter(
        ~Exists(indexed),
        knowledge_base_id=generation.knowledge_base_id,
        state=DocumentVersion.State.READY,
        document__current_version=F("pk"),
        document__deleted_at=None,
    )
    return tuple(missing.order_by("pk").values_list("pk", flat=True))


def _chunks_without_vector(generation: IndexGeneration, embedder: Embedder | None) -> Iterator[int]:
    if embedder is None:
        return
    languages = embedder.recipe.languages
    embedded = ChunkEmbedding.objects.filter(chunk=OuterRef("pk"), space_id=generation.space_id)
    missing = Chunk.objects.filter(~Exists(embedded), generation=generation).order_by("pk")
    for pk, title, headings, text, language in missing.values_list(
        "pk", "document__title", "heading_path", "text", "language"
    ):
        if can_read(embedder, languages, format_passage(title, headings, text), language):
            yield pk


def _recall(
    generation: IndexGeneration, space: EmbeddingSpace | None, samples: int
) -> float | None:
    if space is None or not has_vector_index(space):
        return None
    stored = ChunkEmbedding.objects.filter(generation=generation, space=space)
    # Ids spread the sample over the whole index, and the same ones are asked each time.
    every = max(stored.count() // samples, 1)
    chosen = list(stored.order_by("pk").values_list("pk", flat=True)[::every])[:samples]
    shares = []
    for vector in ChunkEmbedding.objects.filter(pk__in=chosen).values_list("embedding", flat=True):
        question = np.asarray(vector, dtype=np.float32)
        exact, found = (
            {
                hit.chunk_id
                for hit in nearest_in(generation, question, space, NEAREST, approximate=approximate)
            }
            for approximate in (False, True)
        )
        shares.append(len(exact & found) / len(exact) if exact else 1.0)
    return float(np.mean(shares)) if shares else None
