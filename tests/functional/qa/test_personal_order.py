"""The page of consent, the chip on a source that moved, and the way back to the neutral order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from accounts.models import AuditEvent
from documents.models import Membership
from qa import habits
from qa.models import Answer, FitConsent, RankedPassage, SourceOpened

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

    from accounts.models import User
    from tests.functional.qa.conftest import Answered

HTMX = {"HX-Request": "true"}
PAGE = "qa:personal_order"
CHIP = "moved up: you often open recent sources"


@pytest.fixture
def fitted(answered: Answered, bob: User) -> Answered:
    """Bob has agreed; of his answer the third passage was moved up to be the first source."""
    habits.turn_on(bob)
    Answer.objects.filter(pk=answered.answer.pk).update(is_personal=True)
    first, _paper, third = answered.passages
    for passage, final in ((first, 12), (third, 1), (first, 2)):
        RankedPassage.objects.filter(pk=passage.pk).update(final_rank=final)
    RankedPassage.objects.filter(pk=third.pk).update(
        is_source=True,
        personal_fit=0.04,
        fit_reasons=["recent"],
        fit_inputs={
            "cap": 0.05,
            "parts": [{"habit": "recent", "topic": "", "strength": 0.8, "value": 1.0}],
        },
    )
    answered.citation.pk = None
    answered.citation.passage = third
    answered.citation.marker = 2
    answered.citation.save()
    return answered


def wish(client: Client, word: str) -> HttpResponse:
    return client.post(  # type: ignore[return-value]
        reverse("qa:change_personal_order"), {"wish": word}, follow=True
    )


def conversation(client: Client, made: Answered) -> str:
    address = reverse("qa:conversation", args=[made.conversation.pk])
    return client.get(address).content.decode()


def order(client: Client, made: Answered, *, neutral: bool, **more: object) -> HttpResponse:
    address = reverse("qa:answer_order", args=[made.answer.pk])
    return client.post(address, {"neutral": "1" if neutral else "0"}, **more)  # type: ignore[return-value, arg-type]


# ---- consent -------------------------------------------------------------------------------------
def test_the_page_says_what_is_used_kept_and_how_it_is_deleted_before_anybody_agrees(
    client: Client, bob: User
) -> None:
    client.force_login(bob)
    page = client.get(reverse(PAGE)).content.decode()
    for heading in ("What is used", "What is kept", "Who sees it", "How it is deleted"):
        assert heading in page
    assert f"{habits.RETENTION_DAYS} days" in page
    assert "at most 0.05" in page
    assert "What was learned so far" not in page
    assert not FitConsent.objects.exists()


def test_looking_at_pages_never_turns_it_on(client: Client, answered: Answered, bob: User) -> None:
    client.force_login(bob)
    client.get(reverse(PAGE))
    client.get(reverse("qa:change_personal_order"))
    conversation(client, answered)
    assert not FitConsent.objects.exists()


def test_agreeing_and_withdrawing_are_one_click_each(client: Client, bob: User) -> None:
    client.force_login(bob)
    assert "Personal order is on" in wish(client, "on").content.decode()
    assert habits.has_consented(bob)
    assert "Personal order is off" in wish(client, "off").content.decode()
    assert not habits.has_consented(bob)
    kept = AuditEvent.objects.filter(actor=bob).order_by("pk").values_list("action", flat=True)
    assert list(kept) == ["fit.on", "fit.off"]


def test_deleting_from_the_page_deletes(client: Client, fitted: Answered, bob: User) -> None:
    client.force_login(bob)
    client.post(reverse("qa:opened", args=[fitted.passages[2].pk]))
    assert SourceOpened.objects.exists()
    wish(client, "forget")
    assert not SourceOpened.objects.exists()
    assert not RankedPassage.objects.filter(personal_fit__gt=0).exists()
    assert CHIP not in conversation(client, fitted)


def test_an_unknown_wish_is_refused(client: Client, bob: User) -> None:
    client.force_login(bob)
    assert wish(client, "everything").status_code == 400


def test_one_persons_wish_changes_nothing_for_others(
    client: Client, fitted: Answered, bob: User, charlie: User
) -> None:
    client.force_login(charlie)
    wish(client, "on")
    wish(client, "forget")
    wish(client, "off")
    assert habits.has_consented(bob)
    assert RankedPassage.objects.filter(personal_fit__gt=0).exists()


def test_the_page_shows_what_was_learned_and_no_title(
    client: Client, fitted: Answered, bob: User
) -> None:
    client.force_login(bob)
    client.post(reverse("qa:opened", args=[fitted.passages[2].pk]))
    page = client.get(reverse(PAGE)).content.decode()
    assert "What was learned so far" in page
    assert not any(document.title in page for document in fitted.documents)


# ---- opening sources -----------------------------------------------------------------------------
def test_a_page_asks_to_be_told_of_openings_only_with_consent(
    client: Client, fitted: Answered, bob: User
) -> None:
    client.force_login(bob)
    address = reverse("qa:opened", args=[fitted.passages[0].pk])
    assert f'data-opened="{address}"' in conversation(client, fitted)
    wish(client, "off")
    assert "data-opened" not in conversation(client, fitted)


def test_without_consent_an_opening_that_is_told_all_the_same_is_not_kept(
    client: Client, fitted: Answered, bob: User
) -> None:
    client.force_login(bob)
    wish(client, "off")
    assert client.post(reverse("qa:opened", args=[fitted.passages[0].pk])).status_code == 204
    assert not SourceOpened.objects.exists()


def test_a_reviewer_of_the_answer_is_not_its_reader(
    client: Client, fitted: Answered, reviewer: User
) -> None:
    habits.turn_on(reviewer)
    client.force_login(reviewer)
    assert client.post(reverse("qa:opened", args=[fitted.passages[0].pk])).status_code == 404
    assert order(client, fitted, neutral=True).status_code == 404
    page = client.get(reverse("qa:review_answer", args=[fitted.answer.pk])).content.decode()
    assert "data-opened" not in page


# ---- chip and undo -------------------------------------------------------------------------------
def test_the_source_that_moved_says_why_and_the_neutral_order_is_one_click_away(
    client: Client, fitted: Answered, bob: User
) -> None:
    client.force_login(bob)
    page = conversation(client, fitted)
    assert CHIP in page
    assert "Your habits moved 1 source up." in page
    assert "personal fit" in page
    response = order(client, fitted, neutral=True, headers=HTMX)
    part = response.content.decode()
    assert "<html" not in part
    assert CHIP not in part
    assert part.index("Ten tips for better sleep") < part.index("Insomnia")
    assert "Show my order" in part
    assert Answer.objects.count() == 1


def test_the_neutral_order_stays_until_it_is_taken_back(
    client: Client, fitted: Answered, bob: User
) -> None:
    client.force_login(bob)
    response = order(client, fitted, neutral=True)
    assert response["Location"].endswith(f"#answer-{fitted.answer.pk}")
    assert CHIP not in conversation(client, fitted)
    order(client, fitted, neutral=False)
    assert CHIP in conversation(client, fitted)


def test_the_keyboard_finds_the_button_again_after_the_answer_was_replaced(
    client: Client, fitted: Answered, bob: User
) -> None:
    client.force_login(bob)
    button = f'id="order-{fitted.answer.pk}"'
    assert button in conversation(client, fitted)
    assert button in order(client, fitted, neutral=True, headers=HTMX).content.decode()


def test_an_answer_without_fit_has_neither_chip_nor_switch(
    client: Client, answered: Answered, bob: User
) -> None:
    client.force_login(bob)
    page = conversation(client, answered)
    assert "moved up" not in page
    assert reverse("qa:answer_order", args=[answered.answer.pk]) not in page


def test_in_review_the_order_is_neutral_and_nothing_tells_of_habits(
    client: Client, fitted: Answered, reviewer: User, admin: User
) -> None:
    for viewer in (reviewer, admin):
        client.force_login(viewer)
        page = client.get(reverse("qa:review_answer", args=[fitted.answer.pk])).content.decode()
        assert page.index("Ten tips for better sleep") < page.index("Insomnia")
        assert "moved up" not in page
        assert "personal fit" not in page
    page = client.get(reverse("admin:qa_answer_change", args=[fitted.answer.pk])).content.decode()
    assert "recent" not in page


def test_even_ones_own_answer_is_reviewed_in_the_neutral_order(
    client: Client, fitted: Answered, bob: User
) -> None:
    Membership.objects.filter(user=bob).update(roles=[Membership.Role.REVIEWER])
    client.force_login(bob)
    page = client.get(reverse("qa:review_answer", args=[fitted.answer.pk])).content.decode()
    assert "moved up" not in page


def test_the_question_of_the_chat_may_be_ordered_and_is_marked_so(
    client: Client, answered: Answered, bob: User
) -> None:
    client.force_login(bob)
    base = answered.answer.knowledge_bases.get()
    client.post(reverse("qa:ask"), {"text": "And now?", "knowledge_bases": [base.pk]})
    assert Answer.objects.latest("pk").is_personal
