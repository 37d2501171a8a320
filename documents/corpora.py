"""Ready-made passages in bulk: evaluation sets go through the same cutting, embedding, storing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from documents import parsed
from documents.analysis import detect_language
from documents.chunking import chunk
from documents.fingerprints import sha256_of_text
from documents.generations import active_generation, chunk_recipe, embedder_of, fingerprint
from documents.lexicon import rebuild_statistics
from documents.models import Document, DocumentVersion, ParsedText
from documents.spaces import ensure_vector_index
from documents.storing import (
    Passage,
    Placed,
    ids_of_terms,
    passages_of,
    store,
    vectors_of,
)
from documents.types import Block, ParsedDocument
from inference.conf import get_embedder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from documents.models import IndexGeneration, KnowledgeBase
    from documents.types import ChunkRecipe
    from inference.ports import Embedder

DOCUMENTS_PER_TRANSACTION = 400
_EMBEDDING_BATCH = 256


@dataclass(frozen=True, slots=True)
class _Entry:
    """One passage of the set, cut as the product cuts."""

    external_id: str
    title: str
    parsed: ParsedDocument
    passages: list[Passage]


def index_passages(
    knowledge_base: KnowledgeBase,
    passages: Iterable[tuple[str, str, str]],
    *,
    on_progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Make a document of each (external id, title, text) and index it; returns how many.

    The id is kept in ``version.metadata["external_id"]``. A passage longer than the chunk budget
    gives several chunks; one without any text is left out. ``on_progress`` hears the number of
    documents stored. Term statistics and, where the space is large, the vector index are built at
    the end. Raises ``ModelError``; what was stored before stays.
    """
    return index_parsed(knowledge_base, _parsed(passages), on_progress=on_progress)


def index_parsed(
    knowledge_base: KnowledgeBase,
    documents: Iterable[tuple[str, ParsedDocument]],
    *,
    on_progress: Callable[[int], None] = lambda done: None,
    batch_size: int | None = None,
) -> int:
    """``index_passages`` of documents that a parser has read: (external id, document).

    ``batch_size`` documents are stored at a time, and heard of together.
    """
    configured = get_embedder()
    generation = active_generation(knowledge_base.pk, configured)
    embedder = embedder_of(generation, configured)
    done = 0
    recipe = chunk_recipe(generation)
    entries = (_entry(key, document, recipe) for key, document in documents)
    while batch := list(islice(entries, batch_size or DOCUMENTS_PER_TRANSACTION)):
        _index(knowledge_base, batch, generation, embedder)
        done += len(batch)
        on_progress(done)
    settle(generation)
    return done


def settle(generation: IndexGeneration) -> None:
    """After a bulk load: count terms, tell the planner, and index the vectors of a large space."""
    rebuild_statistics(generation.pk)
    with connection.cursor() as cursor:
        # Until Postgres has looked at a table that just grew, it plans as if it were empty.
        cursor.execute("ANALYZE documents_chunk, documents_chunkembedding, documents_document")
    if generation.space is not None and not connection.in_atomic_block:
        ensure_vector_index(generation.space)


def _parsed(passages: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, ParsedDocument]]:
    for external_id, title, text in passages:
        # A title alone is still something to find; Postgres stores no NUL.
        content = (text if text.strip() else title).replace("\x00", " ")
        if not content.strip():
            continue
        yield (
            external_id,
            ParsedDocument(
                text=content,
                blocks=(Block("paragraph", 0, len(content)),),
                title=title.replace("\x00", " ").strip(),
                language=detect_language(content),
            ),
        )


def _entry(external_id: str, found: ParsedDocument, recipe: ChunkRecipe) -> _Entry:
    passages = passages_of(found.title, chunk(found, recipe), {})
    return _Entry(external_id, found.title, found, passages)


def _index(
    base: KnowledgeBase,
    batch: Sequence[_Entry],
    generation: IndexGeneration,
    embedder: Embedder | None,
) -> None:
    passages = [passage for entry in batch for passage in entry.passages]
    vectors = iter(vectors_of(embedder, passages, batch=_EMBEDDING_BATCH))
    ids = ids_of_terms(generation, passages)
    with transaction.atomic():
        versions = _create_versions(base, batch, generation, embedder)
        store(
            generation,
            [
                Placed(version.document_id, version.pk, passage, next(vectors))
                for version, entry in zip(versions, batch, strict=True)
                for passage in entry.passages
            ],
            ids,
        )


def _create_versions(
    base: KnowledgeBase,
    batch: Sequence[_Entry],
    generation: IndexGeneration,
    embedder: Embedder | None,
) -> list[DocumentVersion]:
    documents = Document.objects.bulk_create(
        Document(knowledge_base=base, title=(entry.title or entry.external_id)[:300])
        for entry in batch
    )
    now = timezone.now()
    versions = [
        DocumentVersion(
            document=document,
            knowledge_base=base,
            filename=entry.external_id[:255],
            media_type="text/plain",
            size=len(entry.parsed.text.encode()),
            sha256=sha256_of_text(entry.parsed.text),
            language=entry.parsed.language,
            metadata={"external_id": entry.external_id},
            state=DocumentVersion.State.READY,
            finished_at=now,
        )
        for document, entry in zip(documents, batch, strict=True)
    ]
    for version in versions:
        version.indexed_fingerprint = fingerprint(version, generation, embedder)
    versions = DocumentVersion.objects.bulk_create(versions)
    ParsedText.objects.bulk_create(
        parsed.row_of(version.pk, entry.parsed)
        for version, entry in zip(versions, batch, strict=True)
    )
    Document.objects.filter(pk__in=[document.pk for document in documents]).update(
        current_version=Subquery(
            DocumentVersion.objects.filter(document=OuterRef("pk")).values("pk")[:1]
        )
    )
    return versions
