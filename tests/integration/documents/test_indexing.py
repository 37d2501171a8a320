from __future__ import annotations

import errno
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError
from psycopg.errors import DiskFull

from documents import claims, indexing, parsed
from documents.curating import edit_chunk, set_chunk_enabled
from documents.indexing import index_document, reindex_chunk
from documents.models import (
    Chunk,
    ChunkEmbedding,
    Document,
    DocumentVersion,
    ParsedText,
    ProcessingStage,
)
from documents.parsing.base import ParseError
from documents.problems import explain
from documents.retrieval import search_lexical, search_tokens
from documents.storing import passages_of
from inference.errors import InvalidModelResponse, ModelUnavailable
from inference.fake import FakeEmbedder
from inference.ports import EmbeddingRecipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from documents.models import KnowledgeBase
    from documents.storing import Passage
    from documents.types import ChunkDraft

    MakeVersion = Callable[..., DocumentVersion]

State = DocumentVersion.State
GUIDE = """# Sleeping well

Published 2024-05-01

## Evening

Avoid coffee after lunch, and keep the bedroom dark.

## Morning

Get up at the same hour every day.
"""


class EnglishEmbedder(FakeEmbedder):
    """Reads English only, and notes what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    @property
    def recipe(self) -> EmbeddingRecipe:
        return EmbeddingRecipe(
            provider="fake", model="english", revision="1", dimension=384, languages=("en",)
        )

    def embed_passages(self, texts: object) -> np.ndarray:
        self.texts.extend(texts)  # type: ignore[arg-type]
        return super().embed_passages(texts)  # type: ignore[arg-type]


class FailingEmbedder(FakeEmbedder):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def embed_passages(self, texts: object) -> np.ndarray:
        raise self.error


def full_database() -> OperationalError:
    error = OperationalError("could not extend file")
    error.__cause__ = DiskFull("could not extend file")
    return error


@pytest.fixture
def use_embedder(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    return lambda embedder: monkeypatch.setattr(indexing, "get_embedder", lambda: embedder)


# ---- the whole way -------------------------------------------------------------------------------
def test_a_document_becomes_searchable(
    indexed: MakeVersion, bob: User, knowledge_base: KnowledgeBase
) -> None:
    version = indexed(GUIDE, "guide.md")
    document = Document.objects.get(pk=version.document_id)
    assert (version.state, version.error_code, version.attempt) == (State.READY, "", 1)
    assert version.finished_at is not None
    assert version.language == "en"
    assert document.current_version == version
    assert document.title == "Sleeping well"
    assert document.effective_date == date(2024, 5, 1)
    hits = search_lexical(bob, [knowledge_base], search_tokens("coffee after lunch"), 5)
    assert [hit.document_id for hit in hits] == [document.pk]


def test_passages_are_spans_of_the_text_that_is_kept(indexed: MakeVersion) -> None:
    version = indexed(GUIDE)
    text = ParsedText.objects.get(version=version).text
    chunks = Chunk.objects.filter(version=version)
    assert chunks
    for chunk in chunks:
        assert text[chunk.start : chunk.end] == chunk.generated_text == chunk.text
        assert 0 <= chunk.readability <= 1
        assert chunk.term_count == sum(chunk.term_frequencies.values()) > 0
        assert chunk.embeddings.get().space == chunk.generation.space


def test_what_was_parsed_comes_back_as_it_was(indexed: MakeVersion) -> None:
    version = indexed(GUIDE)
    kept = parsed.recall(version)
    assert kept is not None
    assert [kept.text[b.start : b.end] for b in kept.blocks if b.kind == "heading"] == [
        "Sleeping well",
        "Evening",
        "Morning",
    ]
    assert all(isinstance(block.heading_path, tuple) for block in kept.blocks)


def test_each_stage_is_on_record(indexed: MakeVersion) -> None:
    version = indexed(GUIDE)
    stages = ProcessingStage.objects.filter(version=version).order_by("pk")
    assert [stage.stage for stage in stages] == ["parse", "chunk", "embed", "index"]
    assert {stage.state for stage in stages} == {"done"}
    assert all(stage.finished_at for stage in stages)
    embed = stages[2]
    assert embed.progress_done == embed.progress_total == version.chunks.count()


def test_a_title_that_a_curator_gave_stays(waiting: MakeVersion) -> None:
    version = waiting(GUIDE, "guide.md")
    Document.objects.update(title="House rules", effective_date=date(2020, 1, 1))
    index_document(version.pk)
    document = Document.objects.get()
    assert (document.title, document.effective_date) == ("House rules", date(2020, 1, 1))


def test_a_file_name_with_underscores_gives_way_to_the_title_in_the_file(
    waiting: MakeVersion,
) -> None:
    version = waiting(GUIDE, "sleep_guide_v2.md")
    Document.objects.update(title="sleep guide v2")
    index_document(version.pk)
    assert Document.objects.get().title == "Sleeping well"


# ---- what is wrong with a file -------------------------------------------------------------------
def test_an_empty_file_fails_with_its_own_sentence(
    indexed: MakeVersion, bob: User, knowledge_base: KnowledgeBase
) -> None:
    good = indexed(GUIDE, "good.md")
    bad = indexed("", "empty.md")
    good.refresh_from_db()
    assert (bad.state, bad.error_code) == (State.FAILED, "empty")
    assert explain("empty").sentence != explain("crashed").sentence
    assert good.state == State.READY
    assert not bad.chunks.exists()
    stage = ProcessingStage.objects.get(version=bad)
    assert (stage.state, stage.error_code) == ("failed", "empty")


def test_text_of_nothing_but_blanks_fails(indexed: MakeVersion) -> None:
    assert indexed(" \n\n \t\n").error_code in {"empty", "no_text"}


def test_a_lost_original_fails_and_says_so(waiting: MakeVersion) -> None:
    version = waiting(GUIDE)
    Path(version.original.path).unlink()
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.FAILED, "missing_original")


def test_a_failed_new_version_leaves_the_old_one_in_use(indexed: MakeVersion) -> None:
    first = indexed(GUIDE)
    second = indexed("", document=first.document)
    assert second.state == State.FAILED
    assert Document.objects.get().current_version == first
    assert first.chunks.exists()


@pytest.mark.parametrize("code", ["encrypted", "truncated", "mislabelled", "timeout", "memory"])
def test_what_the_parser_says_is_stored(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def refuse(*args: object, **kwargs: object) -> object:
        raise ParseError(code, "x" * 900)

    monkeypatch.setattr(indexing, "parse_file", refuse)
    version = waiting(GUIDE)
    assert index_document(version.pk) is None
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.FAILED, code)
    assert version.error_detail == "x" * 500
    assert explain(code) is not explain("no such code")


# ---- doing it again ------------------------------------------------------------------------------
def test_only_a_waiting_version_is_processed(indexed: MakeVersion) -> None:
    version = indexed(GUIDE)
    before = list(version.chunks.values_list("pk", flat=True))
    assert index_document(version.pk) is None
    assert index_document(999_999) is None
    version.refresh_from_db()
    assert version.attempt == 1
    assert list(version.chunks.values_list("pk", flat=True)) == before


def test_a_paused_knowledge_base_keeps_its_versions_waiting(
    waiting: MakeVersion, knowledge_base: KnowledgeBase
) -> None:
    version = waiting(GUIDE)
    type(knowledge_base).objects.update(is_paused=True)
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.attempt) == (State.PENDING, 0)


def test_nothing_is_done_when_nothing_changed(
    indexed: MakeVersion, use_embedder: Callable[[object], None]
) -> None:
    version = indexed(GUIDE)
    before = list(version.chunks.values_list("pk", flat=True))
    DocumentVersion.objects.update(state=State.PENDING)
    use_embedder(FailingEmbedder(ModelUnavailable("must not be asked")))
    assert index_document(version.pk) is None
    version.refresh_from_db()
    assert version.state == State.READY
    assert list(version.chunks.values_list("pk", flat=True)) == before


def test_a_forgotten_fingerprint_makes_new_passages_in_place_of_the_old(
    indexed: MakeVersion,
) -> None:
    version = indexed(GUIDE)
    before = set(version.chunks.values_list("pk", flat=True))
    DocumentVersion.objects.update(state=State.PENDING, indexed_fingerprint="")
    assert index_document(version.pk) == version.chunks.get(ordinal=0).generation_id
    after = set(version.chunks.values_list("pk", flat=True))
    assert len(after) == len(before)
    assert after.isdisjoint(before)


def test_a_new_version_replaces_the_old_one_s_passages(
    indexed: MakeVersion, bob: User, knowledge_base: KnowledgeBase
) -> None:
    first = indexed(GUIDE)
    second = indexed("# Sleeping well\n\nTea is fine.", document=first.document)
    assert Document.objects.get().current_version == second
    assert not first.chunks.exists()
    assert search_lexical(bob, [knowledge_base], search_tokens("coffee"), 5) == []


def test_an_older_version_that_is_ready_later_is_not_used(
    waiting: MakeVersion, indexed: MakeVersion
) -> None:
    old = waiting(GUIDE)
    new = indexed("# New\n\nNew text.", document=old.document)
    index_document(old.pk)
    old.refresh_from_db()
    assert (old.state, old.error_code) == (State.CANCELLED, "superseded")
    assert Document.objects.get().current_version == new


def test_a_document_deleted_meanwhile_gets_no_passages(waiting: MakeVersion) -> None:
    version = waiting(GUIDE)
    Document.objects.update(deleted_at="2026-01-01T00:00Z")
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.CANCELLED, "deleted")
    assert not Chunk.objects.exists()


# ---- a worker that lost its claim ----------------------------------------------------------------
def test_a_worker_given_up_for_dead_changes_nothing(
    waiting: MakeVersion, use_embedder: Callable[[object], None]
) -> None:
    version = waiting(GUIDE)

    class Overtaken(FakeEmbedder):
        def embed_passages(self, texts: object) -> np.ndarray:
            DocumentVersion.objects.update(attempt=2, worker="another")
            return super().embed_passages(texts)  # type: ignore[arg-type]

    use_embedder(Overtaken())
    assert index_document(version.pk) is None
    version.refresh_from_db()
    assert (version.state, version.attempt, version.worker) == (State.EMBEDDING, 2, "another")
    assert not Chunk.objects.exists()


def test_a_cancelled_version_stays_cancelled(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = waiting(GUIDE)

    def cancel(*args: object, **kwargs: object) -> object:
        DocumentVersion.objects.update(state=State.CANCELLED)
        raise ParseError("cancelled")

    monkeypatch.setattr(indexing, "parse_file", cancel)
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.CANCELLED, "")


def test_a_reader_that_was_killed_from_outside_is_a_loss_and_no_fault_of_the_file(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: object, **kwargs: object) -> object:
        raise ParseError("killed")

    monkeypatch.setattr(indexing, "parse_file", killed)
    version = waiting(GUIDE)
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.error_code, version.lost_attempts) == (State.PENDING, "", 1)
    monkeypatch.undo()
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.lost_attempts) == (State.READY, 0)


# ---- what goes wrong around it -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "no space"), "disk_full"),
        (OperationalError("server closed the connection"), "database_unavailable"),
        (full_database(), "disk_full"),
    ],
)
def test_what_is_away_for_a_time_makes_the_version_wait_with_the_reason(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise error

    monkeypatch.setattr(indexing, "parse_file", broken)
    version = waiting(GUIDE)
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.PENDING, code)
    assert version.not_before is not None
    assert (version.lost_attempts, version.postponements) == (0, 1)
    assert explain(code) is not explain("no such code")


@pytest.mark.parametrize("error", [KeyError("x"), PermissionError("x"), MemoryError()])
def test_a_defect_of_ours_fails_the_version_and_is_raised(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise error

    monkeypatch.setattr(indexing, "chunk", broken)
    version = waiting(GUIDE)
    with pytest.raises(type(error)):
        index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.FAILED, "internal")
    assert version.error_detail == type(error).__name__


def test_a_document_that_takes_too_long_in_all_fails_with_the_reason(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*args: object, **kwargs: object) -> object:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(indexing, "chunk", endless)
    version = waiting(GUIDE)
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.FAILED, "timeout")


def test_a_version_called_off_while_it_is_cut_stops(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def called_off(title: str, drafts: list[ChunkDraft], curations: object) -> list[Passage]:
        measured.append(len(drafts))
        claims.call_off(DocumentVersion.objects.all())
        return passages_of(title, drafts, {})

    monkeypatch.setattr(indexing, "CUT_AT_ONCE", 1)
    monkeypatch.setattr(indexing, "passages_of", called_off)
    version = waiting("# One\n\n" + "First words. " * 90 + "\n\n# Two\n\n" + "More. " * 90)
    index_document(version.pk)
    version.refresh_from_db()
    assert measured == [1]
    assert version.state == State.CANCELLED


def test_a_version_called_off_while_it_is_parsed_stops_the_parser_and_stays_so(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def parse(*args: object, cancelled: Callable[[], bool], **kwargs: object) -> object:
        asked.append(cancelled())
        claims.call_off(DocumentVersion.objects.all())
        asked.append(cancelled())
        raise ParseError("cancelled")

    monkeypatch.setattr(indexing, "CANCELLATION_CHECK_S", 0)
    monkeypatch.setattr(indexing, "parse_file", parse)
    version = waiting(GUIDE)
    index_document(version.pk)
    version.refresh_from_db()
    assert asked == [False, True]
    assert (version.state, version.error_code) == (State.CANCELLED, "cancelled")
    assert not Chunk.objects.exists()


# ---- models --------------------------------------------------------------------------------------
def test_a_model_that_is_away_makes_the_version_wait_with_the_reason(
    waiting: MakeVersion, use_embedder: Callable[[object], None]
) -> None:
    version = waiting(GUIDE)
    use_embedder(FailingEmbedder(ModelUnavailable("no route")))
    assert index_document(version.pk) is None
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.PENDING, "model_unavailable")
    assert version.error_detail == "no route"
    use_embedder(FakeEmbedder())
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.error_code, version.postponements) == (State.READY, "", 0)


def test_a_model_that_stays_away_fails_the_version(
    waiting: MakeVersion, use_embedder: Callable[[object], None]
) -> None:
    version = waiting(GUIDE)
    use_embedder(FailingEmbedder(ModelUnavailable("no route")))
    DocumentVersion.objects.update(postponements=claims.MOST_POSTPONEMENTS - 1)
    assert index_document(version.pk) is None
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.FAILED, "model_unavailable")


def test_an_unusable_answer_of_the_model_is_not_asked_for_again(
    waiting: MakeVersion, use_embedder: Callable[[object], None]
) -> None:
    version = waiting(GUIDE)
    use_embedder(FailingEmbedder(InvalidModelResponse("three vectors for two texts")))
    assert index_document(version.pk) is None
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.FAILED, "invalid_model_response")


def test_vectors_that_are_no_numbers_are_refused(
    waiting: MakeVersion, use_embedder: Callable[[object], None]
) -> None:
    class Nan(FakeEmbedder):
        def embed_passages(self, texts: object) -> np.ndarray:
            return super().embed_passages(texts) * np.float32("nan")  # type: ignore[arg-type]

    version = waiting(GUIDE)
    use_embedder(Nan())
    index_document(version.pk)
    version.refresh_from_db()
    assert version.error_code == "invalid_model_response"


def test_without_an_embedder_words_are_enough(
    waiting: MakeVersion,
    use_embedder: Callable[[object], None],
    bob: User,
    knowledge_base: KnowledgeBase,
) -> None:
    version = waiting(GUIDE)
    use_embedder(None)
    index_document(version.pk)
    version.refresh_from_db()
    assert version.state == State.READY
    assert version.metadata["embedded"] == 0
    assert not ChunkEmbedding.objects.exists()
    assert len(search_lexical(bob, [knowledge_base], search_tokens("coffee"), 5)) == 1


def test_text_that_the_model_cannot_read_gets_no_vector(
    waiting: MakeVersion, use_embedder: Callable[[object], None]
) -> None:
    embedder = EnglishEmbedder()
    use_embedder(embedder)
    chinese = waiting("# 改善睡眠\n\n睡前不要喝咖啡，也不要看手机，卧室要保持黑暗和安静。", "zh.md")
    english = waiting(GUIDE, "en.md")
    for version in (chinese, english):
        index_document(version.pk)
    assert not ChunkEmbedding.objects.filter(chunk__version=chinese).exists()
    assert ChunkEmbedding.objects.filter(chunk__version=english).exists()
    assert all("咖啡" not in text for text in embedder.texts)


def test_another_model_does_not_mix_its_vectors_with_the_old_ones(
    indexed: MakeVersion, use_embedder: Callable[[object], None], knowledge_base: KnowledgeBase
) -> None:
    first = indexed(GUIDE)
    use_embedder(EnglishEmbedder())
    second = indexed("# Tea\n\nTea is a drink made of leaves.", "tea.md")
    knowledge_base.refresh_from_db()
    assert knowledge_base.active_generation is not None
    space = knowledge_base.active_generation.space
    assert space is not None
    assert set(ChunkEmbedding.objects.values_list("space", flat=True)) == {space.pk}
    assert second.state == State.READY
    assert not ChunkEmbedding.objects.filter(chunk__version=second).exists()
    assert ChunkEmbedding.objects.filter(chunk__version=first).exists()


# ---- what curators say ---------------------------------------------------------------------------
def test_edits_and_disabled_passages_survive_a_new_index(indexed: MakeVersion, alice: User) -> None:
    version = indexed("# One\n\n" + "First words. " * 90 + "\n\n# Two\n\n" + "Second words. " * 90)
    first, *_, last = version.chunks.order_by("ordinal")
    edit_chunk(actor=alice, chunk=first, text="Corrected words.")
    set_chunk_enabled(actor=alice, chunk=last, enabled=False)
    DocumentVersion.objects.update(state=State.PENDING, indexed_fingerprint="")
    index_document(version.pk)
    first, *_, last = version.chunks.order_by("ordinal")
    assert (first.text, first.is_edited, first.is_enabled) == ("Corrected words.", True, True)
    assert "First words." in first.generated_text
    assert (last.is_edited, last.is_enabled) == (False, False)


def test_an_edit_made_while_the_document_is_indexed_is_not_lost(
    indexed: MakeVersion, alice: User, use_embedder: Callable[[object], None]
) -> None:
    version = indexed(GUIDE)

    class Interrupted(FakeEmbedder):
        calls = 0

        def embed_passages(self, texts: object) -> np.ndarray:
            self.calls += 1
            if self.calls == 1:
                chunk = version.chunks.order_by("ordinal").first()
                assert chunk is not None
                edit_chunk(actor=alice, chunk=chunk, text="Corrected meanwhile.")
            return super().embed_passages(texts)  # type: ignore[arg-type]

    use_embedder(embedder := Interrupted())
    DocumentVersion.objects.update(state=State.PENDING, indexed_fingerprint="")
    index_document(version.pk)
    assert embedder.calls == 2
    assert version.chunks.filter(text="Corrected meanwhile.").exists()


def test_an_edited_passage_is_weighed_and_embedded_anew(
    indexed: MakeVersion, alice: User, bob: User, knowledge_base: KnowledgeBase
) -> None:
    version = indexed(GUIDE)
    chunk = version.chunks.order_by("ordinal").first()
    assert chunk is not None
    old_vector = chunk.embeddings.get().embedding
    edit_chunk(actor=alice, chunk=chunk, text="Zeppelins fly over the lake.")
    reindex_chunk(chunk.pk)
    (hit,) = search_lexical(bob, [knowledge_base], search_tokens("zeppelin"), 5)
    assert hit.chunk_id == chunk.pk
    chunk.refresh_from_db()
    assert "coffe" not in chunk.term_frequencies
    assert list(chunk.embeddings.get().embedding) != list(old_vector)
    assert chunk.term_count == sum(chunk.term_frequencies.values())


def test_a_passage_that_is_gone_is_not_reindexed(knowledge_base: KnowledgeBase) -> None:
    reindex_chunk(999_999)
    assert not ChunkEmbedding.objects.exists()


# ---- dates ---------------------------------------------------------------------------------------
def test_a_document_says_from_when_until_when_it_holds(indexed: MakeVersion) -> None:
    indexed("Effective: 2024-05-01\n\nValid until May 2027\n\nStaff sleep at home.", "rules.txt")
    document = Document.objects.get()
    assert (document.effective_date, document.expires_at) == (date(2024, 5, 1), date(2027, 5, 31))


def test_a_date_that_a_curator_cleared_stays_cleared(indexed: MakeVersion) -> None:
    version = indexed(GUIDE, "guide.md")
    Document.objects.update(effective_date=None)
    DocumentVersion.objects.update(state=State.PENDING, indexed_fingerprint="")
    index_document(version.pk)
    assert Document.objects.get().effective_date is None


def test_a_date_that_nobody_touched_follows_the_file(indexed: MakeVersion) -> None:
    version = indexed(GUIDE, "guide.md")
    Document.objects.update(effective_date=date(2019, 1, 1))
    before = {"effective": "2019-01-01", "expires": None}
    DocumentVersion.objects.update(
        state=State.PENDING, indexed_fingerprint="", metadata={"dates": before}
    )
    index_document(version.pk)
    assert Document.objects.get().effective_date == date(2024, 5, 1)
