"""First-stage search: passages by vector and by terms, of what the viewer may read, in one SQL.

Each search picks a pool of the best passages first and asks of those only whether the viewer may
read them; in the rare case that too few are left it asks of all. So rights are checked in the same
statement, at a cost that does not grow with the number of documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction

from documents.analysis import analyze_question, content_terms
from documents.lexicon import (
    QueryTerm,
    any_of_literal,
    count_terms,
    query_statistics,
    sparse_literal,
)
from documents.models import Document, IndexGeneration
from documents.spaces import EXACT_SCAN_LIMIT, halfvec_literal, has_vector_index, vector_expression
from documents.types import DenseHit, LexicalHit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from accounts.models import User
    from documents.models import EmbeddingSpace, KnowledgeBase

SEARCH_BREADTH = 200
"""``hnsw.ef_search``: candidates that the approximate index keeps in view. Above any ``limit``."""
POOL = 4
"""Times ``limit``: passages of which it is asked first whether the viewer may read them."""
EXACT_HITS = 10
"""So many of the best lexical hits are BM25's own, whatever terms were left out of candidates."""
COMMON_SHARE = 0.05
"""A term in a larger share of the passages is common: it weighs little and matches much."""
FEW_PASSAGES = 2_000
"""Up to so many passages no query term is left out of the candidates: there is nothing to gain."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """Which passages a search may return."""

    generations: tuple[IndexGeneration, ...]
    documents: str
    """SQL that selects the ids of the documents that may be read."""
    parameters: Mapping[str, Any]

    @property
    def generation_ids(self) -> list[int]:
        return [generation.pk for generation in self.generations]

    @property
    def passage_count(self) -> int:
        return sum(generation.chunk_count for generation in self.generations)


def search_dense(
    viewer: User,
    knowledge_bases: Sequence[KnowledgeBase],
    vector: NDArray[np.float32],
    space: EmbeddingSpace,
    limit: int,
) -> list[DenseHit]:
    """The ``limit`` passages nearest to ``vector``, nearest first, with their true cosine.

    Only passages of the active index that have a vector in ``space`` and that the viewer may read
    now. Exact for small knowledge bases, otherwise by the space's approximate index.
    """
    scope = _scope(viewer, knowledge_bases)
    if scope is None:
        return []
    approximate = scope.passage_count > EXACT_SCAN_LIMIT and has_vector_index(space)
    return _nearest(scope, vector, space, limit, approximate=approximate)


def nearest_in(
    generation: IndexGeneration,
    vector: NDArray[np.float32],
    space: EmbeddingSpace,
    limit: int,
    *,
    approximate: bool,
) -> list[DenseHit]:
    """``search_dense`` for the self-test: one generation, no viewer, and the way is chosen."""
    scope = _Scope((generation,), "SELECT id FROM documents_document", {})
    return _nearest(scope, vector, space, limit, approximate=approximate)


def search_lexical(
    viewer: User, knowledge_bases: Sequence[KnowledgeBase], tokens: Sequence[str], limit: int
) -> list[LexicalHit]:
    """The ``limit`` best passages by BM25 over ``tokens``, best first, ties by id.

    Only passages of the active index that share a term with the question and that the viewer may
    read now. The first ten are exact; further down, passages that hold nothing but common words
    of the question may be missing. ``share`` is the score over what the question could reach at
    most, unknown terms counted: a passage that lacks what was asked never has a high one.
    """
    scope = _scope(viewer, knowledge_bases)
    if scope is None:
        return []
    statistics = query_statistics(scope.generations, tokens)
    bound = max((generation.k1 + 1 for generation in scope.generations), default=1.0)
    highest = sum(term.idf * term.count for term in statistics.terms) * bound
    known = [term for term in statistics.terms if term.term_id is not None]
    if not known:
        return []
    rare, common = _by_commonness(known, statistics.passage_count)
    hits = _best_by_terms(scope, known, rare, limit, highest)
    if common:
        least = hits[min(limit, EXACT_HITS) - 1].score if len(hits) >= limit else 0.0
        if needed := _needed(common, least / bound):
            hits = _best_by_terms(scope, known, [*rare, *needed], limit, highest)
    return hits


def question_terms(
    knowledge_bases: Sequence[KnowledgeBase], question: str
) -> list[tuple[str, str, float]]:
    """What the question asks about, in its order: token, the words as asked, and idf.

    A term that no passage holds has the highest idf.
    """
    terms = content_terms(question)
    statistics = query_statistics(_active(knowledge_bases), [token for token, _ in terms])
    known = {term.token: term.idf for term in statistics.terms}
    return [(token, surface, known[next(iter(count_terms([token])))]) for token, surface in terms]


def search_tokens(question: str) -> list[str]:
    """The tokens of a question as ``search_lexical`` takes them: see ``analyze_question``."""
    return analyze_question(question)


def _active(knowledge_bases: Iterable[KnowledgeBase]) -> tuple[IndexGeneration, ...]:
    return tuple(
        IndexGeneration.objects.filter(active_for__in=[base.pk for base in knowledge_bases])
    )


def _scope(viewer: User, knowledge_bases: Sequence[KnowledgeBase]) -> _Scope | None:
    """What of the knowledge bases the viewer may read; None when that is nothing."""
    generations = _active(knowledge_bases)
    if not generations:
        return None
    # Staff may read a disabled document, but nobody's question is answered from one.
    enabled = Document.objects.visible_to(viewer).filter(is_enabled=True)
    documents = enabled.filter(knowledge_base__in=knowledge_bases)
    try:
        sql, values = documents.values("pk").query.sql_with_params()
    except EmptyResultSet:
        return None
    named = {f"visible_{number}": value for number, value in enumerate(values)}
    first, *rest = sql.split("%s")
    visible = first + "".join(f"%({name})s{after}" for name, after in zip(named, rest, strict=True))
    return _Scope(generations, visible, named)


def _nearest(
    scope: _Scope,
    vector: NDArray[np.float32],
    space: EmbeddingSpace,
    limit: int,
    *,
    approximate: bool,
) -> list[DenseHit]:
    # Only an expression equal to the index's can use it; the bare column compares every vector.
    column = vector_expression("stored.embedding", space) if approximate else "stored.embedding"
    query = f"""
        WITH candidate AS MATERIALIZED (
            SELECT stored.chunk_id,
                   {column} <=> %(vector)s::halfvec({int(space.dimension)}) AS distance
            FROM documents_chunkembedding stored
            WHERE stored.space_id = {int(space.pk)} AND stored.generation_id = ANY(%(generations)s)
            ORDER BY distance LIMIT %(pool)s
        )
        SELECT chunk.id, chunk.document_id, 1 - candidate.distance
        FROM candidate JOIN documents_chunk chunk ON chunk.id = candidate.chunk_id
        WHERE chunk.is_enabled AND chunk.document_id IN ({scope.documents})
        ORDER BY candidate.distance, chunk.id LIMIT %(limit)s
    """  # noqa: S608
    parameters = {
        **scope.parameters,
        "vector": halfvec_literal(vector),
        "generations": scope.generation_ids,
        "pool": POOL * limit,
        "limit": limit,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        if approximate:
            # The knowledge base is looked at after the index: without iteration too few remain.
            cursor.execute(
                "SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),"
                " set_config('hnsw.ef_search', %s, true)",
                [str(SEARCH_BREADTH)],
            )
        cursor.execute(query, parameters)
        rows = cursor.fetchall()
    if len(rows) < limit and approximate:
        return _nearest(scope, vector, space, limit, approximate=False)
    if len(rows) < limit:
        with connection.cursor() as cursor:
            cursor.execute(query, {**parameters, "pool": None})
            rows = cursor.fetchall()
    return [DenseHit(*row) for row in rows]


def _by_commonness(
    terms: Sequence[QueryTerm], passage_count: int
) -> tuple[list[QueryTerm], list[QueryTerm]]:
    """Split into terms that pick candidates and terms so common that they only add to scores."""
    most = COMMON_SHARE * passage_count
    rare = [term for term in terms if term.document_frequency <= most]
    if passage_count <= FEW_PASSAGES or not rare:
        return list(terms), []
    return rare, [term for term in terms if term.document_frequency > most]


def _needed(common: Sequence[QueryTerm], least: float) -> list[QueryTerm]:
    """The common terms whose passages may still be among the best; the others need no look.

    A passage that holds only terms left out has at most the sum of their weights. As long as that
    is not above ``least``, a weight that enough passages already reach, none is missed.
    """
    needed = sorted(common, key=lambda term: term.document_frequency)
    left_out = 0.0
    while needed:
        left_out += needed[-1].idf * needed[-1].count
        if left_out > least:
            break
        needed.pop()
    return needed


def _best_by_terms(
    scope: _Scope,
    scored: Sequence[QueryTerm],
    required: Sequence[QueryTerm],
    limit: int,
    highest: float,
) -> list[LexicalHit]:
    """The best passages that hold any of ``required``, scored by all of ``scored``."""
    weights = {term.term_id: term.idf * term.count for term in scored if term.term_id is not None}
    # The candidates are fenced off: of all conditions only the term match has a usable index then.
    # The planner would else read every passage's terms, which it takes to be cheap and is not.
    query = f"""
        WITH candidate AS MATERIALIZED (
            SELECT chunk.id, chunk.document_id,
                   -(chunk.term_weights <#> %(weights)s::sparsevec) AS score
            FROM documents_chunk chunk
            WHERE chunk.term_vector @@ %(required)s::tsquery
              AND chunk.generation_id + 0 = ANY(%(generations)s) AND chunk.is_enabled
            ORDER BY score DESC, chunk.id LIMIT %(pool)s
        )
        SELECT id, document_id, score FROM candidate WHERE document_id IN ({scope.documents})
        ORDER BY score DESC, id LIMIT %(limit)s
    """  # noqa: S608
    parameters = {
        **scope.parameters,
        "weights": sparse_literal(weights),
        "generations": scope.generation_ids,
        "required": any_of_literal((term.token for term in required), scope.generation_ids),
        "pool": POOL * limit,
        "limit": limit,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(query, parameters)
        rows = cursor.fetchall()
        if len(rows) < limit:
            cursor.execute(query, {**parameters, "pool": None})
            rows = cursor.fetchall()
    return [
        LexicalHit(pk, document_id, score, min(score / highest, 1.0))
        for pk, document_id, score in rows
    ]
