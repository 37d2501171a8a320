"""Indexes built by workers a while at a time, cancelled, lost, and gone back from."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from accounts.models import AuditEvent
from documents import (
    builds,
    claims,
    curating,
    generations,
    indexing,
    jobs,
    purging,
    rebuilding,
    reindexing,
    tasks,
)
from documents.indexing import index_document
from documents.models import (
    Chunk,
    ChunkEmbedding,
    Document,
    DocumentVersion,
    IndexBuild,
    IndexGeneration,
    KnowledgeBase,
)
from documents.problems import explain
from documents.retrieval import search_lexical, search_tokens
from inference.conf import get_embedder
from inference.errors import InvalidModelResponse, ModelUnavailable
from inference.fake import FakeEmbedder
from qa.recall import PostgresRetriever

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pytest_django import Settings

    from accounts.models import User

    MakeVersion = Callable[..., DocumentVersion]
    RunTasks = Callable[[], AbstractContextManager[object]]

State = IndexBuild.State
ROOT = Path(__file__).resolve().parents[3]
LONG = " ".join(f"Sentence {n} says that good sleep helps people of every age." for n in range(40))


class SmallEmbedder(FakeEmbedder):
    error: Exception | None = None

    def __init__(self) -> None:
        super().__init__(dimension=64)

    def embed_passages(self, texts: Any) -> Any:
        if self.error is not None:
            raise self.error
        return super().embed_passages(texts)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> SmallEmbedder:
    """Another model, that may be chosen by the name "small"."""
    settings.RAGSITE_EMBEDDERS = ["small"]
    embedder = SmallEmbedder()
    monkeypatch.setattr(
        generations,
        "get_embedder",
        lambda name="": embedder if name == "small" else get_embedder(name),
    )
    return embedder


def request(actor: User, base: KnowledgeBase, **changes: Any) -> IndexBuild:
    wanted = {"embedder": "", "max_tokens": 60, "overlap_tokens": 0, **changes}
    return reindexing.request_rebuild(actor=actor, base=base, **wanted)


def retitle(actor: User, title: str) -> None:
    curating.update_document(actor=actor, document=Document.objects.get(), changes={"title": title})


def active(base: KnowledgeBase) -> IndexGeneration:
    base.refresh_from_db()
    assert base.active_generation is not None
    return base.active_generation


def found(viewer: User, base: KnowledgeBase, words: str) -> list[int]:
    base.refresh_from_db()
    return [hit.document_id for hit in search_lexical(viewer, [base], search_tokens(words), 50)]


# ---- a change of the recipe ----------------------------------------------------------------------
def test_passages_of_another_size_take_the_place_of_the_present_ones(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User, run_tasks: RunTasks
) -> None:
    version = indexed(LONG)
    before = version.chunks.count()
    with run_tasks():
        build = request(alice, knowledge_base)
    build.refresh_from_db()
    assert (build.state, build.progress_done, build.requested_by) == (State.DONE, 1, alice)
    new = active(knowledge_base)
    assert new.chunks.count() > 2 * before
    assert max(new.chunks.values_list("token_count", flat=True)) <= 60
    assert (knowledge_base.chunk_max_tokens, knowledge_base.chunk_overlap_tokens) == (60, 0)
    late = indexed("Tea is fine.", "tea.md")
    assert set(late.chunks.values_list("generation", flat=True)) == {new.pk}
    assert AuditEvent.objects.get(action="index.rebuild").actor == alice


def test_another_model_is_used_for_passages_and_for_questions(
    knowledge_base: KnowledgeBase,
    indexed: MakeVersion,
    alice: User,
    bob: User,
    small: SmallEmbedder,
    run_tasks: RunTasks,
) -> None:
    indexed("Good sleep needs a dark bedroom.")
    with run_tasks():
        request(alice, knowledge_base, embedder="small")
    new = active(knowledge_base)
    assert new.space is not None
    assert (new.space.dimension, knowledge_base.embedder) == (64, "small")
    indexed("Tea is fine.", "tea.md")
    vectors = ChunkEmbedding.objects.filter(generation=new)
    assert vectors.filter(space=new.space).count() == vectors.count() == new.chunks.count() == 2
    recalled = PostgresRetriever(bob, [knowledge_base], FakeEmbedder()).recall("dark bedroom", 5)
    assert recalled.reasons == ()
    assert recalled.passages[0].dense_rank == 1
    assert generations.embedders_in_use() == ["small"]


def test_without_a_model_the_words_alone_are_indexed(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User, run_tasks: RunTasks
) -> None:
    indexed("Good sleep needs a dark bedroom.")
    with run_tasks():
        request(alice, knowledge_base, embedder="none")
    assert active(knowledge_base).space is None
    assert found(alice, knowledge_base, "bedroom")


@pytest.mark.parametrize(
    "wrong",
    [
        {"embedder": "../../model"},
        {"max_tokens": 10},
        {"max_tokens": 5000},
        {"overlap_tokens": 21},
        {"overlap_tokens": -1},
    ],
)
def test_what_cannot_be_built_is_refused(
    knowledge_base: KnowledgeBase, alice: User, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        request(alice, knowledge_base, **wrong)
    assert not IndexBuild.objects.exists()
    assert not IndexGeneration.objects.exists()


def test_one_build_at_a_time(knowledge_base: KnowledgeBase, alice: User) -> None:
    request(alice, knowledge_base)
    with pytest.raises(ValidationError, match="already"):
        request(alice, knowledge_base)
    assert IndexGeneration.objects.count() == 1


# ---- a while at a time ---------------------------------------------------------------------------
def test_a_build_goes_on_where_it_stopped(
    knowledge_base: KnowledgeBase,
    indexed: MakeVersion,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3):
        indexed(f"Note {number} about sleep.", f"{number}.md")
    old = active(knowledge_base)
    build = request(alice, knowledge_base)
    slices = 0
    ticks = iter(range(1000))
    monkeypatch.setattr(rebuilding, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    IndexBuild.objects.update(lost_attempts=2, error_code="model_timeout")
    while rebuilding.continue_build(build.pk, slice_s=1):
        slices += 1
        build.refresh_from_db()
        assert (build.state, build.lost_attempts, build.error_code) == (State.WAITING, 0, "")
        assert active(knowledge_base) == old
        assert len(found(alice, knowledge_base, "sleep")) == 3
    build.refresh_from_db()
    assert slices >= 2
    assert (build.state, build.progress_done, build.progress_total) == (State.DONE, 3, 3)
    assert active(knowledge_base).chunks.count() == 3


def test_a_build_that_is_cancelled_writes_no_more(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User, small: SmallEmbedder
) -> None:
    indexed("Good sleep.")
    old = active(knowledge_base)
    build = request(alice, knowledge_base, embedder="small")
    real = small.embed_passages

    def cancel_meanwhile(texts: Any) -> Any:
        assert reindexing.cancel_build(actor=alice, base=knowledge_base)
        return real(texts)

    small.embed_passages = cancel_meanwhile  # type: ignore[method-assign]
    assert not rebuilding.continue_build(build.pk)
    build.refresh_from_db()
    assert build.state == State.CANCELLED
    assert active(knowledge_base) == old
    assert Chunk.objects.exclude(generation=old).count() == 0
    rebuilding.drop_superfluous()
    assert IndexGeneration.objects.get() == old
    assert not reindexing.cancel_build(actor=alice, base=knowledge_base)
    assert request(alice, knowledge_base).state == State.WAITING


def test_a_worker_that_was_lost_is_replaced_and_writes_no_more(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User, run_tasks: RunTasks
) -> None:
    indexed("Good sleep.")
    build = request(alice, knowledge_base)
    zombie = builds.claim(build.pk)
    assert zombie is not None
    long_ago = timezone.now() - 2 * builds.HEARTBEAT_EXPIRES
    IndexBuild.objects.update(heartbeat_at=long_ago, created_at=long_ago)
    with run_tasks():
        tasks.requeue_expired()
    build.refresh_from_db()
    assert (build.state, build.lost_attempts) == (State.DONE, 1)
    with pytest.raises(jobs.ClaimLost):
        zombie.finish()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_is_replaced_at_once(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User
) -> None:
    for number in range(3):
        indexed(f"Note {number} about sleep.", f"{number}.md")
    build = request(alice, knowledge_base)
    program = "tests.integration.documents.build_program"
    database = str(connection.settings_dict["NAME"])
    with subprocess.Popen(
        [sys.executable, "-m", program, database, str(build.pk)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "second\n"
        assert builds.give_up_lost() == 0
        build.refresh_from_db()
        assert (build.state, build.progress_done) == (State.RUNNING, 1)
        worker.kill()
        worker.wait()
    builds.give_up_lost()
    build.refresh_from_db()
    assert (build.state, build.lost_attempts) == (State.WAITING, 1)
    assert not rebuilding.continue_build(build.pk)
    new = active(knowledge_base)
    assert new.pk == build.generation_id
    assert sorted(new.chunks.values_list("text", flat=True)) == [
        f"Note {number} about sleep." for number in range(3)
    ]
    assert ChunkEmbedding.objects.filter(generation=new).count() == 3


def test_a_build_that_loses_every_worker_fails_at_last(
    knowledge_base: KnowledgeBase, alice: User
) -> None:
    build = request(alice, knowledge_base)
    for _attempt in range(builds.MOST_LOSSES):
        assert builds.claim(build.pk)
        IndexBuild.objects.update(heartbeat_at=timezone.now() - 2 * builds.HEARTBEAT_EXPIRES)
        builds.give_up_lost()
    build.refresh_from_db()
    assert (build.state, build.error_code) == (State.FAILED, "lost_build")


def test_a_model_that_is_away_is_tried_again_and_one_that_answers_nonsense_is_not(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User, small: SmallEmbedder
) -> None:
    indexed("Good sleep.")
    old = active(knowledge_base)
    build = request(alice, knowledge_base, embedder="small")
    small.error = ModelUnavailable("no route")
    assert not rebuilding.continue_build(build.pk)
    build.refresh_from_db()
    assert (build.state, build.error_code) == (State.WAITING, "model_unavailable")
    assert builds.unheard() == []
    IndexBuild.objects.update(heartbeat_at=timezone.now() - 2 * builds.RING_AGAIN_AFTER)
    assert builds.unheard() == [build.pk]
    small.error = InvalidModelResponse("nonsense")
    assert not rebuilding.continue_build(build.pk)
    build.refresh_from_db()
    assert build.state == State.FAILED
    assert active(knowledge_base) == old


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperationalError("server closed the connection"), "database_unavailable"),
        (InterfaceError("connection already closed"), "database_unavailable"),
        (OSError(errno.ENOSPC, "no space left"), "disk_full"),
    ],
)
def test_a_database_or_disk_that_is_away_leaves_the_build_waiting(
    knowledge_base: KnowledgeBase,
    indexed: MakeVersion,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
) -> None:
    indexed("Good sleep.")
    build = request(alice, knowledge_base)
    with monkeypatch.context() as broken:
        broken.setattr(rebuilding, "store", Mock(side_effect=error))
        assert not rebuilding.continue_build(build.pk)
    build.refresh_from_db()
    assert (build.state, build.error_code, build.lost_attempts) == (State.WAITING, code, 0)
    assert not rebuilding.continue_build(build.pk)
    assert active(knowledge_base) == build.generation


def test_a_defect_of_ours_fails_the_build_and_is_raised(
    knowledge_base: KnowledgeBase,
    indexed: MakeVersion,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    indexed("Good sleep.")
    old = active(knowledge_base)
    build = request(alice, knowledge_base)
    monkeypatch.setattr(rebuilding, "store", Mock(side_effect=KeyError("ours")))
    with pytest.raises(KeyError):
        rebuilding.continue_build(build.pk)
    build.refresh_from_db()
    assert (build.state, build.error_code) == (State.FAILED, "internal_build")
    assert build.error_detail == "KeyError"
    assert active(knowledge_base) == old
    assert request(alice, knowledge_base).state == State.WAITING, "it blocks no other"


def test_a_build_whose_index_was_removed_fails_with_a_remedy_and_blocks_no_other(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User
) -> None:
    indexed("Good sleep.")
    build = request(alice, knowledge_base)
    IndexGeneration.objects.get(builds=build).delete()
    assert not rebuilding.continue_build(build.pk)
    build.refresh_from_db()
    assert (build.state, build.error_code) == (State.FAILED, "index_gone")
    assert "removed" in explain(build.error_code).sentence
    assert request(alice, knowledge_base).state == State.WAITING


def test_an_index_that_a_build_needs_is_not_discarded(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User, run_tasks: RunTasks
) -> None:
    indexed("Good sleep.")
    old = active(knowledge_base)
    with run_tasks():
        request(alice, knowledge_base)
    back = reindexing.request_return(actor=alice, base=knowledge_base)
    generations.discard(old.pk)
    assert generations.generation_before(knowledge_base) == old
    assert not rebuilding.continue_build(back.pk)
    generations.discard(old.pk)
    assert active(knowledge_base) == old, "nor one that is searched"
    before = generations.generation_before(knowledge_base)
    assert before is not None
    generations.discard(before.pk)
    assert IndexGeneration.objects.get() == old
    generations.discard(before.pk)


def test_a_paused_knowledge_base_is_not_built(knowledge_base: KnowledgeBase, alice: User) -> None:
    build = request(alice, knowledge_base)
    KnowledgeBase.objects.update(is_paused=True)
    assert builds.claim(build.pk) is None
    IndexBuild.objects.update(created_at=timezone.now() - 2 * builds.RING_AGAIN_AFTER)
    assert builds.unheard() == []
    KnowledgeBase.objects.update(is_paused=False)
    assert builds.unheard() == [build.pk]
    assert builds.claim(build.pk)


# ---- the way back --------------------------------------------------------------------------------
def test_going_back_brings_in_what_has_changed_since(
    knowledge_base: KnowledgeBase,
    indexed: MakeVersion,
    alice: User,
    run_tasks: RunTasks,
) -> None:
    kept, edited = indexed("Good sleep.", "kept.md"), indexed("Tea is fine.", "tea.md")
    replaced, gone = indexed("Old milk.", "milk.md"), indexed("Secret juice.", "juice.md")
    old = active(knowledge_base)
    unchanged = old.chunks.get(version=kept).pk
    with run_tasks():
        request(alice, knowledge_base, embedder="none")
        chunk_of = Chunk.objects.visible_to(alice)
    with run_tasks():
        curating.edit_chunk(
            actor=alice, chunk=chunk_of.get(version=edited), text="Tea keeps you awake."
        )
    indexed("New milk.", "milk.md", replaced.document)
    indexed("A late document.", "late.md")
    curating.delete_document(actor=alice, document=gone.document)
    assert purging.purge_document(actor=alice, document=gone.document)
    assert AuditEvent.objects.filter(action="index.return").count() == 0
    with run_tasks():
        build = reindexing.request_return(actor=alice, base=knowledge_base)
        assert active(knowledge_base) != old
    build.refresh_from_db()
    assert (build.state, build.kind) == (State.DONE, IndexBuild.Kind.RETURN)
    assert active(knowledge_base) == old
    assert knowledge_base.embedder == ""
    assert sorted(old.chunks.values_list("text", flat=True)) == [
        "A late document.",
        "Good sleep.",
        "New milk.",
        "Tea keeps you awake.",
    ]
    assert old.chunks.get(version=kept).pk == unchanged, "what did not change is not made again"
    assert ChunkEmbedding.objects.filter(generation=old).count() == 4
    assert found(alice, knowledge_base, "awake")


def test_the_index_before_is_kept_until_the_next_change_or_for_some_days(
    knowledge_base: KnowledgeBase,
    indexed: MakeVersion,
    alice: User,
    run_tasks: RunTasks,
    settings: Settings,
) -> None:
    indexed("Good sleep.")
    first = active(knowledge_base)
    with pytest.raises(ValidationError, match="not kept"):
        reindexing.request_return(actor=alice, base=knowledge_base)
    with run_tasks():
        request(alice, knowledge_base)
    second = active(knowledge_base)
    assert generations.generation_before(knowledge_base) == first
    with run_tasks():
        request(alice, knowledge_base, max_tokens=90)
    assert generations.generation_before(knowledge_base) == second
    assert not IndexGeneration.objects.filter(pk=first.pk).exists()
    settings.RAGSITE_KEEP_INDEX_DAYS = 2
    IndexGeneration.objects.filter(pk=second.pk).update(
        retired_at=timezone.now() - timedelta(days=3)
    )
    build = reindexing.request_return(actor=alice, base=knowledge_base)
    assert rebuilding.superfluous() == [], "somebody is on the way back to it"
    reindexing.cancel_build(actor=alice, base=knowledge_base)
    assert rebuilding.superfluous() == [second.pk]
    with run_tasks():
        tasks.refresh_statistics()
    assert IndexGeneration.objects.get() == active(knowledge_base)
    build.refresh_from_db()
    assert build.generation is None


def test_one_cannot_go_back_to_a_model_that_is_not_configured_any_more(
    knowledge_base: KnowledgeBase,
    indexed: MakeVersion,
    alice: User,
    run_tasks: RunTasks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    indexed("Good sleep.")
    with run_tasks():
        request(alice, knowledge_base, embedder="none")
    present = active(knowledge_base)
    for module in (rebuilding, indexing):
        monkeypatch.setattr(module, "get_embedder", SmallEmbedder)
    with run_tasks():
        build = reindexing.request_return(actor=alice, base=knowledge_base)
    build.refresh_from_db()
    assert (build.state, build.error_code) == (State.FAILED, "model_changed")
    assert active(knowledge_base) == present
    assert generations.generation_before(knowledge_base) is not None


def test_a_document_processed_again_while_the_index_is_built_is_built_anew(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User
) -> None:
    version = indexed("Good sleep.")
    build = request(alice, knowledge_base)
    assert build.generation is not None
    held = builds.claim(build.pk)
    assert held is not None
    work = rebuilding._opened(held, lambda done: None)
    rebuilding._index(version, work)
    assert build.generation.chunks.count() == 1
    DocumentVersion.objects.update(state=DocumentVersion.State.PENDING, indexed_fingerprint="")
    index_document(version.pk)
    assert build.generation.chunks.count() == 0
    held.give_back()
    assert not rebuilding.continue_build(build.pk)
    assert active(knowledge_base) == build.generation
    assert build.generation.chunks.count() == 1
    assert Document.objects.count() == 1


def test_a_wish_to_process_again_is_not_lost_to_a_build(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User
) -> None:
    version = indexed("Good sleep.")
    build = request(alice, knowledge_base)
    assert claims.wait_again([version.pk]) == [version.pk]
    assert not rebuilding.continue_build(build.pk)
    assert active(knowledge_base) == build.generation
    assert index_document(version.pk) == build.generation_id, "it is processed, not found done"


# ---- a new title, with other indexes beside ------------------------------------------------------
def test_a_new_title_reaches_what_is_searched_also_when_the_model_before_is_away(
    knowledge_base: KnowledgeBase,
    indexed: MakeVersion,
    alice: User,
    small: SmallEmbedder,
    run_tasks: RunTasks,
) -> None:
    indexed("Good sleep.")
    with run_tasks():
        request(alice, knowledge_base, embedder="small")
    old = active(knowledge_base)
    with run_tasks():
        request(alice, knowledge_base)
    kept_vector = ChunkEmbedding.objects.get(generation=old).embedding
    small.error = ModelUnavailable("no route")
    with run_tasks():
        retitle(alice, "Nightcaps")
    new = active(knowledge_base)
    assert found(alice, knowledge_base, "nightcap")
    assert not new.chunks.filter(is_stale=True).exists()
    assert old.chunks.filter(is_stale=True).count() == 1, "made anew on the way back to it"
    assert indexing.stale_chunks() == []
    assert ChunkEmbedding.objects.get(generation=old).embedding == kept_vector
    small.error = None
    with run_tasks():
        reindexing.request_return(actor=alice, base=knowledge_base)
    assert active(knowledge_base) == old
    assert found(alice, knowledge_base, "nightcap")
    assert not old.chunks.filter(is_stale=True).exists()
    assert ChunkEmbedding.objects.get(generation=old).embedding != kept_vector


def test_without_its_model_a_new_title_is_searched_by_words_and_the_vectors_wait(
    knowledge_base: KnowledgeBase,
    indexed: MakeVersion,
    alice: User,
    run_tasks: RunTasks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    indexed("Good sleep.")
    present = active(knowledge_base)
    before = ChunkEmbedding.objects.get().embedding
    with monkeypatch.context() as changed:
        for module in (generations, indexing):
            changed.setattr(module, "get_embedder", SmallEmbedder)
        with run_tasks():
            retitle(alice, "Nightcaps")
        assert indexing.stale_chunks() == []
    assert found(alice, knowledge_base, "nightcap")
    assert ChunkEmbedding.objects.get().embedding == before
    assert indexing.stale_chunks() == [present.chunks.get().pk]
    with monkeypatch.context() as broken:
        broken.setattr(indexing, "embedder_of", Mock(side_effect=ModelUnavailable("no route")))
        assert indexing.stale_chunks() == []
    with run_tasks():
        tasks.requeue_expired()
    assert ChunkEmbedding.objects.get().embedding != before
    assert indexing.stale_chunks() == []
