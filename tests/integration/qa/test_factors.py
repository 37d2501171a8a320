"""Factors of stored answers: what the asker wished, what curators date, and the bar by hand."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from accounts.models import AuditEvent
from documents.curating import update_document
from documents.models import Chunk
from qa import chat
from qa.answering import generate_answer
from qa.configuration import wishes_of
from qa.explanations import factor_bars, weights_of
from qa.types import NO_WISHES, Wishes
from tests.integration.qa.conftest import document_of

if TYPE_CHECKING:
    from accounts.models import User
    from documents.models import KnowledgeBase
    from qa.models import Answer
    from tests.integration.qa.conftest import Ask

pytestmark = pytest.mark.django_db(transaction=True)

LATEST = "What are the latest tips to sleep better?"


def again(actor: User, answer: Answer, wishes: Wishes | None = None) -> Answer:
    made = chat.regenerate(actor, answer, wishes=wishes)
    generate_answer(made.pk)
    made.refresh_from_db()
    return made


def test_a_question_for_the_latest_is_stored_with_its_word_and_the_weights_used(
    ask: Ask, bob: User
) -> None:
    answer = ask(bob, LATEST)

    assert answer.configuration["time_intent"] == "latest"
    assert answer.configuration["time_words"] == "latest"
    assert answer.configuration["weights"]["timeliness"] == pytest.approx(0.3)
    assert answer.configuration["configured_weights"]["timeliness"] == 0.1


def test_asked_without_the_weights_of_the_knowledge_base_stand(ask: Ask, bob: User) -> None:
    without = again(bob, ask(bob, LATEST), Wishes(follow_time=False))

    assert without.configuration["time_intent"] == ""
    assert without.configuration["weights"] == without.configuration["configured_weights"]
    assert wishes_of(without.configuration) == Wishes(follow_time=False)
    asked = AuditEvent.objects.get(action="answer.again")
    assert asked.data["follow_time"] is False


def test_answering_again_keeps_the_wishes_until_others_take_their_place(
    ask: Ask, bob: User
) -> None:
    only = again(bob, ask(bob), Wishes(preset="relevance_only"))
    assert only.configuration["weights"]["relevance"] == 1.0
    assert only.configuration["weights"]["readability"] == 0.0

    assert wishes_of(again(bob, only).configuration) == Wishes(preset="relevance_only")
    assert wishes_of(again(bob, only, NO_WISHES).configuration) == NO_WISHES


def test_the_wishes_of_one_answer_are_not_those_of_the_knowledge_base(
    ask: Ask, bob: User, indexed: KnowledgeBase
) -> None:
    again(bob, ask(bob), Wishes(preset="relevance_only"))

    indexed.refresh_from_db()
    assert indexed.relevance_weight == 0.4
    assert ask(bob).configuration["weights"]["relevance"] == 0.4


def test_a_date_that_a_curator_sets_counts_in_the_next_answer_without_indexing_again(
    ask: Ask, alice: User, bob: User
) -> None:
    tips = document_of("Ten tips for better sleep")
    before = ask(bob).passages.get(document=tips)
    chunks = list(Chunk.objects.filter(document=tips).values_list("pk", flat=True))
    assert before.factor_inputs["timeliness"]["rule"] == "unknown_date"

    update_document(actor=alice, document=tips, changes={"effective_date": date(2001, 5, 1)})
    dated = ask(bob).passages.get(document=tips)
    update_document(
        actor=alice, document=tips, changes={"superseded_by": document_of("Sleep apnea")}
    )
    replaced = ask(bob).passages.get(document=tips)

    assert dated.factor_inputs["timeliness"]["effective_date"] == "2001-05-01"
    assert 0 < dated.timeliness < before.timeliness
    assert (replaced.timeliness, replaced.factor_inputs["timeliness"]["rule"]) == (0, "superseded")
    assert list(Chunk.objects.filter(document=tips).values_list("pk", flat=True)) == chunks
    changes = AuditEvent.objects.filter(action="document.update").order_by("pk")
    assert [event.data["changed"] for event in changes] == [
        {"effective_date": [None, "2001-05-01"]},
        {"superseded_by": [None, document_of("Sleep apnea").pk]},
    ]


@pytest.mark.parametrize("question", ["How can I sleep better?", LATEST, "为什么会失眠"])
def test_the_bar_in_the_panel_adds_up_from_the_stored_row_alone(
    ask: Ask, bob: User, question: str
) -> None:
    answer = ask(bob, question)
    weights = weights_of(answer.configuration)

    for passage in answer.passages.all():
        bars = factor_bars(passage, weights)
        assert sum(bar.contribution for bar in bars) == pytest.approx(passage.final_score)
