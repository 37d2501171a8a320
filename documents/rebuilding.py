"""A knowledge base's whole index, built anew beside the old one and swapped in when complete."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
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
from documents.models import (
    Chunk,
    ChunkCuration,
    Document,
    DocumentVersion,
    IndexGeneration,
)
from documents.storing import (
    Placed,
    curations_of,
    ids_of_terms,
    passages_of,
    store,
    times_of,
    vectors_of,
)
from inference.conf import get_embedder

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.db.models import QuerySet

    from documents.models import KnowledgeBase
    from inference.ports import Embedder


@dataclass(slots=True)
class _Build:
    """A generation in the making, and what its passages do not tell of themselves."""

    generation: IndexGeneration
    without_text: set[int] = field(default_factory=set)
    """Versions that give no passage under the new recipe, which are not missing."""
    curated: dict[int, dict[str, datetime]] = field(default_factory=dict)
    """Per indexed document: when a curator last spoke of each passage, as far as was known."""


def rebuild_index(
    knowledge_base: KnowledgeBase, *, on_progress: Callable[[int], None] = lambda done: None
) -> IndexGeneration:
    """Index every document by the present configuration, then search that instead.

    The text that was parsed is cut and embedded again; originals are not read. Questions and
    uploads go on meanwhile, and what is uploaded is in the new index too. Raises ``ModelError``;
    then the old index stays. Call it outside a transaction.
    """
    configured = get_embedder()
    build = _Build(generation=start_generation(knowledge_base.pk, configured))
    generation = build.generation
    embedder = embedder_of(generation, configured)
    done = 0
    completed = False
    try:
        while not completed:
            for version in _missing(build):
                _index(version, build, embedder)
                done += 1
                on_progress(done)
            rebuild_statistics(generation.pk)
            completed = _swap(build)
    finally:
        if not completed:
            discard(generation.pk)
    generation.refresh_from_db()
    settle(generation)
    return generation


def _missing(build: _Build) -> QuerySet[DocumentVersion]:
    """Versions in use that the generation has no passages of, deleted documents' included.

    A deleted document can be restored; what has been purged has no text to index.
    """
    indexed = Chunk.objects.filter(generation=build.generation, version=OuterRef("pk"))
    return (
        DocumentVersion.objects.filter(
            ~Exists(indexed),
            knowledge_base_id=build.generation.knowledge_base_id,
            document__current_version=F("pk"),
            document__purged_at=None,
            parsed__isnull=False,
        )
        .exclude(pk__in=build.without_text)
        .select_related("document")
        .order_by("pk")
    )


def _index(version: DocumentVersion, build: _Build, embedder: Embedder | None) -> None:
    """Put the version's passages into the new generation, unless it was overtaken meanwhile."""
    found = parsed.recall(version)
    if found is None:
        return
    document, generation = version.document, build.generation
    curations = curations_of(document.pk)
    passages = passages_of(document.title, chunk(found, chunk_recipe(generation)), curations)
    if not passages:
        build.without_text.add(version.pk)
        return
    vectors = vectors_of(embedder, passages)
    ids = ids_of_terms(generation, passages)
    with transaction.atomic():
        lock_index(generation.knowledge_base_id)
        if not _is_as_read(version):
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
    build.curated[document.pk] = times_of(curations)


def _is_as_read(version: DocumentVersion) -> bool:
    """Whether it is still its document's, under the same title; held until the transaction ends."""
    document = version.document
    same = Document.objects.select_for_update(no_key=True).filter(
        pk=document.pk, current_version=version, title=document.title
    )
    return same.first() is not None


def _swap(build: _Build) -> bool:
    """Search the new generation, if it has all. False: something was said or uploaded meanwhile."""
    generation = build.generation
    with transaction.atomic():
        lock_index(generation.knowledge_base_id)
        if _forget_overtaken(build) or _missing(build).exists():
            return False
        previous = activate(generation)
    if previous is not None:
        discard(previous)
    return True


def _forget_overtaken(build: _Build) -> int:
    """Drop the new passages of documents of which a curator spoke since. They are missing then."""
    spoken: dict[int, dict[str, datetime]] = defaultdict(dict)
    for document_id, text_sha256, updated_at in ChunkCuration.objects.filter(
        document__knowledge_base=build.generation.knowledge_base_id
    ).values_list("document", "text_sha256", "updated_at"):
        spoken[document_id][text_sha256] = updated_at
    overtaken = [
        document_id
        for document_id, known in build.curated.items()
        if known != spoken.get(document_id, {})
    ]
    dropped, _by_model = Chunk.objects.filter(
        generation=build.generation, document__in=overtaken
    ).delete()
    return dropped
