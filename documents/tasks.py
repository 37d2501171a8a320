"""Background work on the queues ``documents`` and ``ingest``. A task calls one function.

Rows are the jobs; a message only says that there is work. Losing or repeating one does no harm.
"""

from __future__ import annotations

from celery import shared_task

from documents import (
    builds,
    claims,
    indexing,
    lexicon,
    originals,
    page_rendering,
    queueing,
    rebuilding,
    spaces,
    turns,
)
from documents.models import EmbeddingSpace
from inference.errors import ModelTimeout, ModelUnavailable

QUEUE = "documents"
"""Of ``process_next`` alone: its length tells how many bells are on their way."""
MOST_RINGS = 16
"""As many workers are woken at once."""

_RETRY = {
    "autoretry_for": (ModelUnavailable, ModelTimeout),
    "retry_backoff": 10,
    "retry_backoff_max": 300,
    "retry_jitter": True,
    "max_retries": 5,
}


@shared_task(acks_late=True, soft_time_limit=3000, time_limit=3300)
def process_next() -> None:
    """Process the version whose turn it is, and hand the bell on while others wait."""
    claims.give_up_lost()
    try:
        processed = indexing.index_next()
    except Exception:
        # A defect that one document meets does not keep the others waiting.
        _hand_on()
        raise
    if processed is None:
        return
    _hand_on()
    if processed.generation_id and lexicon.statistics_are_stale(processed.generation_id):
        lexicon.rebuild_statistics(processed.generation_id)


def _hand_on() -> None:
    if turns.claimable(1):
        queueing.ring(process_next)


@shared_task(acks_late=True, soft_time_limit=300, time_limit=330, **_RETRY)
def reindex_chunk(chunk_id: int) -> None:
    indexing.reindex_chunk(chunk_id)


@shared_task(acks_late=True, soft_time_limit=3000, time_limit=3300, **_RETRY)
def reindex_stale(document_id: int) -> None:
    indexing.reindex_stale(document_id)


@shared_task(acks_late=True, soft_time_limit=1800, time_limit=1830)
def build_index(build_id: int) -> None:
    if rebuilding.continue_build(build_id):
        queueing.ring(build_index, build_id)


@shared_task(acks_late=True, soft_time_limit=900, time_limit=930)
def drop_superfluous_indexes() -> None:
    rebuilding.drop_superfluous()


@shared_task(acks_late=True, soft_time_limit=900, time_limit=930)
def rebuild_statistics(generation_id: int) -> None:
    lexicon.rebuild_statistics(generation_id)


@shared_task
def refresh_statistics() -> None:
    for generation_id in lexicon.stale_generations():
        rebuild_statistics.delay(generation_id)
    build_vector_indexes.delay()
    if rebuilding.superfluous():
        drop_superfluous_indexes.delay()


@shared_task(soft_time_limit=3000, time_limit=3300)
def build_vector_indexes() -> None:
    for space in EmbeddingSpace.objects.all():
        spaces.ensure_vector_index(space)


@shared_task(acks_late=True, soft_time_limit=120, time_limit=150)
def render_page(image_id: int) -> None:
    page_rendering.render(image_id)


@shared_task
def requeue_expired() -> None:
    claims.give_up_lost()
    _ring_again()
    for chunk_id in indexing.stale_chunks():
        reindex_chunk.delay(chunk_id)
    builds.give_up_lost()
    for build_id in builds.unheard():
        build_index.delay(build_id)
    originals.erase_originals()
    page_rendering.erase_old()


def _ring_again() -> None:
    """While versions wait and no bell is on its way: it was lost, or their time has come."""
    waiting = turns.claimable(MOST_RINGS)
    if waiting and queueing.is_empty(QUEUE):
        for _ in range(waiting):
            queueing.ring(process_next)
