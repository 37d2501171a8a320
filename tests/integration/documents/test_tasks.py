from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from documents import lexicon, tasks
from documents.models import DocumentVersion, IndexGeneration

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from documents.models import Document, KnowledgeBase

    MakeVersion = Callable[..., DocumentVersion]
    RunTasks = Callable[[], AbstractContextManager[object]]

State = DocumentVersion.State


def test_processing_counts_terms_for_the_first_documents_at_once(waiting: MakeVersion) -> None:
    tasks.process_document(waiting("# Tea\n\nTea is fine.").pk)
    generation = IndexGeneration.objects.get()
    assert generation.chunk_count == 1
    assert generation.statistics_at is not None


def test_the_watchdog_brings_a_lost_version_to_its_end(
    waiting: MakeVersion, run_tasks: RunTasks
) -> None:
    version = waiting("# Tea\n\nTea is fine.")
    long_ago = timezone.now() - timedelta(hours=1)
    DocumentVersion.objects.update(
        state=State.EMBEDDING, attempt=1, created_at=long_ago, heartbeat_at=long_ago
    )
    with run_tasks():
        tasks.requeue_expired.delay()
    version.refresh_from_db()
    assert (version.state, version.attempt, version.lost_attempts) == (State.READY, 2, 0)


def test_the_watchdog_rings_for_what_was_never_heard_of(
    waiting: MakeVersion, run_tasks: RunTasks
) -> None:
    version = waiting("# Tea\n\nTea is fine.")
    DocumentVersion.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    with run_tasks():
        tasks.requeue_expired.delay()
    version.refresh_from_db()
    assert version.state == State.READY


def test_refreshing_counts_what_is_stale_and_nothing_else(
    knowledge_base: KnowledgeBase,
    passages: dict[str, Document],
    run_tasks: RunTasks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    IndexGeneration.objects.update(chunk_count=3)
    counted: list[int] = []
    rebuild = lexicon.rebuild_statistics

    def noted(generation_id: int) -> None:
        counted.append(generation_id)
        rebuild(generation_id)

    monkeypatch.setattr(lexicon, "rebuild_statistics", noted)
    for _ in range(2):
        with run_tasks():
            tasks.refresh_statistics.delay()
    generation = IndexGeneration.objects.get()
    assert counted == [generation.pk]
    assert generation.chunk_count == 5


@pytest.mark.django_db
def test_tasks_of_rows_that_are_gone_end_quietly() -> None:
    tasks.process_document(999_999)
    tasks.reindex_chunk(999_999)
    tasks.rebuild_statistics(999_999)
