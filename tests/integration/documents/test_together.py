"""Small documents of one knowledge base are processed together, each with an end of its own."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.utils import timezone

from documents import claims, indexing, joint_claims, setbacks, storing, together, turns
from documents.claims import Claim
from documents.models import (
    Chunk,
    ChunkEmbedding,
    Document,
    DocumentVersion,
    KnowledgeBase,
    ParsedText,
    ProcessingStage,
)
from documents.parsing.base import ParseError
from inference.errors import InvalidModelResponse, ModelUnavailable
from inference.fake import FakeEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    MakeVersion = Callable[..., DocumentVersion]

State = DocumentVersion.State


class Counting(FakeEmbedder):
    """Notes how many texts it is given at once; fails on those with ``word``, in ``error``."""

    def __init__(self, word: str = "", error: Exception | None = None) -> None:
        super().__init__()
        self.calls: list[int] = []
        self._word, self._error = word, error

    def embed_passages(self, texts: Sequence[str]) -> Any:
        self.calls.append(len(texts))
        if self._error is not None and any(self._word in text for text in texts):
            raise self._error
        return super().embed_passages(texts)


@pytest.fixture
def three(waiting: MakeVersion) -> list[DocumentVersion]:
    return [waiting(f"# {name}\n\n{name} is fine.", f"{name}.md") for name in ("Tea", "Rum", "Ale")]


def use(monkeypatch: pytest.MonkeyPatch, embedder: FakeEmbedder) -> None:
    for place in (together, indexing):
        monkeypatch.setattr(place, "get_embedder", lambda: embedder)


def states() -> list[str]:
    return list(DocumentVersion.objects.order_by("pk").values_list("state", flat=True))


def test_small_documents_are_embedded_in_one_call_and_each_is_ready_once(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Counting()
    use(monkeypatch, embedder)
    processed = together.index_next()
    assert processed is not None
    assert embedder.calls == [3]
    for version in three:
        version.refresh_from_db()
        document = version.document
        assert (version.state, version.attempt, version.language) == (State.READY, 1, "en")
        assert (document.current_version, document.title) == (version, version.filename[:-3])
        assert version.metadata["passages"] == version.metadata["embedded"] == 1
        assert version.progress_done == version.progress_total == 1
        chunk = Chunk.objects.get(version=version)
        assert version.filename[:-3] in chunk.text
        assert ParsedText.objects.get(version=version).text[chunk.start : chunk.end] == chunk.text
        assert ChunkEmbedding.objects.get(chunk=chunk).space == chunk.generation.space
    assert together.index_next() is None


def test_what_is_processed_together_is_indexed_as_it_is_alone(
    waiting: MakeVersion, three: list[DocumentVersion]
) -> None:
    together.index_next()
    row = Chunk.objects.get(version=three[0])
    vector = vector_of(row)
    mark = DocumentVersion.objects.get(pk=three[0].pk).indexed_fingerprint
    claims.wait_again([three[0].pk])
    indexing.index_document(three[0].pk)
    again = Chunk.objects.get(version=three[0])
    for name in ("text", "start", "end", "term_frequencies", "readability", "token_count"):
        assert getattr(again, name) == getattr(row, name)
    assert np.allclose(vector_of(again), vector)
    assert DocumentVersion.objects.get(pk=three[0].pk).indexed_fingerprint == mark != ""


def test_a_date_in_a_text_becomes_its_documents_own(
    waiting: MakeVersion, three: list[DocumentVersion]
) -> None:
    dated = waiting("# Guide\n\nPublished 2024-05-01\n\nSleep well.", "guide.md")
    together.index_next()
    documents = Document.objects.order_by("pk").values_list("pk", "effective_date", "expires_at")
    assert list(documents) == [
        *((version.document_id, None, None) for version in three),
        (dated.document_id, date(2024, 5, 1), None),
    ]


def test_each_stage_of_each_is_on_record(three: list[DocumentVersion]) -> None:
    together.index_next()
    for version in three:
        stages = ProcessingStage.objects.filter(version=version).order_by("pk")
        assert [stage.stage for stage in stages] == ["parse", "chunk", "embed", "index"]
        assert {stage.state for stage in stages} == {"done"}
        assert all(stage.finished_at and stage.attempt == 1 for stage in stages)
        assert stages[2].progress_done == stages[2].progress_total == 1


def vector_of(chunk: Chunk) -> np.ndarray:
    return np.array(chunk.embeddings.get().embedding)


# ---- one that is not as the others ---------------------------------------------------------------
@pytest.mark.parametrize(("text", "code", "stage"), [("", "empty", "parse"), (" \n ", "", "")])
def test_a_file_that_cannot_be_read_fails_alone(
    waiting: MakeVersion, three: list[DocumentVersion], text: str, code: str, stage: str
) -> None:
    bad = waiting(text, "bad.md")
    together.index_next()
    bad.refresh_from_db()
    assert states() == [State.READY] * 3 + [State.FAILED]
    assert bad.error_code in {code, "empty", "no_text"}
    failed = ProcessingStage.objects.get(state="failed")
    assert failed.version == bad
    assert not stage or failed.stage == stage


def test_a_text_that_the_model_fails_on_fails_its_own_document_only(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Counting("Rum", InvalidModelResponse("odd")))
    together.index_next()
    assert states() == [State.READY, State.FAILED, State.READY]
    assert Chunk.objects.count() == ChunkEmbedding.objects.count() == 2


def test_a_model_that_is_away_lets_all_wait_and_is_asked_once(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Counting("", ModelUnavailable("no route"))
    use(monkeypatch, embedder)
    together.index_next()
    assert embedder.calls == [3]
    assert states() == [State.PENDING] * 3
    assert set(DocumentVersion.objects.values_list("postponements", flat=True)) == {1}


def test_a_defect_in_what_is_done_for_all_is_raised_after_each_is_ready_alone(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> object:
        raise KeyError("x")

    monkeypatch.setattr(together, "_write", broken)
    with pytest.raises(KeyError):
        together.index_next()
    assert states() == [State.READY] * 3
    assert Chunk.objects.count() == 3


def test_a_reader_that_is_killed_costs_its_own_version_a_loss(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = indexing.read

    def killed(version: DocumentVersion, cancelled: Callable[[], bool]) -> object:
        if version.pk == three[1].pk:
            raise ParseError(setbacks.KILLED)
        return read(version, cancelled)

    monkeypatch.setattr(together, "read", killed)
    together.index_next()
    assert states() == [State.READY, State.PENDING, State.READY]
    assert DocumentVersion.objects.get(pk=three[1].pk).lost_attempts == 1


def test_a_small_file_that_unfolds_to_a_long_text_is_processed_by_itself(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Counting()
    use(monkeypatch, embedder)
    monkeypatch.setattr(together, "LONGEST_TEXT", len("Tea\n\nTea is fine.") + 1)
    with Path(three[1].original.path).open("a", encoding="utf-8") as file:
        file.write("\n\nIt is strong.")
    together.index_next()
    assert states() == [State.READY] * 3
    assert embedder.calls == [2, 1]


# ---- what happens meanwhile ----------------------------------------------------------------------
def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let ``act`` happen between embedding and the swap."""
    ids = storing.ids_of_terms

    def acting(*args: Any) -> Any:
        act()
        return ids(*args)

    monkeypatch.setattr(together, "ids_of_terms", acting)


def test_one_that_is_called_off_meanwhile_stays_so_and_the_others_are_ready(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    only = DocumentVersion.objects.filter(pk=three[1].pk)
    meanwhile(monkeypatch, lambda: claims.call_off(only))
    together.index_next()
    assert states() == [State.READY, State.CANCELLED, State.READY]
    assert not Chunk.objects.filter(version=three[1]).exists()


def test_one_that_another_worker_has_by_now_is_not_written(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    only = DocumentVersion.objects.filter(pk=three[1].pk)
    meanwhile(monkeypatch, lambda: only.update(attempt=2, state=State.EMBEDDING))
    together.index_next()
    assert states() == [State.READY, State.EMBEDDING, State.READY]
    assert not Chunk.objects.filter(version=three[1]).exists()
    assert Document.objects.get(pk=three[1].document_id).current_version is None


def test_one_whose_title_changed_meanwhile_is_made_anew_under_it(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    only = Document.objects.filter(pk=three[1].document_id)
    meanwhile(monkeypatch, lambda: only.update(title="House rules"))
    together.index_next()
    assert states() == [State.READY] * 3
    assert only.get().title == "House rules"


def test_one_whose_document_was_deleted_meanwhile_is_cancelled(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    only = Document.objects.filter(pk=three[1].document_id)
    meanwhile(monkeypatch, lambda: only.update(deleted_at=timezone.now()))
    together.index_next()
    assert states() == [State.READY, State.CANCELLED, State.READY]


def test_two_versions_of_a_document_leave_the_newer_one_in_use(
    waiting: MakeVersion, three: list[DocumentVersion]
) -> None:
    newer = waiting("# Tea\n\nTea is bad.", "Tea2.md", three[0].document)
    together.index_next()
    assert states() == [State.READY] * 4
    assert Document.objects.get(pk=newer.document_id).current_version == newer
    texts = Chunk.objects.filter(document=newer.document_id).values_list("text", flat=True)
    assert len(texts) == 1
    assert "bad" in texts[0]


def test_signs_of_life_are_left_for_all_and_a_lost_one_is_let_go(
    three: list[DocumentVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "CANCELLATION_CHECK_S", 0)
    read = indexing.read
    asked: list[bool] = []

    def call_off(version: DocumentVersion, cancelled: Callable[[], bool]) -> object:
        claims.call_off(DocumentVersion.objects.filter(pk__in=[three[0].pk, three[2].pk]))
        asked.append(cancelled())
        if asked[-1]:
            raise ParseError("cancelled")
        return read(version, cancelled)

    monkeypatch.setattr(together, "read", call_off)
    together.index_next()
    assert asked == [True, False], "the third is not begun"
    assert states() == [State.CANCELLED, State.READY, State.CANCELLED]


# ---- who is taken together -----------------------------------------------------------------------
def test_one_of_another_base_that_waits_is_not_kept_waiting(
    waiting: MakeVersion, three: list[DocumentVersion]
) -> None:
    other = KnowledgeBase.objects.create(name="Law", slug="law")
    lonely = waiting("# Law\n\nLaw is fine.", "law.md")
    Document.objects.filter(pk=lonely.document_id).update(knowledge_base=other)
    DocumentVersion.objects.filter(pk=lonely.pk).update(knowledge_base=other)
    together.index_next()
    together.index_next()
    lonely.refresh_from_db()
    assert lonely.state == State.READY
    assert states().count(State.PENDING) == 2


@pytest.mark.parametrize(
    "odd",
    [
        {"size": turns.SMALL_BYTES + 1},
        {"lost_attempts": 1},
        {"media_type": "application/pdf"},
        {"indexed_fingerprint": "x"},
    ],
)
def test_large_slow_and_unlucky_ones_are_processed_by_themselves(
    three: list[DocumentVersion], odd: dict[str, object]
) -> None:
    only = DocumentVersion.objects.filter(pk=three[1].pk)
    only.update(**odd)
    first = turns.claim_next()
    assert first == Claim(three[0].pk, 1)
    assert turns.claim_beside(first) == [Claim(three[2].pk, 1)]
    alone = turns.claim_next()
    assert alone == Claim(three[1].pk, 1)
    assert turns.claim_beside(alone) == []


def test_a_paused_base_gives_none(three: list[DocumentVersion]) -> None:
    first = turns.claim_next()
    assert first is not None
    KnowledgeBase.objects.update(is_paused=True)
    assert turns.claim_beside(first) == []
    assert joint_claims.claim_all([version.pk for version in three]) == []


def test_claims_of_several_attempts_hold_each_by_its_own(three: list[DocumentVersion]) -> None:
    DocumentVersion.objects.filter(pk=three[1].pk).update(attempt=4)
    first = turns.claim_next()
    assert first is not None
    held = [first, *turns.claim_beside(first)]
    assert held == [Claim(three[0].pk, 1), Claim(three[1].pk, 5), Claim(three[2].pk, 1)]
    assert joint_claims.beat_all(held) == held
    stale = [Claim(three[0].pk, 1), Claim(three[1].pk, 1), Claim(three[2].pk, 5)]
    assert joint_claims.beat_all(stale) == stale[:1]
