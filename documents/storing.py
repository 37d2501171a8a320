"""From chunk drafts to rows: what a curator said is applied, terms are counted, rows copied in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db import connection
from psycopg.types.json import Jsonb

from documents.analysis import analyze, detect_language
from documents.chunking import count_tokens
from documents.embedding import BATCH, embed_readable
from documents.fingerprints import sha256_of_text
from documents.lexicon import (
    Weighing,
    adopt_average_length,
    count_terms,
    sparse_literal,
    term_ids,
    vector_literal,
)
from documents.models import Chunk, ChunkCuration, ChunkEmbedding, IndexGeneration
from documents.readability import measure_readability
from documents.spaces import halfvec_literal
from documents.types import ChunkDraft
from inference.formatting import format_passage

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from documents.carrying import Said
    from documents.types import Language, Readability
    from inference.ports import Embedder

LONGEST_HEADING = 300

_CHUNK_COLUMNS = (
    "id",
    "generation_id",
    "knowledge_base_id",
    "document_id",
    "version_id",
    "ordinal",
    "generated_text",
    "text",
    "text_sha256",
    "start",
    "end",
    "heading_path",
    "page_start",
    "page_end",
    "lines",
    "language",
    "token_count",
    "readability",
    "readability_inputs",
    "is_enabled",
    "is_edited",
    "term_count",
    "term_weights",
    "term_frequencies",
    "term_vector",
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A draft as it will be searched: with the curator's text and the terms of it."""

    draft: ChunkDraft
    text: str
    text_sha256: str
    """Of the text as cut: the name under which curators speak of it."""
    index_text: str
    """Title, headings and text, as searched by words and by vector alike."""
    language: Language
    token_count: int
    readability: Readability
    terms: Counter[str]
    is_enabled: bool = True
    is_edited: bool = False

    @property
    def length(self) -> int:
        """Terms in all, repeats counted."""
        return self.terms.total()


@dataclass(frozen=True, slots=True)
class Placed:
    """A passage with the document it belongs to, and its vector if the embedder reads it."""

    document_id: int
    version_id: int
    passage: Passage
    vector: NDArray[np.float32] | None


def curations_of(document_id: int) -> dict[str, ChunkCuration]:
    """What curators said about the document's passages, by the hash of the text as cut."""
    return {
        curation.text_sha256: curation
        for curation in ChunkCuration.objects.filter(document_id=document_id)
    }


def times_of(curations: Mapping[str, ChunkCuration]) -> dict[str, datetime]:
    """When curators last spoke of each passage: equal times mean that nothing was said since."""
    return {text_sha256: curation.updated_at for text_sha256, curation in curations.items()}


def passages_of(
    title: str, drafts: Iterable[ChunkDraft], curations: Mapping[str, Said]
) -> list[Passage]:
    """The drafts ready to be stored, in order, with what ``carrying.applied`` says of them."""
    return [_passage(title, draft, curations.get(sha256_of_text(draft.text))) for draft in drafts]


def vectors_of(
    embedder: Embedder | None,
    passages: Sequence[Passage],
    *,
    batch: int = BATCH,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[NDArray[np.float32] | None]:
    """A vector for each passage, None for those the embedder does not read.

    ``on_progress`` hears how many passages are done after each batch. Raises ``ModelError``.
    Call it outside a transaction.
    """
    if embedder is None:
        return [None] * len(passages)
    texts = [(passage.index_text, passage.language) for passage in passages]
    return embed_readable(embedder, texts, batch=batch, on_progress=on_progress)


def ids_of_terms(generation: IndexGeneration, passages: Sequence[Passage]) -> dict[str, int]:
    """Ids for all terms of the passages. The first of a generation set its average length.

    Call it before the transaction that stores them.
    """
    adopt_average_length(generation, [passage.length for passage in passages])
    return term_ids({token for passage in passages for token in passage.terms})


def store(generation: IndexGeneration, placed: Sequence[Placed], ids: Mapping[str, int]) -> None:
    """Copy passages and vectors in. ``ids`` are of ``ids_of_terms`` for the same passages."""
    weighing = Weighing.of(generation)
    columns = ", ".join(f'"{column}"' for column in _CHUNK_COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('documents_chunk', 'id'))"
            " FROM generate_series(1, %s)",
            [len(placed)],
        )
        chunk_ids = [row[0] for row in cursor.fetchall()]
        with cursor.copy(f"COPY documents_chunk ({columns}) FROM STDIN") as copy:
            for chunk_id, entry in zip(chunk_ids, placed, strict=True):
                copy.write_row(_chunk_row(chunk_id, generation, entry, weighing, ids))
        with cursor.copy(
            "COPY documents_chunkembedding"
            " (chunk_id, space_id, knowledge_base_id, generation_id, embedding) FROM STDIN"
        ) as copy:
            for chunk_id, entry in zip(chunk_ids, placed, strict=True):
                if entry.vector is not None:
                    copy.write_row(
                        (
                            chunk_id,
                            generation.space_id,
                            generation.knowledge_base_id,
                            generation.pk,
                            halfvec_literal(entry.vector),
                        )
                    )


def passage_of_chunk(chunk: Chunk) -> Passage:
    """A stored chunk's text, measured and counted anew. Reads ``chunk.document``."""
    return _measured(
        _draft_of(chunk),
        title=chunk.document.title,
        text=chunk.text,
        text_sha256=chunk.text_sha256,
        language=detect_language(chunk.text),
        token_count=count_tokens(chunk.text),
    )


def store_terms(chunk: Chunk, passage: Passage) -> bool:
    """Write what was computed from the chunk's text, unless the text has changed since."""
    ids = term_ids(passage.terms)
    frequencies = {ids[token]: count for token, count in passage.terms.items()}
    weights = _weights(Weighing.of(chunk.generation), frequencies, passage.length)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE documents_chunk SET
                language = %s, token_count = %s, readability = %s, readability_inputs = %s::jsonb,
                term_count = %s, term_weights = %s::sparsevec, term_frequencies = %s::jsonb,
                term_vector = %s::tsvector
            WHERE id = %s AND text = %s
            """,
            [
                passage.language,
                passage.token_count,
                passage.readability.score,
                json.dumps(dict(passage.readability.inputs)),
                passage.length,
                sparse_literal(weights),
                json.dumps(frequencies),
                vector_literal(passage.terms, chunk.generation_id),
                chunk.pk,
                chunk.text,
            ],
        )
        return bool(cursor.rowcount)


def store_vector(chunk: Chunk, vector: NDArray[np.float32] | None) -> None:
    """Replace the chunk's vector in its generation's space; None takes it away."""
    stored = ChunkEmbedding.objects.filter(chunk=chunk, space_id=chunk.generation.space_id)
    if vector is None:
        stored.delete()
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO documents_chunkembedding
                (chunk_id, space_id, knowledge_base_id, generation_id, embedding)
            SELECT id, %s, knowledge_base_id, generation_id, %s::halfvec
            FROM documents_chunk WHERE id = %s AND text = %s
            ON CONFLICT (chunk_id, space_id) DO UPDATE SET embedding = excluded.embedding
            """,
            [chunk.generation.space_id, halfvec_literal(vector), chunk.pk, chunk.text],
        )


def _passage(title: str, draft: ChunkDraft, curation: Said | None) -> Passage:
    edited = curation.edited_text if curation else ""
    passage = _measured(
        draft,
        title=title,
        text=edited or draft.text,
        text_sha256=sha256_of_text(draft.text),
        language=detect_language(edited) if edited else draft.language,
        token_count=count_tokens(edited) if edited else draft.token_count,
    )
    if curation is None:
        return passage
    return replace(passage, is_enabled=not curation.is_disabled, is_edited=bool(edited))


def _measured(
    draft: ChunkDraft,
    *,
    title: str,
    text: str,
    text_sha256: str,
    language: Language,
    token_count: int,
) -> Passage:
    index_text = format_passage(title, draft.heading_path, text)
    return Passage(
        draft=draft,
        text=text,
        text_sha256=text_sha256,
        index_text=index_text,
        language=language,
        token_count=token_count,
        readability=measure_readability(text, language),
        terms=count_terms(analyze(index_text)),
    )


def _chunk_row(
    chunk_id: int,
    generation: IndexGeneration,
    entry: Placed,
    weighing: Weighing,
    ids: Mapping[str, int],
) -> tuple[Any, ...]:
    passage = entry.passage
    draft = passage.draft
    frequencies = {ids[token]: count for token, count in passage.terms.items()}
    return (
        chunk_id,
        generation.pk,
        generation.knowledge_base_id,
        entry.document_id,
        entry.version_id,
        draft.ordinal,
        draft.text,
        passage.text,
        passage.text_sha256,
        draft.start,
        draft.end,
        [heading[:LONGEST_HEADING] for heading in draft.heading_path],
        draft.page_start,
        draft.page_end,
        Jsonb([asdict(line) for line in draft.lines]),
        passage.language,
        passage.token_count,
        passage.readability.score,
        Jsonb(dict(passage.readability.inputs)),
        passage.is_enabled,
        passage.is_edited,
        passage.length,
        sparse_literal(_weights(weighing, frequencies, passage.length)),
        Jsonb(frequencies),
        vector_literal(passage.terms, generation.pk),
    )


def _weights(weighing: Weighing, frequencies: Mapping[int, int], length: int) -> dict[int, float]:
    return {term: weighing.weight(count, length) for term, count in frequencies.items()}


def _draft_of(chunk: Chunk) -> ChunkDraft:
    return ChunkDraft(
        ordinal=chunk.ordinal,
        text=chunk.generated_text,
        start=chunk.start,
        end=chunk.end,
        heading_path=tuple(chunk.heading_path),
        page_start=chunk.page_start,
        page_end=chunk.page_end,
        token_count=chunk.token_count,
        language=chunk.language,
    )
