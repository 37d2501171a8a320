"""Background work on the queue ``ingest``. Each task carries ids and calls one function.

Rows are the jobs; a message only says that there is work. Losing or repeating one does no harm.
"""

from __future__ import annotations

from celery import shared_task

from documents import claims, indexing, lexicon, originals, spaces
from documents.models import EmbeddingSpace
from inference.errors import ModelTimeout, ModelUnavailable

_RETRY = {
    "autoretry_for": (ModelUnavailable, ModelTimeout),
    "retry_backoff": 10,
    "retry_backoff_max": 300,
    "retry_jitter": True,
    "max_retries": 5,
}


@shared_task(acks_late=True, soft_time_limit=3000, time_limit=3300, **_RETRY)
def process_document(version_id: int) -> None:
    generation_id = indexing.index_document(version_id)
    if generation_id is not None and lexicon.statistics_are_stale(generation_id):
        lexicon.rebuild_statistics(generation_id)


@shared_task(acks_late=True, soft_time_limit=300, time_limit=330, **_RETRY)
def reindex_chunk(chunk_id: int) -> None:
    indexing.reindex_chunk(chunk_id)


@shared_task(acks_late=True, soft_time_limit=3000, time_limit=3300, **_RETRY)
def reindex_stale(document_id: int) -> None:
    indexing.reindex_stale(document_id)


@shared_task(acks_late=True, soft_time_limit=900, time_limit=930)
def rebuild_statistics(generation_id: int) -> None:
    lexicon.rebuild_statistics(generation_id)


@shared_task
def refresh_statistics() -> None:
    for generation_id in lexicon.stale_generations():
        rebuild_statistics.delay(generation_id)
    build_vector_indexes.delay()


@shared_task(soft_time_limit=3000, time_limit=3300)
def build_vector_indexes() -> None:
    for space in EmbeddingSpace.objects.all():
        spaces.ensure_vector_index(space)


@shared_task
def requeue_expired() -> None:
    claims.give_up_lost()
    for version_id in claims.unheard():
        process_document.delay(version_id)
    for chunk_id in indexing.stale_chunks():
        reindex_chunk.delay(chunk_id)
    originals.erase_originals()
