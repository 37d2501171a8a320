"""The review pages: who may see them, what verdicts do, and that nothing is overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from qa.models import AnswerJudgement, EvaluationQuestion, SentenceJudgement, SourceJudgement
from qa.review import judgements_by

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User
    from tests.functional.qa.conftest import Answered


def test_the_list_is_for_reviewers_only(
    client: Client, answered: Answered, bob: User, reviewer: User
) -> None:
    client.force_login(bob)
    assert client.get(reverse("qa:review")).status_code == 404
    client.force_login(reviewer)
    assert "How can I sleep better?" in client.get(reverse("qa:review")).content.decode()


@pytest.mark.parametrize(
    "name", ["review_answer", "review_judge", "review_withdraw", "review_keep"]
)
def test_the_asker_may_not_review(client: Client, answered: Answered, bob: User, name: str) -> None:
    client.force_login(bob)
    visit = client.get if name == "review_answer" else client.post
    assert visit(reverse(f"qa:{name}", args=[answered.answer.pk])).status_code == 404


def test_the_list_filters_by_verdict(client: Client, answered: Answered, reviewer: User) -> None:
    client.force_login(reviewer)
    address = reverse("qa:review")
    assert "sleep better" in client.get(address, {"verdict": "unjudged"}).content.decode()
    client.post(
        reverse("qa:review_judge", args=[answered.answer.pk]),
        {"verdict": "correct", "comment": "Good."},
    )
    assert "sleep better" not in client.get(address, {"verdict": "unjudged"}).content.decode()
    assert "sleep better" in client.get(address, {"verdict": "correct"}).content.decode()


def test_a_second_verdict_is_appended_and_the_newest_counts(
    client: Client, answered: Answered, reviewer: User
) -> None:
    client.force_login(reviewer)
    address = reverse("qa:review_judge", args=[answered.answer.pk])
    client.post(address, {"verdict": "correct"})
    client.post(address, {"verdict": "wrong", "comment": "Names no source."})
    assert AnswerJudgement.objects.count() == 2
    mine = judgements_by(reviewer, answered.answer)
    assert (mine.verdict, mine.comment) == ("wrong", "Names no source.")


def test_an_unknown_verdict_is_refused(client: Client, answered: Answered, reviewer: User) -> None:
    client.force_login(reviewer)
    response = client.post(
        reverse("qa:review_judge", args=[answered.answer.pk]), {"verdict": "great"}
    )
    assert response.status_code == 422
    assert not AnswerJudgement.objects.exists()


def test_a_verdict_can_be_taken_back(client: Client, answered: Answered, reviewer: User) -> None:
    client.force_login(reviewer)
    client.post(reverse("qa:review_judge", args=[answered.answer.pk]), {"verdict": "correct"})
    client.post(reverse("qa:review_withdraw", args=[answered.answer.pk]))
    assert judgements_by(reviewer, answered.answer).verdict is None
    assert AnswerJudgement.objects.count() == 2


def test_the_same_button_twice_takes_the_judgement_of_a_citation_back(
    client: Client, answered: Answered, reviewer: User
) -> None:
    client.force_login(reviewer)
    address = reverse("qa:review_citation", args=[answered.citation.pk])
    client.post(address, {"verdict": "supported"})
    assert judgements_by(reviewer, answered.answer).citations == {answered.citation.pk: "supported"}
    client.post(address, {"verdict": "supported"})
    assert judgements_by(reviewer, answered.answer).citations == {}
    assert SentenceJudgement.objects.count() == 2


@pytest.mark.parametrize("grade", ["4", "-1", "x", ""])
def test_a_grade_off_the_scale_is_refused(
    client: Client, answered: Answered, reviewer: User, grade: str
) -> None:
    client.force_login(reviewer)
    client.post(reverse("qa:review_source", args=[answered.passages[0].pk]), {"grade": grade})
    assert not SourceJudgement.objects.exists()


def test_graded_sources_become_a_test_question(
    client: Client, answered: Answered, reviewer: User
) -> None:
    client.force_login(reviewer)
    keep = reverse("qa:review_keep", args=[answered.answer.pk])
    client.post(keep)
    assert not EvaluationQuestion.objects.exists()
    client.post(reverse("qa:review_source", args=[answered.passages[0].pk]), {"grade": "3"})
    client.post(keep)
    kept = EvaluationQuestion.objects.get()
    assert list(kept.grades.values()) == [3]


def test_a_reviewer_does_not_see_the_text_of_a_closed_document(
    client: Client, answered: Answered, reviewer: User
) -> None:
    answered.documents[0].visible_to_groups.add(Group.objects.create(name="board"))
    client.force_login(reviewer)
    page = client.get(reverse("qa:review_answer", args=[answered.answer.pk])).content.decode()
    assert "a source you may not open" in page
    assert "regular bedtime" not in page


def test_the_list_needs_a_bounded_number_of_queries(
    client: Client,
    answered: Answered,
    reviewer: User,
    django_assert_max_num_queries: object,
) -> None:
    client.force_login(reviewer)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        client.get(reverse("qa:review"))
