"""Recall from Postgres: by vectors and by words, fused by rank, loaded as passages.

What the viewer may read is decided inside the SQL of each search and once more where the texts
are loaded, so no text of a closed document ever reaches Python.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from documents.analysis import detect_language, is_in_another_script
from documents.generations import embedder_named
from documents.lexicon import Weighing, query_statistics
from documents.models import Chunk, ChunkEmbedding
from documents.querysets import ChunkQuerySet
from documents.retrieval import question_terms, search_dense, search_lexical, search_tokens
from inference.coverage import can_read
from inference.errors import ModelError
from qa.fusion import cap_per_document, reciprocal_rank_fusion
from qa.querysets import bases_of
from qa.types import Passage, QuestionTerm, Recalled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from accounts.models import User
    from documents.models import EmbeddingSpace, KnowledgeBase
    from documents.types import DenseHit, LexicalHit
    from inference.ports import Embedder, EmbeddingRecipe
    from qa.types import Reason

ANOTHER_LANGUAGE = "mis"
"""Stands for a language without a code here (ISO 639-2): who names languages does not cover it."""
LEG_LIMIT = 100
"""Hits taken from each search before they are fused."""
CHUNKS_PER_DOCUMENT = 4
"""So that one long document does not fill the candidates."""


@dataclass(frozen=True, slots=True)
class Legs:
    """What each search found, best first, before the fusion."""

    question: str
    dense: tuple[DenseHit, ...]
    lexical: tuple[LexicalHit, ...]
    vector: NDArray[np.float32] | None
    """The question's vector in ``space``, when the vectors were searched."""
    space: EmbeddingSpace | None
    language: str
    reasons: tuple[Reason, ...]
    timings_ms: Mapping[str, float]


class PostgresRetriever:
    """Recall for one viewer over knowledge bases, of which those they may not ask are left out."""

    def __init__(
        self,
        viewer: User,
        knowledge_bases: Sequence[KnowledgeBase],
        embedder: Embedder | None,
        *,
        chunks_per_document: int = CHUNKS_PER_DOCUMENT,
    ) -> None:
        self.viewer = viewer
        self.embedder = embedder
        self.chunks_per_document = chunks_per_document
        wanted = [base.pk for base in knowledge_bases]
        visible = bases_of(viewer).select_related("active_generation__space").in_bulk(wanted)
        self.knowledge_bases: list[KnowledgeBase] = [
            visible[pk] for pk in dict.fromkeys(wanted) if pk in visible
        ]

    def recall(self, question: str, limit: int) -> Recalled:
        """The ``limit`` best passages for the question, and why a search was left out.

        Raises nothing when the embedder fails: the words are searched alone, and the reason kept.
        """
        return self.recall_from(self.search(question), limit)

    def recall_from(self, legs: Legs, limit: int) -> Recalled:
        """``recall`` after the searches: fuse, cap, load."""
        clock = _Stopwatch()
        with clock.measure("fuse"):
            fused = self.fuse(legs)[:limit]
        with clock.measure("load"):
            passages = self.load(fused, legs)
            terms = question_terms(self.knowledge_bases, legs.question)
        return Recalled(
            passages=passages,
            question_terms=tuple(QuestionTerm(*term) for term in terms),
            language=legs.language,
            reasons=legs.reasons,
            timings_ms={**legs.timings_ms, **clock.milliseconds},
        )

    def search(self, question: str) -> Legs:
        """Both searches, apart."""
        clock = _Stopwatch()
        language = detect_language(question)
        if not language and is_in_another_script(question):
            language = ANOTHER_LANGUAGE
        with clock.measure("embed"):
            vector, space, reason = self._embed(question, language)
        dense: list[DenseHit] = []
        if vector is not None and space is not None:
            with clock.measure("dense"):
                bases = [b for b in self.knowledge_bases if _space_of(b) == space]
                dense = search_dense(self.viewer, bases, vector, space, LEG_LIMIT)
        with clock.measure("lexical"):
            lexical = search_lexical(
                self.viewer, self.knowledge_bases, search_tokens(question), LEG_LIMIT
            )
        return Legs(
            question=question,
            dense=tuple(dense),
            lexical=tuple(lexical),
            vector=vector,
            space=space,
            language=language,
            reasons=(reason,) if reason else (),
            timings_ms=clock.milliseconds,
        )

    def fuse(self, legs: Legs) -> list[tuple[int, float]]:
        """Chunk ids with their fused score, best first, at most a few of each document."""
        documents = {hit.chunk_id: hit.document_id for hit in legs.dense}
        documents |= {hit.chunk_id: hit.document_id for hit in legs.lexical}
        rankings = [[hit.chunk_id for hit in leg] for leg in (legs.dense, legs.lexical) if leg]
        fused = reciprocal_rank_fusion(rankings)
        return cap_per_document(fused, lambda item: documents[item[0]], self.chunks_per_document)

    def load(self, fused: Sequence[tuple[int, float]], legs: Legs) -> tuple[Passage, ...]:
        """The passages in their order, with what each search says of them.

        A passage that only one search found gets the other's score too: factors computed from
        different scores could not be compared.
        """
        chunks = self._readable_chunks([chunk_id for chunk_id, _score in fused])
        dense = {hit.chunk_id: (rank, hit.cosine) for rank, hit in enumerate(legs.dense, start=1)}
        lexical = {hit.chunk_id: (rank, hit) for rank, hit in enumerate(legs.lexical, start=1)}
        cosines = _cosines(legs, [pk for pk in chunks if pk not in dense])
        shares = self._lexical_shares(
            legs.question, [chunk for pk, chunk in chunks.items() if pk not in lexical]
        )
        passages: list[Passage] = []
        for chunk_id, score in fused:
            chunk = chunks.get(chunk_id)
            if chunk is None:  # Closed, disabled or re-indexed since the search.
                continue
            dense_rank, cosine = dense.get(chunk_id, (None, cosines.get(chunk_id)))
            lexical_rank, hit = lexical.get(chunk_id, (None, None))
            passages.append(
                replace(
                    _passage_of(chunk),
                    cosine=cosine,
                    lexical_score=hit.score if hit else None,
                    lexical_share=hit.share if hit else shares.get(chunk_id, 0.0),
                    dense_rank=dense_rank,
                    lexical_rank=lexical_rank,
                    fused_rank=len(passages) + 1,
                    fused_score=score,
                )
            )
        return tuple(passages)

    def _lexical_shares(self, question: str, chunks: Sequence[Chunk]) -> dict[int, float]:
        """What ``search_lexical`` would have given passages that it did not reach."""
        if not chunks:
            return {}
        generations = [
            base.active_generation for base in self.knowledge_bases if base.active_generation
        ]
        by_pk = {generation.pk: Weighing.of(generation) for generation in generations}
        statistics = query_statistics(generations, search_tokens(question))
        weights = {
            str(term.term_id): term.idf * term.count
            for term in statistics.terms
            if term.term_id is not None
        }
        highest = sum(term.idf * term.count for term in statistics.terms)
        highest *= max((generation.k1 + 1 for generation in generations), default=1.0)
        shares: dict[int, float] = {}
        for chunk in chunks:
            weighing = by_pk.get(chunk.generation_id)
            if weighing is None or highest <= 0:
                continue
            score = sum(
                weight * weighing.weight(chunk.term_frequencies[term], chunk.term_count)
                for term, weight in weights.items()
                if term in chunk.term_frequencies
            )
            shares[chunk.pk] = min(score / highest, 1.0)
        return shares

    def _readable_chunks(self, chunk_ids: Sequence[int]) -> dict[int, Chunk]:
        chunks = ChunkQuerySet(Chunk).visible_to(self.viewer)
        enabled = chunks.filter(is_enabled=True, document__is_enabled=True)
        # The columns of the index itself are wide, and nothing here reads them.
        lean = enabled.select_related("document").defer(
            "term_weights", "term_vector", "generated_text", "lines"
        )
        return lean.in_bulk(list(chunk_ids))

    def _embed(
        self, question: str, language: str
    ) -> tuple[NDArray[np.float32] | None, EmbeddingSpace | None, Reason]:
        """The question's vector with its space, or the reason why there is none."""
        try:
            chosen = [self._embedder_of(base) for base in self.knowledge_bases]
            space, embedder = next((each for each in chosen if each is not None), (None, None))
            if space is None or embedder is None:
                return None, None, "dense_no_space" if self.embedder else "dense_unavailable"
            if not can_read(embedder, embedder.recipe.languages, question, language):
                return None, None, "dense_language"
            vector = embedder.embed_query(question)
        except ModelError:
            return None, None, "dense_unavailable"
        partly = any(_space_of(base) != space for base in self.knowledge_bases)
        return vector, space, "dense_no_space" if partly else ""

    def _embedder_of(self, base: KnowledgeBase) -> tuple[EmbeddingSpace, Embedder] | None:
        """What the base's vectors can be compared by, if that is configured. Raises ModelError."""
        generation = base.active_generation
        if generation is None or generation.space is None:
            return None
        embedder = embedder_named(generation.embedder, self.embedder)
        if embedder is None or not _is_space_of(generation.space, embedder.recipe):
            return None
        return generation.space, embedder


def _passage_of(chunk: Chunk) -> Passage:
    document = chunk.document
    return Passage(
        chunk_id=chunk.pk,
        document_id=chunk.document_id,
        version_id=chunk.version_id,
        knowledge_base_id=chunk.knowledge_base_id,
        title=document.title,
        heading_path=tuple(chunk.heading_path),
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        page=chunk.page_start,
        language=chunk.language,
        readability=chunk.readability,
        readability_inputs=chunk.readability_inputs,
        effective_date=document.effective_date,
        expires_at=document.expires_at,
        superseded=document.superseded_by_id is not None,
    )


def _cosines(legs: Legs, chunk_ids: Sequence[int]) -> dict[int, float]:
    """Exact cosines of passages that the vector search did not reach."""
    if legs.vector is None or not chunk_ids:
        return {}
    rows = ChunkEmbedding.objects.filter(space=legs.space, chunk__in=chunk_ids)
    cosines: dict[int, float] = {}
    for chunk_id, stored in rows.values_list("chunk_id", "embedding"):
        vector = np.asarray(stored, dtype=np.float32)
        lengths = float(np.linalg.norm(vector) * np.linalg.norm(legs.vector))
        cosines[chunk_id] = float(vector @ legs.vector) / lengths if lengths > 0 else 0.0
    return cosines


def _space_of(knowledge_base: KnowledgeBase) -> EmbeddingSpace | None:
    generation = knowledge_base.active_generation
    return generation.space if generation is not None else None


def _is_space_of(space: EmbeddingSpace, recipe: EmbeddingRecipe) -> bool:
    """Whether vectors of the space and of the recipe's model can be compared."""
    return (
        space.provider == recipe.provider
        and space.model == recipe.model
        and space.revision == recipe.revision
        and space.dimension == recipe.dimension
        and space.normalised == recipe.normalised
        and space.query_prefix == recipe.query_prefix
        and space.passage_prefix == recipe.passage_prefix
    )


@dataclass(slots=True)
class _Stopwatch:
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.milliseconds[name] = (time.perf_counter() - started) * 1000
