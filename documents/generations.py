"""Index generations: the one that is searched, and a new one built beside it and swapped in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Max

from documents.analysis import TERM_GENERATION
from documents.chunking import CHUNKING_GENERATION
from documents.fingerprints import index_fingerprint
from documents.models import Chunk, IndexGeneration, KnowledgeBase
from documents.spaces import space_for
from documents.types import ChunkRecipe

if TYPE_CHECKING:
    from documents.models import DocumentVersion, EmbeddingSpace
    from inference.ports import Embedder


def active_generation(knowledge_base_id: int, embedder: Embedder | None) -> IndexGeneration:
    """The generation that is searched, created on first need; two callers get the same one.

    One without passages follows the configuration: it takes the embedder's space and the present
    recipes. One with passages keeps its own until a new generation is built.
    Raises ``KnowledgeBase.DoesNotExist``.
    """
    space = None if embedder is None else space_for(embedder.recipe)
    with transaction.atomic():
        base = _locked(knowledge_base_id)
        generation = base.active_generation
        if generation is None:
            generation = _create(base, space, IndexGeneration.State.ACTIVE)
            base.active_generation = generation
            base.save(update_fields=["active_generation"])
        elif not is_current(generation, space) and not _has_chunks(generation):
            for field, value in _recipes().items():
                setattr(generation, field, value)
            generation.space = space
            generation.save(update_fields=["space", *_recipes()])
    return generation


def start_generation(knowledge_base_id: int, embedder: Embedder | None) -> IndexGeneration:
    """A new, empty generation by the present configuration, not searched yet."""
    space = None if embedder is None else space_for(embedder.recipe)
    with transaction.atomic():
        return _create(_locked(knowledge_base_id), space, IndexGeneration.State.BUILDING)


def activate(generation: IndexGeneration) -> int | None:
    """Search ``generation`` from now on. Returns the one before, which ``discard`` may drop.

    Call it in a transaction that holds the index (``lock_index``).
    """
    base = KnowledgeBase.objects.get(pk=generation.knowledge_base_id)
    previous = base.active_generation_id
    base.active_generation = generation
    base.save(update_fields=["active_generation"])
    IndexGeneration.objects.filter(pk=generation.pk).update(state=IndexGeneration.State.ACTIVE)
    if previous is not None:
        IndexGeneration.objects.filter(pk=previous).update(state=IndexGeneration.State.RETIRED)
    return previous


def discard(generation_id: int) -> None:
    """Drop a generation with its passages, unless it is the one that is searched."""
    IndexGeneration.objects.filter(pk=generation_id).exclude(
        state=IndexGeneration.State.ACTIVE
    ).delete()


def lock_index(knowledge_base_id: int) -> KnowledgeBase:
    """Hold the knowledge base's index until the transaction ends: one writer swaps at a time."""
    return _locked(knowledge_base_id)


def embedder_of(generation: IndexGeneration, embedder: Embedder | None) -> Embedder | None:
    """The configured embedder if its vectors belong in the generation's space, else None."""
    if embedder is None or generation.space_id != space_for(embedder.recipe).pk:
        return None
    return embedder


def fingerprint(
    version: DocumentVersion, generation: IndexGeneration, embedder: Embedder | None
) -> str:
    """What a version's index is made of: equal fingerprints make equal passages."""
    return index_fingerprint(
        version.sha256,
        chunk_recipe(generation),
        None if embedder is None else embedder.recipe,
        generation.term_generation,
    )


def chunk_recipe(generation: IndexGeneration) -> ChunkRecipe:
    return ChunkRecipe(
        max_tokens=generation.chunk_max_tokens,
        overlap_tokens=generation.chunk_overlap_tokens,
        generation=generation.chunking_generation,
    )


def is_current(generation: IndexGeneration, space: EmbeddingSpace | None) -> bool:
    """Whether a generation made now would index in the same way."""
    same_space = generation.space_id == (None if space is None else space.pk)
    return same_space and all(
        getattr(generation, field) == value for field, value in _recipes().items()
    )


def _recipes() -> dict[str, int]:
    default = ChunkRecipe()
    return {
        "chunk_max_tokens": default.max_tokens,
        "chunk_overlap_tokens": default.overlap_tokens,
        "chunking_generation": CHUNKING_GENERATION,
        "term_generation": TERM_GENERATION,
    }


def _create(
    base: KnowledgeBase, space: EmbeddingSpace | None, state: IndexGeneration.State
) -> IndexGeneration:
    newest = base.generations.aggregate(number=Max("number"))["number"] or 0
    return IndexGeneration.objects.create(
        knowledge_base=base, number=newest + 1, space=space, state=state, **_recipes()
    )


def _locked(knowledge_base_id: int) -> KnowledgeBase:
    base: KnowledgeBase = KnowledgeBase.objects.select_for_update(no_key=True, of=("self",)).get(
        pk=knowledge_base_id
    )
    return base


def _has_chunks(generation: IndexGeneration) -> bool:
    return Chunk.objects.filter(generation=generation).exists()
