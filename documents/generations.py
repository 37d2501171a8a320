"""Index generations: the one that is searched, and a new one built beside it and swapped in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q
from django.utils import timezone

from documents.analysis import TERM_GENERATION
from documents.chunking import CHUNKING_GENERATION
from documents.fingerprints import index_fingerprint
from documents.models import Chunk, IndexBuild, IndexGeneration, KnowledgeBase
from documents.spaces import space_for
from documents.types import ChunkRecipe
from inference.conf import get_embedder

if TYPE_CHECKING:
    from datetime import timedelta

    from documents.models import DocumentVersion, EmbeddingSpace
    from inference.ports import Embedder


_CHOSEN = ("embedder", "chunk_max_tokens", "chunk_overlap_tokens")
"""What the owner of a knowledge base chooses, by the same names there and in a generation."""


def active_generation(knowledge_base_id: int, embedder: Embedder | None) -> IndexGeneration:
    """The generation that is searched, created on first need; two callers get the same one.

    One without passages follows the configuration: it takes the space of the embedder that the
    knowledge base chose, else of ``embedder``, and the present recipes. One with passages keeps its
    own until a new generation is built. Raises ``KnowledgeBase.DoesNotExist``, ``ModelError``.
    """
    space = _space_wanted(KnowledgeBase.objects.get(pk=knowledge_base_id), embedder)
    with transaction.atomic():
        base = _locked(knowledge_base_id)
        generation = base.active_generation
        if generation is None:
            generation = _create(base, space, IndexGeneration.State.ACTIVE)
            base.active_generation = generation
            base.save(update_fields=["active_generation"])
        elif not is_current(generation, space) and not _has_chunks(generation):
            for field, value in _recipes(base).items():
                setattr(generation, field, value)
            generation.space = space
            generation.save(update_fields=["space", *_recipes(base)])
    return generation


def start_generation(
    knowledge_base_id: int,
    *,
    embedder: str | None = None,
    max_tokens: int | None = None,
    overlap_tokens: int | None = None,
) -> IndexGeneration:
    """A new, empty generation that is not searched yet; by default as the knowledge base has it.

    Its space is not known before ``take_space``.
    """
    wanted = {
        "embedder": embedder,
        "chunk_max_tokens": max_tokens,
        "chunk_overlap_tokens": overlap_tokens,
    }
    with transaction.atomic():
        return _create(
            _locked(knowledge_base_id),
            None,
            IndexGeneration.State.BUILDING,
            **{field: value for field, value in wanted.items() if value is not None},
        )


def take_space(generation: IndexGeneration, embedder: Embedder | None) -> None:
    """Let a generation without passages hold the vectors of ``embedder``."""
    generation.space = None if embedder is None else space_for(embedder.recipe)
    generation.save(update_fields=["space"])


def activate(generation: IndexGeneration) -> int | None:
    """Search ``generation`` from now on. Returns the one before, which is kept to go back to.

    The knowledge base's settings follow it. Call it in a transaction that holds the index
    (``lock_index``).
    """
    base = KnowledgeBase.objects.get(pk=generation.knowledge_base_id)
    previous = base.active_generation_id
    base.active_generation = generation
    for field in _CHOSEN:
        setattr(base, field, getattr(generation, field))
    base.save(update_fields=["active_generation", *_CHOSEN])
    IndexGeneration.objects.filter(pk=generation.pk).update(
        state=IndexGeneration.State.ACTIVE, retired_at=None
    )
    if previous is not None:
        IndexGeneration.objects.filter(pk=previous).exclude(pk=generation.pk).update(
            state=IndexGeneration.State.RETIRED, retired_at=timezone.now()
        )
    return previous


def generation_before(base: KnowledgeBase) -> IndexGeneration | None:
    """The generation that was searched before the present one, as long as it is kept."""
    retired = base.generations.filter(state=IndexGeneration.State.RETIRED)
    return retired.exclude(retired_at=None).order_by("-retired_at", "-number").first()


def embedders_in_use() -> list[str]:
    """Names of the embedders that questions need beside the default."""
    active = IndexGeneration.objects.filter(state=IndexGeneration.State.ACTIVE)
    chosen = active.exclude(embedder="").order_by("embedder")
    return list(chosen.values_list("embedder", flat=True).distinct())


def superfluous_generations(kept_for: timedelta) -> list[int]:
    """Retired generations that are not the last of their base, or were retired longer ago."""
    retired = IndexGeneration.objects.filter(state=IndexGeneration.State.RETIRED)
    later = retired.filter(
        Q(retired_at__gt=OuterRef("retired_at"))
        | Q(retired_at=OuterRef("retired_at"), number__gt=OuterRef("number")),
        knowledge_base=OuterRef("knowledge_base"),
    )
    superfluous = retired.filter(
        Exists(later) | Q(retired_at=None) | Q(retired_at__lt=timezone.now() - kept_for)
    )
    unneeded = superfluous.exclude(_is_being_built())
    return list(unneeded.order_by("pk").values_list("pk", flat=True))


def discard(generation_id: int) -> None:
    """Drop a generation with its passages, unless it is searched or a build needs it."""
    found = IndexGeneration.objects.filter(pk=generation_id)
    unneeded = found.exclude(_is_being_built()).exclude(state=IndexGeneration.State.ACTIVE)
    with transaction.atomic():
        for knowledge_base_id in found.values_list("knowledge_base", flat=True):
            lock_index(knowledge_base_id)
        # Nobody goes back to it any more, so that its rows can go without holding the index.
        if not unneeded.update(retired_at=None):
            return
    found.delete()


def lock_index(knowledge_base_id: int) -> KnowledgeBase:
    """Hold the knowledge base's index until the transaction ends: one writer swaps at a time."""
    return _locked(knowledge_base_id)


def embedder_named(name: str, embedder: Embedder | None) -> Embedder | None:
    """The embedder that a knowledge base or a generation names; ``embedder`` if it names none."""
    return get_embedder(name) if name else embedder


def embedder_of(generation: IndexGeneration, embedder: Embedder | None) -> Embedder | None:
    """The generation's own embedder, else ``embedder`` if its vectors belong in its space.

    None when the generation holds no vectors, or its model is not configured any more.
    """
    own = embedder_named(generation.embedder, embedder)
    if own is None or generation.space_id != space_for(own.recipe).pk:
        return None
    return own


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
    """Whether a generation made now, with vectors in ``space``, would index in the same way."""
    same_space = generation.space_id == (None if space is None else space.pk)
    return same_space and all(
        getattr(generation, field) == value
        for field, value in _recipes(generation.knowledge_base).items()
    )


def is_indexed_as_wanted(base: KnowledgeBase, embedder: Embedder | None) -> bool:
    """Whether ``is_current`` holds for what is searched, with the embedder the base chose."""
    generation = base.active_generation
    return generation is not None and is_current(generation, _space_wanted(base, embedder))


def _space_wanted(base: KnowledgeBase, embedder: Embedder | None) -> EmbeddingSpace | None:
    wanted = embedder_named(base.embedder, embedder)
    return None if wanted is None else space_for(wanted.recipe)


def _is_being_built() -> Exists:
    return Exists(
        IndexBuild.objects.filter(generation=OuterRef("pk"), state__in=IndexBuild.UNFINISHED)
    )


def _recipes(base: KnowledgeBase) -> dict[str, int | str]:
    return {
        **{field: getattr(base, field) for field in _CHOSEN},
        "chunking_generation": CHUNKING_GENERATION,
        "term_generation": TERM_GENERATION,
    }


def _create(
    base: KnowledgeBase,
    space: EmbeddingSpace | None,
    state: IndexGeneration.State,
    **chosen: int | str,
) -> IndexGeneration:
    newest = base.generations.aggregate(number=Max("number"))["number"] or 0
    return IndexGeneration.objects.create(
        knowledge_base=base,
        number=newest + 1,
        space=space,
        state=state,
        **{**_recipes(base), **chosen},
    )


def _locked(knowledge_base_id: int) -> KnowledgeBase:
    base: KnowledgeBase = KnowledgeBase.objects.select_for_update(no_key=True, of=("self",)).get(
        pk=knowledge_base_id
    )
    return base


def _has_chunks(generation: IndexGeneration) -> bool:
    return Chunk.objects.filter(generation=generation).exists()
