"""One document, from its stored original to searchable passages.

Claim, parse in a limited program, cut, plan by fingerprint, embed with no transaction open, then
one short transaction that swaps the passages and says so.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from django.db import transaction

from documents import carrying, claims, parsed
from documents.analysis import detect_language
from documents.chunking import chunk
from documents.claims import Claim, Stage
from documents.corpora import index_passages
from documents.dates import FoundDates, find_dates, settled_dates
from documents.embedding import BATCH
from documents.fingerprints import IndexAction, plan_indexing
from documents.generations import (
    active_generation,
    chunk_recipe,
    embedder_of,
    fingerprint,
    lock_index,
)
from documents.models import Chunk, Document, DocumentVersion, IndexGeneration
from documents.parsing.base import ParseError
from documents.parsing.runner import parse_file
from documents.setbacks import settled
from documents.storing import (
    Passage,
    Placed,
    curations_of,
    ids_of_terms,
    passage_of_chunk,
    passages_of,
    store,
    store_terms,
    store_vector,
    times_of,
    vectors_of,
)
from inference.conf import get_embedder
from inference.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import numpy as np
    from django.db.models import QuerySet
    from numpy.typing import NDArray

    from documents.types import ParsedDocument
    from inference.ports import Embedder

__all__ = [
    "index_document",
    "index_passages",
    "reindex_chunk",
    "reindex_stale",
    "stale_chunks",
]

logger = logging.getLogger(__name__)

CANCELLATION_CHECK_S = 2.0
CUT_AT_ONCE = 200
"""Passages measured between two looks whether the version is still wanted."""
STALE_AT_ONCE = 200
SETTLED = ["current_version", "title", "effective_date", "expires_at"]
"""Fields of a document that a new version of it decides."""
_TITLE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that the swap writes, computed before it."""

    parsed: ParsedDocument
    title: str
    dates: FoundDates
    passages: list[Passage]
    vectors: list[NDArray[np.float32] | None]
    fingerprint: str
    curated: dict[str, datetime]
    """When curators last spoke of each passage, as far as ``passages`` know."""


@dataclass(frozen=True, slots=True)
class Processed:
    """A version or several were processed, whatever became of them."""

    generation_id: int | None
    """The generation whose passages changed, if any."""


def index_document(version_id: int) -> int | None:
    """Process one version, whoever's turn it is. Returns the generation that changed, or None.

    What is wrong with the file is stored on the version, not raised; a model that fails for now,
    a full disk or a database that goes away leaves it waiting, with the reason. A defect of ours
    is stored and raised. A version that does not wait (another worker has it, it was cancelled) is
    left as it is.
    """
    held = claims.claim(version_id)
    return None if held is None else settled(held, partial(process, held))


def reindex_chunk(chunk_id: int) -> None:
    """Weigh and embed one passage anew from its present text. A passage that is gone is ignored.

    So is one of an index that is only kept to go back to. Raises ``ModelError``; its terms are up
    to date then, and its vector is the old one, as where the model is not configured any more.
    """
    _reindex([chunk_id])


def reindex_stale(document_id: int) -> None:
    """The same for all passages of a document whose text or title has changed since."""
    stale = _stale().filter(document=document_id).order_by("pk")
    chunk_ids = list(stale.values_list("pk", flat=True))
    for start in range(0, len(chunk_ids), BATCH):
        _reindex(chunk_ids[start : start + BATCH])


def _reindex(chunk_ids: Sequence[int]) -> None:
    chunks = (
        Chunk.objects.select_related("document", "generation")
        .defer("term_weights", "term_frequencies", "term_vector", "lines")
        .filter(pk__in=chunk_ids)
        .exclude(generation__state=IndexGeneration.State.RETIRED)
        .order_by("generation", "pk")
    )
    configured = get_embedder()
    for generation, group in groupby(chunks, key=lambda each: each.generation):
        measured = [(each, passage_of_chunk(each)) for each in group]
        current = [(each, passage) for each, passage in measured if store_terms(each, passage)]
        embedder = embedder_of(generation, configured)
        if embedder is None and generation.space_id is not None:
            # The old vectors are better than none, and the marks stand until the model is back.
            continue
        vectors = vectors_of(embedder, [passage for _chunk, passage in current])
        for (each, _passage), vector in zip(current, vectors, strict=True):
            store_vector(each, vector)
            _settle(each)


def _settle(done: Chunk) -> None:
    """The passage is up to date, unless its text or its document's title changed meanwhile."""
    same = Chunk.objects.filter(pk=done.pk, text=done.text, document__title=done.document.title)
    if not same.update(is_stale=False):
        Chunk.objects.filter(pk=done.pk).update(is_stale=True)


def stale_chunks() -> list[int]:
    """Edited passages whose message was lost; none while a worker is busy and may come to them.

    Nor those whose model cannot be had now.
    """
    if DocumentVersion.objects.filter(state__in=DocumentVersion.RUNNING).exists():
        return []
    concerned = IndexGeneration.objects.filter(pk__in=_stale().values("generation"))
    able = [generation for generation in concerned if _can_embed(generation)]
    stale = _stale().filter(generation__in=able).order_by("pk").values_list("pk", flat=True)
    return list(stale[:STALE_AT_ONCE])


def _stale() -> QuerySet[Chunk]:
    """Passages to be made anew; not of an index kept to go back to, where the return does it."""
    return Chunk.objects.filter(is_stale=True).exclude(
        generation__state=IndexGeneration.State.RETIRED
    )


def _can_embed(generation: IndexGeneration) -> bool:
    """Whether its passages can have the vectors now that they are to have."""
    try:
        embedder = embedder_of(generation, get_embedder())
    except ModelError:
        return False
    return embedder is not None or generation.space_id is None


def process(held: Claim) -> int | None:
    """Index the claimed version; again if the knowledge base's index was swapped meanwhile.

    Returns the generation that changed, if any. See ``setbacks.settled`` for what it raises.
    """
    version = DocumentVersion.objects.select_related("document").get(pk=held.version_id)
    found: ParsedDocument | None = None
    while True:
        configured = get_embedder()
        generation = active_generation(version.knowledge_base_id, configured)
        embedder = embedder_of(generation, configured)
        expected = fingerprint(version, generation, embedder)
        if _is_indexed(version, generation, expected):
            claims.finish(held)
            return None
        found = found or _parse(held, version)
        prepared = _prepare(held, version, found, generation, embedder, expected)
        claims.begin(held, Stage.INDEX, total=len(prepared.passages))
        if _swap(held, version, generation, prepared):
            return generation.pk


def _is_indexed(version: DocumentVersion, generation: IndexGeneration, expected: str) -> bool:
    planned = plan_indexing(version.indexed_fingerprint, expected)
    return (
        planned is IndexAction.NO_OP
        and Chunk.objects.filter(generation=generation, version=version).exists()
    )


def _parse(held: Claim, version: DocumentVersion) -> ParsedDocument:
    claims.begin(held, Stage.PARSE)
    return read(version, _cancellation(held))


def read(version: DocumentVersion, cancelled: Callable[[], bool]) -> ParsedDocument:
    """What is in the version's original, or was kept of it. Raises ``ParseError``, ``OSError``."""
    if not version.original:
        kept = parsed.recall(version)
        if kept is None:
            raise ParseError("missing_original", "")
        return kept
    path = Path(version.original.path)
    if not path.is_file():
        raise ParseError("missing_original", "")
    return parse_file(path, version.media_type, cancelled=cancelled)


def _cancellation(held: Claim) -> Callable[[], bool]:
    """Whether to stop, asked of the database every few seconds at most: the heartbeat too."""
    asked_at = time.monotonic()

    def cancelled() -> bool:
        nonlocal asked_at
        if time.monotonic() - asked_at < CANCELLATION_CHECK_S:
            return False
        asked_at = time.monotonic()
        return not held.beat()

    return cancelled


def _prepare(
    held: Claim,
    version: DocumentVersion,
    found: ParsedDocument,
    generation: IndexGeneration,
    embedder: Embedder | None,
    expected: str,
) -> Prepared:
    claims.begin(held, Stage.CHUNK)
    title = title_of(version, found)
    drafts = chunk(found, chunk_recipe(generation))
    if not drafts:
        raise ParseError("no_text", "")
    curations = curations_of(version.document_id)
    said = carrying.applied([draft.text for draft in drafts], curations)
    passages: list[Passage] = []
    for start in range(0, len(drafts), CUT_AT_ONCE):
        if start:
            claims.progress(held, start)
        passages += passages_of(title, drafts[start : start + CUT_AT_ONCE], said)
    claims.begin(held, Stage.EMBED, total=len(passages))
    vectors = vectors_of(embedder, passages, on_progress=lambda done: claims.progress(held, done))
    dates = find_dates(found, version.filename)
    return Prepared(found, title, dates, passages, vectors, expected, times_of(curations))


def title_of(version: DocumentVersion, found: ParsedDocument) -> str:
    """The document's title, or the one in the file while there is only a file name."""
    title: str = version.document.title
    stem = PurePath(version.filename).stem
    unnamed = {version.filename, stem, stem.replace("_", " ").strip()}
    if found.title.strip() and title in {name[:_TITLE_LENGTH] for name in unnamed}:
        return found.title.strip()[:_TITLE_LENGTH]
    return title


def _swap(
    held: Claim, version: DocumentVersion, generation: IndexGeneration, prepared: Prepared
) -> bool:
    """Put the new passages in place of the document's old ones, if all is still as it was read.

    False when another generation is searched by now, or a curator spoke meanwhile: the work has to
    be done again for that.
    """
    ids = ids_of_terms(generation, prepared.passages)
    with transaction.atomic():
        base = lock_index(version.knowledge_base_id)
        if base.active_generation_id != generation.pk:
            return False
        document = (
            Document.objects.select_for_update(no_key=True, of=("self",))
            .select_related("current_version")
            .get(pk=version.document_id)
        )
        if document.deleted_at or base.deleted_at:
            claims.cancel(held, "deleted")
            return True
        if document.current_version and document.current_version.number > version.number:
            claims.cancel(held, "superseded")
            return True
        if document.title != version.document.title:
            # The title is part of what is searched: the passages are made anew under it.
            version.document = document
            return False
        if times_of(curations_of(document.pk)) != prepared.curated:
            return False
        # Fenced before anything is written; a lost claim rolls all of it back.
        claims.finish(held, **findings(prepared))
        # Also those of an index kept to go back to, or being built: there it is indexed anew.
        Chunk.objects.filter(document=document).delete()
        store(
            generation,
            [
                Placed(document.pk, version.pk, passage, vector)
                for passage, vector in zip(prepared.passages, prepared.vectors, strict=True)
            ],
            ids,
        )
        parsed.keep(version.pk, prepared.parsed)
        settle_document(document, version, prepared)
        document.save(update_fields=SETTLED)
    logger.info(
        "document.indexed",
        extra={"version_id": version.pk, "passages": len(prepared.passages)},
    )
    return True


def findings(prepared: Prepared) -> dict[str, object]:
    """What the version's row says of its content and of how it was indexed."""
    found = prepared.parsed
    metadata: dict[str, object] = dict(found.metadata)
    if found.author:
        metadata["author"] = found.author
    metadata["dates"] = prepared.dates.stored()
    metadata["passages"] = len(prepared.passages)
    metadata["embedded"] = sum(vector is not None for vector in prepared.vectors)
    return {
        "language": (found.language or detect_language(found.text))[:8],
        "page_count": found.page_count,
        "metadata": metadata,
        "indexed_fingerprint": prepared.fingerprint,
    }


def settle_document(document: Document, version: DocumentVersion, prepared: Prepared) -> None:
    """Let the document, whose row is not saved here, be what the version makes it."""
    previous = document.current_version
    document.current_version = version
    document.title = prepared.title
    document.effective_date, document.expires_at = settled_dates(
        FoundDates(document.effective_date, document.expires_at),
        FoundDates.of(previous.metadata.get("dates") if previous else None),
        prepared.dates,
    )
