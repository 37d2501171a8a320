"""Embedding spaces: the row behind a recipe, and the approximate index of a large space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from django.db import connection

from documents.models import ChunkEmbedding, EmbeddingSpace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from inference.ports import EmbeddingRecipe

EXACT_SCAN_LIMIT = 10_000
"""Up to so many vectors every one is compared: exact, and quick enough without an index."""
LONGEST_INDEXED_DIMENSION = 4_000
"""pgvector builds no HNSW index on a ``halfvec`` of more dimensions."""

_INDEX_LOCK = 4_150_002


def space_for(recipe: EmbeddingRecipe) -> EmbeddingSpace:
    """The space of a recipe, created when it is the first of its kind.

    Languages say where a model may be used, not what its vectors are, so they are brought up to
    date instead of making another space.
    """
    space, created = EmbeddingSpace.objects.get_or_create(
        provider=recipe.provider,
        model=recipe.model,
        revision=recipe.revision,
        dimension=recipe.dimension,
        normalised=recipe.normalised,
        query_prefix=recipe.query_prefix,
        passage_prefix=recipe.passage_prefix,
        defaults={"languages": list(recipe.languages)},
    )
    if not created and space.languages != list(recipe.languages):
        space.languages = list(recipe.languages)
        space.save(update_fields=["languages"])
    return space


def halfvec_literal(vector: NDArray[np.float32]) -> str:
    """The text form of a ``halfvec``: five digits name each number of half precision."""
    return "[" + ",".join(f"{value:.5g}" for value in vector.astype(np.float16).tolist()) + "]"


def vector_expression(column: str, space: EmbeddingSpace) -> str:
    """The SQL expression that the space's index is built on."""
    return f"({column}::halfvec({int(space.dimension)}))"


def index_name(space: EmbeddingSpace) -> str:
    return f"chunk_embedding_space_{int(space.pk)}_hnsw"


def has_vector_index(space: EmbeddingSpace) -> bool:
    """Whether a finished approximate index of the space exists."""
    return _index_validity(space) is True


def ensure_vector_index(space: EmbeddingSpace, *, above: int = EXACT_SCAN_LIMIT) -> bool:
    """Build the space's HNSW index if it holds more than ``above`` vectors and has none.

    Returns whether a finished index exists now. Uploads and questions go on meanwhile. Must be
    called outside a transaction: Postgres builds concurrently only there. When another process is
    building it, returns at once.
    """
    if space.dimension > LONGEST_INDEXED_DIMENSION:
        return False
    if has_vector_index(space):
        return True
    if ChunkEmbedding.objects.filter(space=space)[: above + 1].count() <= above:
        return False
    with connection.cursor() as cursor:
        # Tried, not waited for: a waiting statement holds a snapshot that the build waits for.
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_INDEX_LOCK, space.pk])
        (locked,) = cursor.fetchone()
        if not locked:
            return False
        try:
            for statement in _build_statements(space):
                cursor.execute(statement)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_INDEX_LOCK, space.pk])
    return has_vector_index(space)


def _build_statements(space: EmbeddingSpace) -> Iterable[str]:
    name = index_name(space)
    if _index_validity(space) is False:
        # What an interrupted build leaves behind: maintained at a cost, and never used.
        yield f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
    yield (
        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON documents_chunkembedding "
        f"USING hnsw ({vector_expression('embedding', space)} halfvec_cosine_ops) "
        f"WHERE space_id = {int(space.pk)}"
    )


def _index_validity(space: EmbeddingSpace) -> bool | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)",
            [index_name(space)],
        )
        row = cursor.fetchone()
    return None if row is None else bool(row[0])
