"""Reviewers judge by appending; who may review, and what the queue shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.http import Http404

from accounts.models import AuditEvent
from documents.models import KnowledgeBase, Membership
from qa import review
from qa.models import (
    Answer,
    AnswerJudgement,
    Citation,
    EvaluationQuestion,
    RankedPassage,
    SentenceJudgement,
    SourceJudgement,
)
from qa.review import UNJUDGED, ReviewRefused
from tests.integration.qa.conftest import close_to_viewers

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from tests.integration.qa.conftest import Ask

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(charlie: User, knowledge_base: KnowledgeBase) -> User:
    Membership.objects.create(
        knowledge_base=knowledge_base, user=charlie, roles=[Membership.Role.REVIEWER]
    )
    return charlie


@pytest.fixture
def answer(ask: Ask, bob: User) -> Answer:
    return ask(bob)


def cited(answer: Answer) -> Citation:
    citation = answer.citations.order_by("sentence_index").first()
    assert citation is not None
    return citation


def best(answer: Answer) -> RankedPassage:
    return answer.passages.get(final_rank=1)


# ---- who -----------------------------------------------------------------------------------------
def test_only_reviewers_see_the_queue(
    answer: Answer, reviewer: User, bob: User, knowledge_base: KnowledgeBase
) -> None:
    assert list(review.queue(reviewer)) == [answer]
    assert review.reviewed_bases(reviewer) == [knowledge_base]
    assert list(review.queue(bob)) == []
    assert review.reviewed_bases(bob) == []


def test_an_asker_may_judge_nothing(answer: Answer, bob: User) -> None:
    tries: list[Callable[[], object]] = [
        lambda: review.reviewable_answer_for(bob, answer.pk),
        lambda: review.citation_for(bob, cited(answer).pk),
        lambda: review.passage_for(bob, best(answer).pk),
        lambda: review.judge_answer(bob, answer, "correct"),
        lambda: review.judge_citation(bob, cited(answer), "supported"),
        lambda: review.judge_source(bob, best(answer), 3),
        lambda: review.withdraw_answer_judgement(bob, answer),
        lambda: review.withdraw_citation_judgement(bob, cited(answer)),
        lambda: review.withdraw_source_judgement(bob, best(answer)),
        lambda: review.save_as_evaluation_question(bob, answer),
    ]
    for attempt in tries:
        with pytest.raises(Http404):
            attempt()
    assert not AnswerJudgement.objects.exists()
    assert not SourceJudgement.objects.exists()


def test_an_answer_from_two_knowledge_bases_needs_a_reviewer_of_both(
    answer: Answer, reviewer: User
) -> None:
    answer.knowledge_bases.add(KnowledgeBase.objects.create(name="Other", slug="other"))
    assert list(review.queue(reviewer)) == []
    with pytest.raises(Http404):
        review.reviewable_answer_for(reviewer, answer.pk)


def test_a_passage_that_the_reviewer_may_not_read_is_not_judged(
    answer: Answer, reviewer: User
) -> None:
    passage = best(answer)
    document = passage.document
    assert document is not None
    close_to_viewers(document)
    assert review.passage_for(reviewer, passage.pk) == passage  # Reviewers read disabled ones.
    document.deleted_at = document.created_at
    document.save()
    with pytest.raises(Http404):
        review.passage_for(reviewer, passage.pk)
    with pytest.raises(Http404):
        review.citation_for(reviewer, cited(answer).pk)


# ---- judging -------------------------------------------------------------------------------------
def test_every_judgement_is_kept_and_the_newest_counts(answer: Answer, reviewer: User) -> None:
    review.judge_answer(reviewer, answer, "wrong", "  misses the point ")
    review.judge_answer(reviewer, answer, "correct", "on second thought")
    standing = review.judgements_by(reviewer, answer)
    assert standing.verdict == "correct"
    assert standing.comment == "on second thought"
    verdicts = AnswerJudgement.objects.order_by("pk").values_list("verdict", "comment")
    assert list(verdicts) == [("wrong", "misses the point"), ("correct", "on second thought")]


def test_a_person_sees_their_own_judgements(answer: Answer, reviewer: User, alice: User) -> None:
    review.judge_answer(alice, answer, "wrong")
    assert review.judgements_by(reviewer, answer).verdict is None
    assert review.judgements_by(alice, answer).verdict == "wrong"


def test_citations_and_sources_are_judged_one_by_one(answer: Answer, reviewer: User) -> None:
    citation, passage = cited(answer), best(answer)
    review.judge_citation(reviewer, citation, "partly")
    review.judge_source(reviewer, passage, 3)
    review.judge_source(reviewer, passage, 0)
    standing = review.judgements_by(reviewer, answer)
    assert standing.citations == {citation.pk: "partly"}
    assert standing.grades == {passage.pk: 0}


def test_taking_back_appends_a_row_and_leaves_nothing_standing(
    answer: Answer, reviewer: User
) -> None:
    citation, passage = cited(answer), best(answer)
    review.judge_answer(reviewer, answer, "correct")
    review.judge_citation(reviewer, citation, "supported")
    review.judge_source(reviewer, passage, 2)
    assert review.withdraw_answer_judgement(reviewer, answer)
    assert review.withdraw_citation_judgement(reviewer, citation)
    assert review.withdraw_source_judgement(reviewer, passage)
    standing = review.judgements_by(reviewer, answer)
    assert standing.verdict is None
    assert standing.citations == {}
    assert standing.grades == {}
    for model in (AnswerJudgement, SentenceJudgement, SourceJudgement):
        assert model.objects.count() == 2
    assert not review.withdraw_answer_judgement(reviewer, answer)
    assert not review.withdraw_citation_judgement(reviewer, citation)
    assert not review.withdraw_source_judgement(reviewer, passage)


@pytest.mark.parametrize("grade", [-1, 4])
def test_a_grade_off_the_scale_is_refused(answer: Answer, reviewer: User, grade: int) -> None:
    with pytest.raises(ReviewRefused):
        review.judge_source(reviewer, best(answer), grade)
    assert not SourceJudgement.objects.exists()


def test_an_unknown_verdict_or_an_endless_comment_is_refused(
    answer: Answer, reviewer: User
) -> None:
    with pytest.raises(ReviewRefused):
        review.judge_answer(reviewer, answer, "splendid")
    with pytest.raises(ReviewRefused):
        review.judge_answer(reviewer, answer, "correct", "x" * 4001)
    with pytest.raises(ReviewRefused):
        review.judge_citation(reviewer, cited(answer), "perhaps")


def test_judging_is_on_the_record(answer: Answer, reviewer: User) -> None:
    review.judge_answer(reviewer, answer, "incomplete", "private words")
    event = AuditEvent.objects.get(action="answer.judge")
    assert event.actor == reviewer
    assert event.data == {"verdict": "incomplete"}


# ---- queue ---------------------------------------------------------------------------------------
def test_the_queue_filters_by_the_newest_verdict_of_anyone(
    ask: Ask, answer: Answer, reviewer: User, alice: User, bob: User
) -> None:
    other = ask(bob, "What fruit is good for diabetes?")
    review.judge_answer(reviewer, answer, "wrong")
    review.judge_answer(alice, answer, "correct")
    assert list(review.queue(reviewer, verdict="correct")) == [answer]
    assert list(review.queue(reviewer, verdict="wrong")) == []
    assert list(review.queue(reviewer, verdict=UNJUDGED)) == [other]
    review.withdraw_answer_judgement(alice, answer)
    assert set(review.queue(reviewer, verdict=UNJUDGED)) == {answer, other}


def test_the_queue_filters_by_knowledge_base(
    answer: Answer, reviewer: User, indexed: KnowledgeBase
) -> None:
    empty = KnowledgeBase.objects.create(name="Empty", slug="empty")
    assert list(review.queue(reviewer, knowledge_base=indexed)) == [answer]
    assert list(review.queue(reviewer, knowledge_base=empty)) == []


def test_the_queue_shows_finished_answers_newest_first_a_page_at_a_time(
    waiting: Answer, reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(review.queue(reviewer)) == []
    monkeypatch.setattr(review, "PAGE_SIZE", 2)
    made = [
        Answer.objects.create(question=waiting.question, state=Answer.State.DONE)
        for _number in range(3)
    ]
    for each in made:
        each.knowledge_bases.set(waiting.knowledge_bases.all())
    first = review.queue(reviewer)
    assert list(first) == [made[2], made[1]]
    assert first.paginator.count == 3
    assert list(review.queue(reviewer, page="99")) == [made[0]]
    assert list(review.queue(reviewer, page="nonsense")) == [made[2], made[1]]


# ---- test questions ------------------------------------------------------------------------------
def test_graded_sources_become_a_test_question(
    answer: Answer, reviewer: User, alice: User, indexed: KnowledgeBase
) -> None:
    passages = list(answer.passages.order_by("final_rank")[:2])
    review.judge_source(reviewer, passages[0], 1)
    review.judge_source(alice, passages[0], 3)
    review.judge_source(reviewer, passages[1], 2)
    review.withdraw_source_judgement(reviewer, passages[1])
    saved = review.save_as_evaluation_question(reviewer, answer)
    assert saved.knowledge_base == indexed
    assert saved.text == "How can I sleep better?"
    assert saved.grades == {f"{passages[0].document_id}:{passages[0].text_sha256}": 3}


def test_saving_again_brings_the_same_test_question_up_to_date(
    answer: Answer, reviewer: User
) -> None:
    review.judge_source(reviewer, best(answer), 1)
    first = review.save_as_evaluation_question(reviewer, answer)
    review.judge_source(reviewer, best(answer), 2)
    second = review.save_as_evaluation_question(reviewer, answer)
    assert first.pk == second.pk
    assert list(second.grades.values()) == [2]
    assert EvaluationQuestion.objects.count() == 1


def test_without_a_graded_source_there_is_nothing_to_keep(answer: Answer, reviewer: User) -> None:
    with pytest.raises(ReviewRefused):
        review.save_as_evaluation_question(reviewer, answer)
