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
    together,
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
    """Process what has its turn, and hand the bell on while others wait."""
    claims.give_up_lost()
    try:
        processed = together.index_next()
    except Exception:
        # A defect that one document meets does not keep the others waiting.
        _hand_on()
        raise
    if processed is None:
        return
    tolerated = lexicon.GROWTH_WHILE_MORE_COMES if _hand_on() else lexicon.TOLERATED_GROWTH
    generation_id = processed.generation_id
    if generation_id and lexicon.statistics_are_stale(generation_id, tolerated):
        lexicon.rebuild_statistics(generation_id)


def _hand_on() -> bool:
    """Ring again while versions wait. Returns whether any does."""
    if not turns.claimable(1):
        return False
    queueing.ring(process_next)
    return True


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
