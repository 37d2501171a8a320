"""One question from beginning to end, with fakes for what touches the world."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from inference.errors import ModelUnavailable
from inference.ports import ChatMessage
from qa.events import Event, Ranked, Stage, Stopped, Token, from_json
from qa.pipeline import answer, drive
from qa.types import AnswerDraft, PipelineConfig
from tests.unit.qa.builders import (
    ListRetriever,
    ScriptedChatModel,
    ScriptedReranker,
    passage,
)

if TYPE_CHECKING:
    from qa.types import Ranking

QUESTION = "How can I sleep better?"
PAPER = passage("Neurobiology of sleep disorders.", chunk_id=1, cosine=0.5)
TIPS = passage("To sleep better, keep the bedroom dark.", chunk_id=2, cosine=0.5)
PEARS = passage("Pears are a fruit.", chunk_id=3, cosine=0.5)


class Run:
    """Drives the pipeline and keeps everything that it did, in order."""

    def __init__(self, question: str = QUESTION, **overrides: Any) -> None:
        self.log: list[object] = []
        self.ranking: Ranking | None = None
        self.retriever: ListRetriever = overrides.pop(
            "retriever", ListRetriever([PAPER, TIPS, PEARS])
        )
        arguments: dict[str, Any] = {
            "reranker": ScriptedReranker(lambda text: 3.0 if "dark" in text else 0.0),
            "chat_model": ScriptedChatModel(["Keep it dark. ", "[1][7]"]),
            "config": PipelineConfig(),
            "today": date(2026, 6, 1),
            "history": (),
        } | overrides
        history = arguments.pop("history")
        self.draft: AnswerDraft = drive(
            answer(
                question,
                history,
                retriever=self.retriever,
                on_ranked=self._on_ranked,
                **arguments,
            ),
            self.log.append,
        )

    def _on_ranked(self, ranking: Ranking) -> None:
        self.ranking = ranking
        self.log.append("ranking saved")

    @property
    def events(self) -> list[Event]:
        return [each for each in self.log if not isinstance(each, str)]  # type: ignore[misc]


def test_the_stages_come_in_order_and_the_ranking_is_saved_before_a_word_is_written() -> None:
    run = Run()
    assert [each.kind if not isinstance(each, str) else each for each in run.log] == [  # type: ignore[attr-defined]
        "stage", "stage", "ranking saved", "ranked", "stage", "token", "token", "stage",
    ]  # fmt: skip
    assert [each.name for each in run.events if isinstance(each, Stage)] == [
        "recall", "rank", "generate", "cite",
    ]  # fmt: skip


def test_the_draft_holds_clean_text_and_resolved_citations() -> None:
    draft = Run().draft
    assert draft.text == "Keep it dark. [1]"
    (citation,) = draft.citations
    assert citation.chunk_id == TIPS.chunk_id
    assert citation.marker == 1
    assert draft.generator == "scripted-chat"
    assert not draft.no_evidence
    assert {"recall", "lexical", "rerank", "score", "generate", "first_token", "cite"} <= set(
        draft.timings_ms
    )


def test_a_source_that_the_model_was_not_shown_cannot_be_cited() -> None:
    found = ListRetriever([passage("A dark room helps sleep. " * 12, chunk_id=n) for n in (1, 2)])
    run = Run(
        retriever=found,
        reranker=ScriptedReranker(lambda _: 2.0),
        chat_model=ScriptedChatModel(["Dark. [1][2]"]),
        config=replace(PipelineConfig(), context_tokens=90),
    )
    assert run.draft.text == "Dark. [1]"


def test_the_ranked_event_tells_ids_and_counts_but_no_text() -> None:
    (ranked,) = [each for each in Run().events if isinstance(each, Ranked)]
    assert ranked.summary["sources"] == [2, 1]
    assert ranked.summary["reranked"] is True
    assert "Neurobiology" not in ranked.to_json()
    assert from_json(ranked.to_json()) == ranked


def test_recall_is_asked_for_as_many_passages_as_are_ranked() -> None:
    run = Run(config=replace(PipelineConfig(), candidates=7))
    assert run.retriever.asked == [(QUESTION, 7)]


def test_without_a_chat_model_the_answer_is_made_of_the_sources() -> None:
    run = Run(chat_model=None)
    assert run.draft.text == "To sleep better, keep the bedroom dark. [1]"
    assert run.draft.generator == "extractive"
    assert run.draft.reasons == ("chat_model_none",)
    assert [each.verdict for each in run.draft.citations] == ["supported"]


def test_reasons_of_all_stages_are_kept_in_order() -> None:
    run = Run(
        reranker=ScriptedReranker(error=ModelUnavailable()),
        chat_model=ScriptedChatModel(error=ModelUnavailable()),
    )
    assert run.draft.reasons == ("rerank_unavailable", "chat_model_unavailable")
    assert run.draft.text


class TestNoEvidence:
    def test_candidates_below_the_floor_give_no_answer_but_are_shown(self) -> None:
        model = ScriptedChatModel(["invented"])
        run = Run(reranker=ScriptedReranker(lambda _: -5.0), chat_model=model)
        assert run.draft.no_evidence
        assert (run.draft.text, run.draft.citations, run.draft.generator) == ("", (), "")
        assert run.draft.reasons == ("no_evidence",)
        assert run.ranking is not None
        assert len(run.ranking.candidates) == 2
        assert model.received == []

    def test_nothing_recalled_gives_no_answer(self) -> None:
        run = Run("What is quantum chromodynamics?")
        assert run.draft.no_evidence
        assert run.ranking is not None
        assert run.ranking.candidates == ()

    def test_sources_without_a_usable_statement_give_no_answer(self) -> None:
        run = Run(chat_model=None, retriever=ListRetriever([passage("Sleep better?")]))
        assert run.draft.no_evidence
        assert run.draft.reasons == ("chat_model_none", "no_evidence")


class TestFollowUps:
    HISTORY = (ChatMessage("user", "Which fruit is good?"), ChatMessage("assistant", "Pears."))

    def test_search_and_reranker_get_the_standalone_question(self) -> None:
        reranker = ScriptedReranker()
        run = Run("And at night?", history=self.HISTORY, reranker=reranker)
        assert run.retriever.asked[0][0] == "Which fruit is good? And at night?"
        assert reranker.calls[0][0] == "Which fruit is good? And at night?"

    def test_the_model_gets_the_question_as_asked_and_the_history(self) -> None:
        model = ScriptedChatModel(["Yes."])
        Run("And at night?", history=self.HISTORY, chat_model=model)
        (messages,) = model.received
        assert [each.role for each in messages] == ["system", "user", "assistant", "user"]
        assert "<question>\nAnd at night?\n</question>" in messages[-1].content


class TestStopping:
    @pytest.mark.parametrize(
        ("checks", "kinds", "saved"),
        [
            (0, ["stage", "stopped"], False),
            (1, ["stage", "stage", "stopped"], False),
            (2, ["stage", "stage", "ranked", "stopped"], True),
            (3, ["stage", "stage", "ranked", "stage", "stopped"], True),
            (4, ["stage", "stage", "ranked", "stage", "token", "stopped"], True),
        ],
    )
    def test_stopped_is_the_last_event_wherever_it_happens(
        self, checks: int, kinds: list[str], saved: bool
    ) -> None:
        asked = iter(range(100))
        run = Run(should_stop=lambda: next(asked) >= checks)
        assert [each.kind for each in run.events] == kinds
        assert isinstance(run.events[-1], Stopped)
        assert (run.ranking is not None) == saved
        assert not run.draft.no_evidence

    def test_what_came_before_is_kept_with_its_citations(self) -> None:
        asked = iter(range(100))
        model = ScriptedChatModel(["Keep it dark. [1] ", "More"])
        run = Run(should_stop=lambda: next(asked) >= 4, chat_model=model)
        assert run.draft.text == "Keep it dark. [1]"
        assert [each.marker for each in run.draft.citations] == [1]
        assert Token("More") not in run.events


def test_a_retriever_that_fails_is_the_callers_to_handle() -> None:
    class Broken(ListRetriever):
        def recall(self, question: str, limit: int) -> Any:
            raise ModelUnavailable

    with pytest.raises(ModelUnavailable):
        Run(retriever=Broken([]))
