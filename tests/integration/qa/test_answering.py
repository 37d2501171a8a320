"""An answer is made once, saved before it is announced, and every failure ends in a state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from inference.errors import ModelUnavailable
from qa import answering, chat, claims, streams
from qa.events import Done, Failed, Ranked, Stopped, Token
from qa.models import Answer, RankedPassage
from qa.ranking import rank
from tests.integration.qa.conftest import QUESTION, document_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from accounts.models import User
    from documents.models import KnowledgeBase
    from inference.ports import ChatMessage
    from qa.events import Event
    from tests.integration.qa.conftest import Ask

pytestmark = pytest.mark.django_db

State = Answer.State


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What the stream was told, in order."""
    events: list[Event] = []

    def publish(answer_id: int, event: Event) -> str:
        events.append(event)
        return ""

    monkeypatch.setattr(streams, "publish", publish)
    return events


class ScriptedChat:
    """A chat model that says given pieces, and does something before each."""

    name = "scripted"

    def __init__(self, pieces: Sequence[str], before: dict[int, object] | None = None) -> None:
        self.pieces = pieces
        self.before = before or {}
        self.seen: Sequence[ChatMessage] = ()

    def stream(
        self, messages: Sequence[ChatMessage], *, max_tokens: int, time_limit_s: float
    ) -> Iterator[str]:
        self.seen = messages
        for number, piece in enumerate(self.pieces):
            act = self.before.get(number)
            if callable(act):
                act()
            yield piece


def use_chat(monkeypatch: pytest.MonkeyPatch, model: object) -> None:
    monkeypatch.setattr(answering, "get_chat_model", lambda: model)


# ---- a whole answer ------------------------------------------------------------------------------
def test_a_question_gets_an_answer_with_cited_sources(ask: Ask, bob: User) -> None:
    answer = ask(bob)
    assert answer.state == State.DONE
    assert "[1]" in answer.text
    citation = answer.citations.order_by("sentence_index").first()
    assert citation is not None
    assert citation.passage.is_source
    quote = citation.passage.text[citation.start : citation.end]
    assert citation.sentence in quote
    assert answer.finished_at is not None


def test_every_candidate_is_kept_with_its_ranks_scores_and_factor_inputs(
    ask: Ask, bob: User
) -> None:
    answer = ask(bob)
    passages = list(answer.passages.order_by("final_rank"))
    assert [each.final_rank for each in passages] == list(range(1, len(passages) + 1))
    assert sorted(each.fused_rank for each in passages) == list(range(1, len(passages) + 1))
    first = passages[0]
    assert first.rerank_score is not None
    assert first.factor_inputs["completeness"]["terms"]
    assert first.factor_inputs["relevance"]["method"] == "probability"
    assert len(first.text_sha256) == 64
    assert first.chunk_id is not None


def test_the_whole_configuration_is_stored_with_the_answer(
    ask: Ask, bob: User, indexed: KnowledgeBase
) -> None:
    answer = ask(bob)
    assert answer.configuration["knowledge_bases"] == [indexed.pk]
    assert answer.configuration["weights"]["relevance"] == 0.40
    assert answer.configuration["reranker_profile"] == "fake"
    assert answer.reranker == "word overlap"
    assert answer.embedding_model.startswith("word-hash")
    assert answer.question_terms[0].keys() == {"token", "surface", "idf"}
    assert {"recall", "dense", "lexical", "rerank", "generate", "total"} <= set(answer.timings_ms)
    answer.question.refresh_from_db()
    assert answer.question.search_text == QUESTION
    assert answer.question.language == "en"


def test_rerank_left_out_keeps_the_fused_order_and_says_so(ask: Ask, bob: User) -> None:
    answer = ask(bob, with_rerank=False)
    assert answer.was_reranked is False
    assert "rerank_off" in answer.reasons
    for passage in answer.passages.all():
        assert passage.final_rank == passage.fused_rank
        assert passage.rerank_score is None


def test_a_question_that_nothing_answers_says_so_and_keeps_the_ranking(
    ask: Ask, bob: User, indexed: KnowledgeBase
) -> None:
    indexed.relevance_floor = 1.0
    indexed.save()
    answer = ask(bob, "How can an octopus sleep better in a tank of cold water?")
    assert answer.state == State.DONE
    assert answer.no_evidence
    assert answer.text == ""
    assert "no_evidence" in answer.reasons
    assert answer.passages.exists()
    assert not answer.passages.filter(is_source=True).exists()


def test_the_strictest_floor_of_several_knowledge_bases_counts(
    indexed: KnowledgeBase, alice: User
) -> None:
    strict = type(indexed).objects.create(
        name="Strict", slug="strict", visibility="signed_in", relevance_floor=0.9
    )
    answer = chat.ask(
        actor=alice, conversation=None, knowledge_bases=[indexed, strict], text=QUESTION
    )
    answering.generate_answer(answer.pk)
    answer.refresh_from_db()
    assert answer.configuration["floor"] == 0.9
    assert answer.configuration["knowledge_bases"] == [indexed.pk, strict.pk]


# ---- order of saving and telling -----------------------------------------------------------------
def test_the_ranking_is_saved_before_anything_is_written(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, str]] = []

    def look() -> None:
        row = Answer.objects.get(pk=waiting.pk)
        seen.append((RankedPassage.objects.filter(answer=row).count(), row.text))
        assert row.ranked_at is not None

    use_chat(monkeypatch, ScriptedChat(["Keep a regular bedtime. [1]"], {0: look}))
    answering.generate_answer(waiting.pk)
    assert seen == [(5, "")]


def test_who_sees_done_finds_the_text_saved(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: dict[str, tuple[str, bool]] = {}

    def publish(answer_id: int, event: Event) -> str:
        row = Answer.objects.get(pk=answer_id)
        states[event.kind] = (row.state, bool(row.text))
        return ""

    monkeypatch.setattr(streams, "publish", publish)
    answering.generate_answer(waiting.pk)
    assert states["ranked"] == (State.RUNNING, False)
    assert states["done"] == (State.DONE, True)


def test_the_stream_hears_stages_ranking_tokens_and_the_end(
    waiting: Answer, published: list[Event]
) -> None:
    answering.generate_answer(waiting.pk)
    kinds = [event.kind for event in published]
    assert kinds[0] == "stage"
    assert kinds.index("ranked") < kinds.index("token")
    assert published[-1] == Done("done")
    text = "".join(event.text for event in published if isinstance(event, Token))
    waiting.refresh_from_db()
    assert text.strip() == waiting.text


def test_the_ranked_event_holds_no_text_of_a_document(
    waiting: Answer, published: list[Event]
) -> None:
    answering.generate_answer(waiting.pk)
    ranked = next(event for event in published if isinstance(event, Ranked))
    assert "bedtime" not in ranked.to_json()


# ---- once ----------------------------------------------------------------------------------------
def test_an_answer_is_claimed_once(waiting: Answer) -> None:
    assert claims.claim(waiting.pk) is not None
    assert claims.claim(waiting.pk) is None
    waiting.refresh_from_db()
    assert waiting.attempt == 1


def test_a_finished_answer_is_not_made_again(waiting: Answer, published: list[Event]) -> None:
    answering.generate_answer(waiting.pk)
    told = len(published)
    answering.generate_answer(waiting.pk)
    assert len(published) == told
    waiting.refresh_from_db()
    assert waiting.attempt == 1


def test_a_worker_that_was_given_up_writes_nothing_more(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch, published: list[Event]
) -> None:
    def give_up() -> None:
        Answer.objects.filter(pk=waiting.pk).update(attempt=2, text="by another worker")

    use_chat(monkeypatch, ScriptedChat(["Late. [1]"], {0: give_up}))
    answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.text == "by another worker"
    assert waiting.state == State.RUNNING
    assert not any(isinstance(event, Done | Failed) for event in published)


# ---- stopping ------------------------------------------------------------------------------------
def test_a_stopped_answer_keeps_what_had_come(
    waiting: Answer, bob: User, monkeypatch: pytest.MonkeyPatch, published: list[Event]
) -> None:
    monkeypatch.setattr(claims, "STOP_CHECK_EVERY_S", 0.0)
    model = ScriptedChat(
        ["Keep a regular bedtime. [1] ", "Never", " said."],
        {1: lambda: chat.stop(bob, Answer.objects.get(pk=waiting.pk))},
    )
    use_chat(monkeypatch, model)
    answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.STOPPED
    assert waiting.text == "Keep a regular bedtime. [1]"
    assert waiting.citations.count() == 1
    assert published[-1] == Stopped()


def test_an_answer_stopped_before_it_began_is_never_begun(
    waiting: Answer, bob: User, published: list[Event]
) -> None:
    assert chat.stop(bob, waiting)
    answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.STOPPED
    assert waiting.attempt == 0
    assert published == [Stopped()]


# ---- failing -------------------------------------------------------------------------------------
def test_an_unforeseen_error_fails_the_answer_and_is_raised(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch, published: list[Event]
) -> None:
    def break_down(*args: object, **options: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("qa.pipeline.rank", break_down)
    with pytest.raises(ZeroDivisionError):
        answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.FAILED
    assert waiting.error_code == "internal"
    assert published[-1] == Failed("internal")


def test_an_asker_who_lost_access_meanwhile_gets_no_answer(
    waiting: Answer, indexed: KnowledgeBase, bob: User
) -> None:
    indexed.memberships.filter(user=bob).delete()
    answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.FAILED
    assert waiting.error_code == "no_knowledge_base"
    assert not waiting.passages.exists()


def test_a_chat_model_that_cannot_be_made_leaves_a_quoting_answer_with_the_reason(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ModelUnavailable("no model is named")

    monkeypatch.setattr(answering, "get_chat_model", fail)
    answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.DONE
    assert waiting.generator == "extractive"
    assert "chat_model_unavailable" in waiting.reasons


def test_an_answer_that_takes_too_long_ends(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch, published: list[Event]
) -> None:
    monkeypatch.setattr(answering, "OVERHEAD_S", -1e6)
    answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.FAILED
    assert waiting.error_code == "deadline"
    assert published[-1] == Failed("deadline")


def test_without_redis_the_answer_is_made_and_saved(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_client", lambda: Redis.from_url("unix:///nowhere/redis.sock"))
    monkeypatch.setattr(streams._Outage, "until", 0.0)
    answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.DONE
    assert waiting.text


# ---- history -------------------------------------------------------------------------------------
def test_a_follow_up_is_searched_with_the_question_it_leans_on(
    ask: Ask, bob: User, indexed: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(bob)
    model = ScriptedChat(["It does. [1]"])
    use_chat(monkeypatch, model)
    again = chat.ask(
        actor=bob,
        conversation=first.question.conversation,
        knowledge_bases=[],
        text="What about caffeine?",
    )
    answering.generate_answer(again.pk)
    again.question.refresh_from_db()
    assert again.question.search_text.startswith(QUESTION)
    assert any(message.content == QUESTION for message in model.seen)


def test_history_holds_no_earlier_answer_because_its_sources_are_not_this_ones(
    ask: Ask, bob: User
) -> None:
    first = ask(bob)
    question = chat.ask(
        actor=bob,
        conversation=first.question.conversation,
        knowledge_bases=[],
        text="And then?",
    ).question
    history = answering.history_of(question)
    assert [(message.role, message.content) for message in history] == [("user", QUESTION)]


# ---- once more ----------------------------------------------------------------------------------
def test_a_second_attempt_replaces_the_ranking_of_the_first(waiting: Answer) -> None:
    answering.generate_answer(waiting.pk)
    first = set(waiting.passages.values_list("pk", flat=True))
    Answer.objects.filter(pk=waiting.pk).update(state=State.PENDING)
    answering.generate_answer(waiting.pk)
    second = set(waiting.passages.values_list("pk", flat=True))
    assert len(second) == len(first)
    assert not first & second


def test_a_passage_re_indexed_meanwhile_is_kept_without_its_chunk(
    waiting: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drop(*args: object, **options: object) -> object:
        document_of("Ten tips for better sleep").chunks.all().delete()
        return rank(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("qa.pipeline.rank", drop)
    answering.generate_answer(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == State.DONE
    kept = waiting.passages.get(title="Ten tips for better sleep")
    assert kept.chunk_id is None
    assert "bedtime" in kept.text
