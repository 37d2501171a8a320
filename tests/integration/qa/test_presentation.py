"""Copies obey the originals: what is shown of an answer follows today's access to its sources."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group

from documents.models import Document
from qa.answering import generate_answer
from qa.chat import answer_twin
from qa.models import Answer, RankedPassage
from qa.presentation import (
    may_follow_stream,
    present_answer,
    present_answers,
    present_conversation,
)
from tests.integration.qa.conftest import close_to_viewers, document_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import DjangoAssertNumQueries

    from accounts.models import User
    from documents.models import KnowledgeBase
    from qa.presented import AnswerView
    from tests.integration.qa.conftest import Ask

pytestmark = pytest.mark.django_db

TIPS = "Ten tips for better sleep"
SECRET = "bedtime"


def everything(view: AnswerView) -> str:
    """All that a template could print."""
    return json.dumps(asdict(view), default=str)


# ---- open ----------------------------------------------------------------------------------------
def test_an_open_answer_shows_text_sources_and_linked_citations(ask: Ask, bob: User) -> None:
    answer = ask(bob)
    view = present_answer(bob, answer)
    assert SECRET in view.text
    assert f'href="#source-{answer.pk}-1"' in view.html
    assert view.withheld_sentences == 0
    assert view.closed_sources == 0
    assert [source.number for source in view.sources] == list(range(1, len(view.sources) + 1))
    assert view.is_extractive
    assert view.is_final


def test_each_marker_links_to_the_span_that_its_own_sentence_rests_on(ask: Ask, bob: User) -> None:
    answer = ask(bob)

    def address(passage: RankedPassage, start: int, end: int) -> str:
        return f"/read/{passage.document_id}?from={start}&to={end}"

    view = present_answer(bob, answer, source_href=address)
    for source in view.sources:
        for citation in source.citations:
            assert f"from={citation.start}&amp;to={citation.end}" in view.html
            assert source.text[citation.start - source.start :].startswith(citation.quote)


def test_markdown_of_the_answer_cannot_carry_markup(ask: Ask, bob: User) -> None:
    answer = ask(bob)
    answer.text = "<script>alert(1)</script> ![x](https://example.org/x.png) **bold** [1]"
    view = present_answer(bob, answer)
    assert "<script" not in view.html
    assert "<img" not in view.html
    assert "<strong>bold</strong>" in view.html


# ---- closed --------------------------------------------------------------------------------------
def disable(document: Document, indexed: KnowledgeBase, viewer: User) -> None:
    close_to_viewers(document)


def restrict(document: Document, indexed: KnowledgeBase, viewer: User) -> None:
    document.visible_to_groups.add(Group.objects.create(name="others"))


def remove_from_base(document: Document, indexed: KnowledgeBase, viewer: User) -> None:
    indexed.memberships.filter(user=viewer).delete()


def purge(document: Document, indexed: KnowledgeBase, viewer: User) -> None:
    RankedPassage.objects.filter(document=document).update(document=None)


@pytest.mark.parametrize("close", [disable, restrict, remove_from_base, purge])
def test_nothing_of_a_document_that_is_closed_now_is_shown(
    ask: Ask,
    bob: User,
    indexed: KnowledgeBase,
    close: Callable[[Document, KnowledgeBase, User], None],
) -> None:
    answer = ask(bob)
    assert SECRET in answer.text
    Document.objects.filter(title=TIPS).update(tags=["secret"])
    close(document_of(TIPS), indexed, bob)
    view = present_answer(bob, answer)
    shown = everything(view)
    assert SECRET not in shown
    assert TIPS not in shown
    assert view.withheld_sentences >= 1
    assert view.closed_sources >= 1
    closed = next(source for source in view.sources if not source.is_open)
    assert closed.final_score is None
    assert closed.factors == ()
    assert closed.tags == ()
    assert closed.citations == ()
    assert closed.document_id is None


def test_sentences_on_open_sources_stay_beside_withheld_ones(ask: Ask, bob: User) -> None:
    answer = ask(bob, "What about sleep apnea, caffeine and a regular bedtime?")
    cited = {citation.passage.title for citation in answer.citations.select_related("passage")}
    assert {TIPS, "Caffeine and sleep"} <= cited
    close_to_viewers(document_of("Caffeine and sleep"))
    view = present_answer(bob, answer)
    assert SECRET in view.text
    assert "Coffee" not in view.text
    assert "caffeine after" not in view.text


def test_a_source_has_the_tags_that_its_document_has_today(ask: Ask, bob: User) -> None:
    answer = ask(bob)
    Document.objects.filter(pk=document_of(TIPS).pk).update(tags=["sleep"])
    view = present_answer(bob, answer)
    assert {source.tags for source in view.sources if source.title == TIPS} == {("sleep",)}


def test_a_curator_still_sees_what_readers_may_not(ask: Ask, alice: User, bob: User) -> None:
    answer = ask(bob)
    close_to_viewers(document_of(TIPS))
    assert SECRET in present_answer(alice, answer).text
    assert SECRET not in present_answer(bob, answer).text


def test_a_document_opened_again_shows_the_answer_again(ask: Ask, bob: User) -> None:
    answer = ask(bob)
    document = document_of(TIPS)
    close_to_viewers(document)
    assert SECRET not in everything(present_answer(bob, answer))
    Document.objects.filter(pk=document.pk).update(is_enabled=True)
    assert SECRET in present_answer(bob, answer).text


def test_the_nearest_passages_are_open_ones_only(
    ask: Ask, bob: User, indexed: KnowledgeBase
) -> None:
    indexed.relevance_floor = 1.0
    indexed.save()
    answer = ask(bob, "How can an octopus sleep better in a tank of cold water?")
    assert answer.no_evidence
    first = present_answer(bob, answer).nearest[0]
    close_to_viewers(document_of(first.title))
    assert first.title not in [source.title for source in present_answer(bob, answer).nearest]
    assert first.title not in everything(present_answer(bob, answer))


def test_a_stream_is_followed_only_while_all_sources_are_open(ask: Ask, bob: User) -> None:
    answer = ask(bob)
    assert may_follow_stream(bob, answer)
    close_to_viewers(document_of(TIPS))
    assert not may_follow_stream(bob, answer)


# ---- rankings ------------------------------------------------------------------------------------
def test_both_orders_hold_the_same_candidates(ask: Ask, bob: User) -> None:
    rankings = present_answer(bob, ask(bob)).rankings
    assert rankings.was_reranked
    with_rerank = {source.passage_id for source in rankings.with_rerank}
    assert with_rerank == {source.passage_id for source in rankings.without_rerank}
    assert [each.final_rank for each in rankings.with_rerank] == sorted(
        each.final_rank for each in rankings.with_rerank
    )
    assert [each.fused_rank for each in rankings.without_rerank] == sorted(
        each.fused_rank for each in rankings.without_rerank
    )


def test_movement_is_the_difference_of_the_ranks(ask: Ask, bob: User) -> None:
    for source in present_answer(bob, ask(bob)).rankings.with_rerank:
        moved = source.fused_rank - source.final_rank
        if source.movement.kind == "up":
            assert moved == source.movement.places > 0
        elif source.movement.kind == "down":
            assert -moved == source.movement.places > 0


def test_the_four_contributions_add_up_to_the_final_score(ask: Ask, bob: User) -> None:
    for source in present_answer(bob, ask(bob)).rankings.with_rerank:
        assert [bar.name for bar in source.factors] == [
            "relevance",
            "completeness",
            "readability",
            "timeliness",
        ]
        total = sum(bar.contribution for bar in source.factors)
        assert total == pytest.approx(source.final_score)


def test_a_factor_says_in_words_what_it_was_computed_from(ask: Ask, bob: User) -> None:
    first = present_answer(bob, ask(bob)).rankings.with_rerank[0]
    words = {bar.name: bar.words for bar in first.factors}
    assert "cosine" not in words["completeness"]
    assert "sleep" in words["completeness"]
    assert words["relevance"]
    assert words["timeliness"] == "date unknown: neutral"


def test_without_rerank_no_source_moved(ask: Ask, bob: User) -> None:
    view = present_answer(bob, ask(bob, with_rerank=False))
    assert not view.rankings.was_reranked
    assert view.rankings.changed == view.rankings.moved == 0
    assert view.reasons[0] == "Rerank is off."


# ---- shape ---------------------------------------------------------------------------------------
def test_a_waiting_answer_is_shown_empty(waiting: Answer, bob: User) -> None:
    view = present_answer(bob, waiting)
    assert not view.is_final
    assert view.html == ""
    assert view.sources == ()
    assert view.error == ""


def test_a_failed_answer_says_why(waiting: Answer, bob: User) -> None:
    waiting.state, waiting.error_code = Answer.State.FAILED, "worker_lost"
    assert present_answer(bob, waiting).error.endswith(".")


def test_many_answers_cost_no_more_queries_than_one(
    ask: Ask, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    answers = [ask(bob), ask(bob), ask(bob)]
    with django_assert_max_num_queries(6):
        views = present_answers(bob, answers)
    assert [view.answer_id for view in views] == [answer.pk for answer in answers]


def test_a_conversation_shows_every_answer_of_every_question(ask: Ask, bob: User) -> None:
    first = ask(bob)
    twin = answer_twin(bob, first)
    generate_answer(twin.pk)
    turns = present_conversation(bob, first.question.conversation)
    assert [turn.question for turn in turns] == [first.question]
    assert [view.answer_id for view in turns[0].answers] == [first.pk, twin.pk]
    assert turns[0].latest is not None
    assert turns[0].latest.kind == Answer.Kind.TWIN
    assert len(present_conversation(bob, first.question.conversation, question=first.question)) == 1
