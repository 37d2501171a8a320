from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from documents import indexing, lexicon, processing, queueing, tasks, turns, uploading
from documents.doorbell import ring_on_commit
from documents.models import DocumentVersion, IndexGeneration

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_django import DjangoCaptureOnCommitCallbacks
    from redis import Redis

    from accounts.models import User
    from documents.models import Document, KnowledgeBase

    MakeVersion = Callable[..., DocumentVersion]
    RunTasks = Callable[[], AbstractContextManager[object]]

State = DocumentVersion.State


def test_processing_counts_terms_for_the_first_documents_at_once(waiting: MakeVersion) -> None:
    waiting("# Tea\n\nTea is fine.")
    tasks.process_next()
    generation = IndexGeneration.objects.get()
    assert generation.chunk_count == 1
    assert generation.statistics_at is not None


def test_terms_are_counted_less_often_while_more_documents_wait(
    waiting: MakeVersion, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    tolerated: list[float] = []

    def note(generation_id: int, share: float) -> bool:
        tolerated.append(share)
        return False

    monkeypatch.setattr(lexicon, "statistics_are_stale", note)
    monkeypatch.setattr(turns, "MOST_TOGETHER", 1)
    for name in ("Tea", "Rum"):
        waiting(f"# {name}\n\n{name} is fine.", f"{name}.md")
    tasks.process_next()
    tasks.process_next()
    assert tolerated == [lexicon.GROWTH_WHILE_MORE_COMES, lexicon.TOLERATED_GROWTH]


def test_the_watchdog_brings_a_lost_version_to_its_end(
    waiting: MakeVersion, run_tasks: RunTasks, redis_client: Redis
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


def test_the_watchdog_rings_for_all_that_wait_when_every_message_was_lost(
    waiting: MakeVersion, run_tasks: RunTasks, redis_client: Redis
) -> None:
    for number in range(3):
        waiting(f"# Tea\n\nTea is fine, {number} times.", f"{number}.md")
    with run_tasks():
        tasks.requeue_expired.delay()
    assert set(DocumentVersion.objects.values_list("state", "attempt")) == {(State.READY, 1)}


def test_the_watchdog_is_silent_while_bells_are_on_their_way(
    waiting: MakeVersion, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting("# Tea\n\nTea is fine.")
    assert queueing.is_empty(tasks.QUEUE)
    tasks.process_next.delay()
    assert not queueing.is_empty(tasks.QUEUE)
    tasks.requeue_expired()
    assert redis_client.llen(tasks.QUEUE) == 1


def test_one_bell_is_enough_for_all_that_wait(waiting: MakeVersion, run_tasks: RunTasks) -> None:
    for number in range(3):
        waiting(f"# Tea\n\nTea is fine, {number} times.", f"{number}.md")
    with run_tasks():
        tasks.process_next.delay()
    assert set(DocumentVersion.objects.values_list("state", flat=True)) == {State.READY}


def test_a_defect_that_one_document_meets_does_not_keep_the_others_waiting(
    waiting: MakeVersion, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise KeyError("x")

    monkeypatch.setattr(indexing, "chunk", broken)
    monkeypatch.setattr(turns, "MOST_TOGETHER", 1)
    waiting("# Tea\n\nTea.", "a.md")
    waiting("# Coffee\n\nCoffee.", "b.md")
    with pytest.raises(KeyError):
        tasks.process_next()
    assert redis_client.llen(tasks.QUEUE) == 1
    with pytest.raises(KeyError):
        tasks.process_next()
    assert redis_client.llen(tasks.QUEUE) == 1, "nothing waits any more"
    tasks.process_next()
    assert redis_client.llen(tasks.QUEUE) == 1, "an idle worker wakes nobody"


def test_a_broker_that_is_away_leaves_what_was_done_and_what_waits(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.process_next, "delay", away)
    monkeypatch.setattr(turns, "MOST_TOGETHER", 1)
    first, second = waiting("# Tea\n\nTea.", "a.md"), waiting("# Coffee\n\nCoffee.", "b.md")
    tasks.process_next()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (State.READY, State.PENDING)


def test_hundreds_of_uploads_ring_no_more_often_than_workers_can_be_woken(
    waiting: MakeVersion,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(tasks.process_next, "delay", lambda: rung.append(1))
    for number in range(tasks.MOST_RINGS + 5):
        waiting("text", f"{number}.md")
        with django_capture_on_commit_callbacks(execute=True):
            ring_on_commit()
    assert len(rung) == tasks.MOST_RINGS


@pytest.mark.parametrize("what", ["go on", "try all again", "try now"])
def test_one_bell_rings_for_what_a_curator_begins_however_many_wait(
    waiting: MakeVersion,
    knowledge_base: KnowledgeBase,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    what: str,
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(tasks.process_next, "delay", lambda: rung.append(1))
    last = [waiting("text", f"{number}.md") for number in range(tasks.MOST_RINGS + 2)][-1]
    if what == "go on":
        processing.set_paused(actor=alice, knowledge_base=knowledge_base, paused=True)
    elif what == "try all again":
        DocumentVersion.objects.update(state=State.FAILED)
    else:
        later = timezone.now() + timedelta(hours=1)
        DocumentVersion.objects.filter(pk=last.pk).update(not_before=later)
    with django_capture_on_commit_callbacks(execute=True):
        if what == "go on":
            processing.set_paused(actor=alice, knowledge_base=knowledge_base, paused=False)
        elif what == "try all again":
            uploading.retry_failed(actor=alice, knowledge_base=knowledge_base)
        else:
            processing.try_now(actor=alice, document=last.document)
    assert rung == [1]


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
    tasks.process_next()
    tasks.reindex_chunk(999_999)
    tasks.rebuild_statistics(999_999)
