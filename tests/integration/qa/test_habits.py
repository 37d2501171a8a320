"""Consent to personal fit: what is learned with it, and that nothing is without it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from django.http import Http404
from django.utils import timezone

from accounts.models import AuditEvent
from qa import answering, chat, habits, pipeline, tasks
from qa.fit import NO_HABITS, Evidence, Habits
from qa.models import Answer, FitConsent, RankedPassage, SourceOpened
from qa.presentation import present_answer
from tests.functional.qa.conftest import Answered, make_answered
from tests.integration.qa.conftest import QUESTION, close_to_viewers

if TYPE_CHECKING:
    from accounts.models import User
    from documents.models import KnowledgeBase

READER = Habits(short=Evidence(400, 1.0), plain=Evidence(400, 1.0))


@pytest.fixture
def answered(knowledge_base: KnowledgeBase, alice: User, bob: User) -> Answered:
    """Bob's answer with two cited sources: the first hard and old, the second plain and new."""
    made = make_answered(knowledge_base, uploader=alice, asker=bob)
    return with_two_sources(made)


def with_two_sources(made: Answered) -> Answered:
    Answer.objects.filter(pk=made.answer.pk).update(is_personal=True)
    made.answer.refresh_from_db()
    first, _paper, second = made.passages
    RankedPassage.objects.filter(pk=first.pk).update(
        readability=0.2, effective_date=date(2001, 1, 1)
    )
    RankedPassage.objects.filter(pk=second.pk).update(
        readability=0.9, effective_date=date(2026, 1, 1)
    )
    made.citation.pk = None
    made.citation.passage = second
    made.citation.marker = 2
    made.citation.save()
    return made


def source(user: User, made: Answered, number: int) -> RankedPassage:
    """The source of the answer with that number, fetched as a page fetches it."""
    return habits.source_for(user, made.passages[{1: 0, 2: 2}[number]].pk)


def actions(user: User) -> list[str]:
    mine = AuditEvent.objects.filter(actor=user, action__startswith="fit.")
    return list(mine.order_by("pk").values_list("action", flat=True))


# ---- consent -------------------------------------------------------------------------------------
def test_it_is_off_for_everyone_and_then_nothing_is_kept(answered: Answered, bob: User) -> None:
    assert not habits.has_consented(bob)
    assert habits.known_of(bob) is None
    assert not habits.record_opening(bob, source(bob, answered, 2))
    assert not SourceOpened.objects.exists()


def test_turning_on_and_off_is_audited_once_each(bob: User) -> None:
    assert habits.turn_on(bob)
    assert not habits.turn_on(bob)
    assert habits.has_consented(bob)
    assert habits.turn_off(bob)
    assert not habits.turn_off(bob)
    assert actions(bob) == ["fit.on", "fit.off"]


def test_no_audit_event_tells_what_was_opened(answered: Answered, bob: User) -> None:
    habits.turn_on(bob)
    before = AuditEvent.objects.count()
    assert habits.record_opening(bob, source(bob, answered, 2))
    assert AuditEvent.objects.count() == before


# ---- what is learned -----------------------------------------------------------------------------
def test_opening_the_second_source_instead_of_the_first_teaches_what_tells_them_apart(
    answered: Answered, bob: User
) -> None:
    habits.turn_on(bob)
    assert habits.record_opening(bob, source(bob, answered, 2))
    known = habits.known_of(bob)
    assert known is not None
    assert known.habits.plain == Evidence(1, 1.0)
    assert known.habits.recent == Evidence(1, 1.0)


def test_the_first_source_and_a_second_opening_teach_nothing(answered: Answered, bob: User) -> None:
    habits.turn_on(bob)
    assert habits.record_opening(bob, source(bob, answered, 1))
    assert not habits.record_opening(bob, source(bob, answered, 1))
    # The one above is not passed over: it was opened before.
    assert habits.record_opening(bob, source(bob, answered, 2))
    known = habits.known_of(bob)
    assert known is not None
    assert known.habits == NO_HABITS


def test_a_source_that_is_not_cited_is_not_learned_from(answered: Answered, bob: User) -> None:
    habits.turn_on(bob)
    answered.answer.citations.filter(marker=2).delete()
    assert not habits.record_opening(bob, source(bob, answered, 2))


def test_an_answer_that_was_not_asked_in_the_chat_is_not_learned_from(
    answered: Answered, bob: User
) -> None:
    habits.turn_on(bob)
    Answer.objects.update(is_personal=False)
    assert not habits.record_opening(bob, source(bob, answered, 2))


def test_topics_come_from_questions_asked_since_the_consent(answered: Answered, bob: User) -> None:
    terms = [{"token": "children", "surface": "children", "idf": 3.0}]
    Answer.objects.update(question_terms=terms)
    habits.turn_on(bob)
    for number in range(3):
        question = answered.conversation.questions.create(text=f"Children? {number}")
        for _again in range(2):
            Answer.objects.create(question=question, is_personal=True, question_terms=terms)
    known = habits.known_of(bob)
    assert known is not None
    assert [(topic.surface, topic.questions) for topic in known.habits.topics] == [("children", 3)]


def test_questions_of_others_and_of_the_command_make_no_topic(
    answered: Answered, alice: User, bob: User
) -> None:
    terms = [{"token": "children", "surface": "children", "idf": 3.0}]
    for user in (alice, bob):
        habits.turn_on(user)
    for number in range(4):
        question = answered.conversation.questions.create(text=f"Children? {number}")
        Answer.objects.create(question=question, is_personal=False, question_terms=terms)
    for user in (alice, bob):
        known = habits.known_of(user)
        assert known is not None
        assert known.habits.topics == ()


# ---- deleting, and rights that end ---------------------------------------------------------------
def learned(bob: User, answered: Answered) -> None:
    """Bob has opened a source, and one answer is in his order."""
    habits.turn_on(bob)
    assert habits.record_opening(bob, source(bob, answered, 2))
    RankedPassage.objects.filter(pk=answered.passages[0].pk).update(
        personal_fit=0.03, fit_reasons=["topic:children"], fit_inputs={"cap": 0.05, "parts": []}
    )


@pytest.mark.parametrize("deletes", [habits.turn_off, habits.forget])
def test_deleting_leaves_nothing_that_was_learned(
    answered: Answered, bob: User, deletes: object
) -> None:
    learned(bob, answered)
    assert deletes(bob)  # type: ignore[operator]
    assert not SourceOpened.objects.exists()
    for passage in answered.answer.passages.all():
        assert (passage.personal_fit, passage.fit_reasons, passage.fit_inputs) == (0.0, [], {})
    known = habits.known_of(bob)
    assert known is None or known.habits == NO_HABITS
    assert "children" not in str(list(AuditEvent.objects.values()))


def test_forgetting_keeps_it_on_and_is_audited(answered: Answered, bob: User) -> None:
    learned(bob, answered)
    habits.forget(bob)
    assert habits.has_consented(bob)
    assert actions(bob) == ["fit.on", "fit.forget"]


def test_deleting_does_not_touch_what_others_have_taught(
    answered: Answered, alice: User, bob: User, knowledge_base: KnowledgeBase
) -> None:
    learned(bob, answered)
    habits.turn_on(alice)
    habits.turn_off(alice)
    assert SourceOpened.objects.filter(consent__user=bob).count() == 1
    assert RankedPassage.objects.filter(personal_fit__gt=0).count() == 1


def test_what_a_closed_document_taught_no_longer_counts(answered: Answered, bob: User) -> None:
    learned(bob, answered)
    close_to_viewers(answered.documents[2])
    known = habits.known_of(bob)
    assert known is not None
    assert known.habits == NO_HABITS


def test_what_a_deleted_conversation_taught_no_longer_counts(answered: Answered, bob: User) -> None:
    learned(bob, answered)
    chat.delete_conversation(bob, answered.conversation)
    known = habits.known_of(bob)
    assert known is not None
    assert known.habits == NO_HABITS


def test_a_document_that_is_gone_takes_its_lesson_along(answered: Answered, bob: User) -> None:
    learned(bob, answered)
    answered.documents[2].delete()
    assert not SourceOpened.objects.exists()


def test_after_the_retention_an_opening_neither_counts_nor_stays(
    answered: Answered, bob: User
) -> None:
    learned(bob, answered)
    FitConsent.objects.update(learns_since=timezone.now() - timedelta(days=999))
    long_ago = timezone.now() - timedelta(days=habits.RETENTION_DAYS, minutes=1)
    SourceOpened.objects.update(opened_at=long_ago)
    known = habits.known_of(bob)
    assert known is not None
    assert known.habits == NO_HABITS
    tasks.delete_expired_openings()
    assert not SourceOpened.objects.exists()


def test_an_opening_within_the_retention_stays(answered: Answered, bob: User) -> None:
    learned(bob, answered)
    assert habits.delete_expired_openings() == 0
    assert SourceOpened.objects.exists()


# ---- strangers -----------------------------------------------------------------------------------
def test_a_source_of_somebody_elses_answer_is_not_found(
    answered: Answered, alice: User, charlie: User, admin: User
) -> None:
    for stranger in (alice, charlie, admin):
        with pytest.raises(Http404):
            source(stranger, answered, 1)


def test_a_source_that_may_no_longer_be_read_is_not_found(answered: Answered, bob: User) -> None:
    close_to_viewers(answered.documents[0])
    with pytest.raises(Http404):
        source(bob, answered, 1)


# ---- an answer in one's own order ----------------------------------------------------------------
def ask_as(
    actor: User, base: KnowledgeBase, *, is_personal: bool = True, with_rerank: bool = True
) -> Answer:
    answer = chat.ask(
        actor=actor,
        conversation=None,
        knowledge_bases=[base],
        text=QUESTION,
        with_rerank=with_rerank,
        is_personal=is_personal,
        enqueue=False,
    )
    answering.generate_answer(answer.pk)
    answer.refresh_from_db()
    return answer


@pytest.fixture
def known(bob: User, monkeypatch: pytest.MonkeyPatch) -> Habits:
    """Bob has agreed, and has long had clear habits."""
    habits.turn_on(bob)
    real = habits.known_of

    def with_habits(user: User) -> habits.Known | None:
        found = real(user)
        return found and habits.Known(found.consent_id, found.learns_since, READER)

    monkeypatch.setattr(habits, "known_of", with_habits)
    return READER


def fits(answer: Answer) -> list[float]:
    return list(answer.passages.order_by("final_rank").values_list("personal_fit", flat=True))


def test_the_chat_applies_the_fit_and_keeps_the_neutral_rank_and_score_beside_it(
    indexed: KnowledgeBase, bob: User, known: Habits
) -> None:
    plain = ask_as(bob, indexed, is_personal=False)
    answer = ask_as(bob, indexed)
    assert any(fits(answer))
    neutral = answer.passages.order_by("neutral_rank").values_list("chunk", "final_score")
    assert list(neutral) == list(
        plain.passages.order_by("final_rank").values_list("chunk", "final_score")
    )
    for passage in answer.passages.filter(personal_fit__gt=0):
        assert passage.fit_inputs["parts"]


def test_without_consent_the_chat_stores_no_fit(indexed: KnowledgeBase, bob: User) -> None:
    answer = ask_as(bob, indexed)
    assert not any(fits(answer))
    for passage in answer.passages.all():
        assert passage.neutral_rank == passage.final_rank


@pytest.mark.parametrize("how", [{"is_personal": False}, {"with_rerank": False}])
def test_outside_the_chat_and_without_rerank_no_fit_is_applied(
    indexed: KnowledgeBase, bob: User, known: Habits, how: dict[str, bool]
) -> None:
    assert not any(fits(ask_as(bob, indexed, **how)))


def test_answering_again_in_the_chat_applies_it_too(
    indexed: KnowledgeBase, bob: User, known: Habits
) -> None:
    again = chat.regenerate(bob, ask_as(bob, indexed))
    answering.generate_answer(again.pk)
    assert any(fits(again))


@pytest.mark.parametrize("deletes", [habits.turn_off, habits.forget])
def test_what_is_deleted_while_an_answer_is_made_is_not_stored_with_it(
    indexed: KnowledgeBase,
    bob: User,
    known: Habits,
    monkeypatch: pytest.MonkeyPatch,
    deletes: object,
) -> None:
    real = pipeline.answer

    def after_deleting(*args: object, **kwargs: object) -> object:
        deletes(bob)  # type: ignore[operator]
        return real(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(answering, "run_pipeline", after_deleting)
    answer = ask_as(bob, indexed)
    assert answer.state == Answer.State.DONE
    assert not any(fits(answer))
    assert not answer.passages.exclude(fit_inputs={}).exists()


# ---- what is shown -------------------------------------------------------------------------------
def in_own_order(answered: Answered) -> Answer:
    """The plain second source was moved up to the first place."""
    first, paper, second = answered.passages
    for passage, final in ((first, 12), (second, 1), (paper, 3), (first, 2)):
        RankedPassage.objects.filter(pk=passage.pk).update(final_rank=final)
    RankedPassage.objects.filter(pk=second.pk).update(
        personal_fit=0.04,
        fit_reasons=["recent"],
        fit_inputs={
            "cap": 0.05,
            "parts": [{"habit": "recent", "topic": "", "strength": 0.8, "value": 1.0}],
        },
    )
    return answered.answer


def titles(viewer: User, answer: Answer, *, personal: bool = True) -> list[str]:
    view = present_answer(viewer, answer, personal=personal)
    return [each.title for each in view.rankings.with_rerank]


def test_the_asker_sees_the_own_order_with_its_reason(answered: Answered, bob: User) -> None:
    view = present_answer(bob, in_own_order(answered), personal=True)
    assert [source.title for source in view.sources] == ["Insomnia", "Ten tips for better sleep"]
    fit = view.sources[0].fit
    assert fit is not None
    assert fit.moved_up == "moved up: you often open recent sources"
    assert "0.80 × 1.00" in fit.words
    assert view.order is not None
    assert (view.order.is_neutral, view.order.moved) == (False, 1)
    assert [source.number for source in view.sources] == [1, 2]


def test_the_neutral_order_of_one_answer_is_shown_without_making_it_anew(
    answered: Answered, bob: User
) -> None:
    answer = in_own_order(answered)
    before = Answer.objects.count()
    chat.set_order(bob, answer, neutral=True)
    view = present_answer(bob, answer, personal=True)
    assert [source.title for source in view.sources] == ["Ten tips for better sleep", "Insomnia"]
    # The numbers stay, since the text cites by them.
    assert [source.number for source in view.sources] == [2, 1]
    assert not any(source.fit for source in view.sources)
    assert view.order is not None
    assert view.order.is_neutral
    assert Answer.objects.count() == before
    assert AuditEvent.objects.filter(action="answer.set_order", actor=bob).count() == 1
    chat.set_order(bob, answer, neutral=False)
    assert titles(bob, answer)[0] == "Insomnia"


def test_a_stranger_cannot_change_the_order(answered: Answered, charlie: User) -> None:
    with pytest.raises(Http404):
        chat.set_order(charlie, answered.answer, neutral=True)


def test_reviewers_commands_and_the_asker_elsewhere_see_the_neutral_order_and_no_habit(
    answered: Answered, alice: User, bob: User
) -> None:
    answer = in_own_order(answered)
    for viewer, personal in ((alice, False), (alice, True), (bob, False)):
        view = present_answer(viewer, answer, personal=personal)
        assert titles(viewer, answer, personal=personal)[0] == "Ten tips for better sleep"
        assert view.order is None
        assert not any(each.fit for each in (*view.sources, *view.rankings.with_rerank))


def test_after_deleting_old_answers_are_in_the_neutral_order(answered: Answered, bob: User) -> None:
    answer = in_own_order(answered)
    habits.turn_on(bob)
    habits.turn_off(bob)
    view = present_answer(bob, answer, personal=True)
    assert titles(bob, answer)[0] == "Ten tips for better sleep"
    assert view.order is None


def test_what_rerank_moved_is_told_without_the_fit(answered: Answered, bob: User) -> None:
    before = present_answer(bob, answered.answer).rankings
    after = present_answer(bob, in_own_order(answered), personal=True).rankings
    assert (after.changed, after.moved) == (before.changed, before.moved)


def test_a_closed_source_shows_no_reason(answered: Answered, bob: User) -> None:
    answer = in_own_order(answered)
    close_to_viewers(answered.documents[2])
    view = present_answer(bob, answer, personal=True)
    assert not view.sources[0].is_open
    assert view.sources[0].fit is None
