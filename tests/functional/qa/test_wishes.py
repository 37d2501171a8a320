"""Ranking otherwise for one answer: what the page says of time and weights, and its buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from qa.configuration import wishes_of
from qa.models import Answer
from qa.types import Wishes

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User
    from tests.functional.qa.conftest import Answered

pytestmark = pytest.mark.django_db

LATEST = {"time_intent": "latest", "time_words": "newest"}
NOTE = "Asked for the newest (“newest”): newer documents count more."


def configure(answered: Answered, **stored: object) -> None:
    answered.answer.configuration |= stored
    answered.answer.save(update_fields=["configuration"])


def page_of(client: Client, answered: Answered) -> str:
    return client.get(reverse("qa:conversation", args=[answered.conversation.pk])).content.decode()


def answer_again(client: Client, answered: Answered, **sent: str) -> Wishes:
    before = set(Answer.objects.values_list("pk", flat=True))
    client.post(reverse("qa:regenerate", args=[answered.answer.pk]), sent)
    (made,) = Answer.objects.exclude(pk__in=before)
    return wishes_of(made.configuration)


@pytest.fixture(autouse=True)
def signed_in(client: Client, bob: User) -> None:
    client.force_login(bob)


def test_the_sources_say_that_newer_ones_count_more(client: Client, answered: Answered) -> None:
    assert NOTE not in page_of(client, answered)

    configure(answered, **LATEST)
    page = page_of(client, answered)

    assert page.index(NOTE) < page.index('class="sources"')
    assert "Ask without that" in page


def test_where_nothing_was_reranked_no_age_counts_and_nothing_is_said(
    client: Client, answered: Answered
) -> None:
    configure(answered, **LATEST)
    answered.answer.was_reranked = False
    answered.answer.save(update_fields=["was_reranked"])

    page = page_of(client, answered)
    assert NOTE not in page
    assert "Ranked by:" not in page


def test_one_click_asks_without_and_one_asks_with_it_again(
    client: Client, answered: Answered
) -> None:
    configure(answered, **LATEST)
    assert answer_again(client, answered, time="off") == Wishes(follow_time=False)

    configure(answered, wishes={"follow_time": False, "preset": ""}, time_intent="")
    assert "Ask with it" in page_of(client, answered)
    assert answer_again(client, answered, time="on") == Wishes()


def test_the_panel_names_the_preset_and_offers_the_other(
    client: Client, answered: Answered
) -> None:
    page = page_of(client, answered)
    assert "Ranked by: <strong>Balanced</strong>" in page
    assert "Answer by: Relevance only" in page

    assert answer_again(client, answered, preset="relevance_only").preset == "relevance_only"


def test_a_wish_for_a_preset_is_taken_back_by_a_click(client: Client, answered: Answered) -> None:
    configure(answered, wishes={"follow_time": True, "preset": "relevance_only"})
    assert "Answer by: As the knowledge base is set" in page_of(client, answered)
    assert answer_again(client, answered, preset="configured") == Wishes()


def test_answering_again_keeps_what_is_not_sent(client: Client, answered: Answered) -> None:
    configure(answered, wishes={"follow_time": False, "preset": ""})
    wished = answer_again(client, answered, preset="relevance_only")
    assert wished == Wishes(follow_time=False, preset="relevance_only")
    assert answer_again(client, answered) == Wishes(follow_time=False)


def test_a_crafted_wish_changes_nothing(client: Client, answered: Answered) -> None:
    assert answer_again(client, answered, preset="readability=9", time="never") == Wishes()


def test_a_reviewer_reads_the_note_but_has_no_button(
    client: Client, answered: Answered, reviewer: User
) -> None:
    configure(answered, **LATEST)
    client.force_login(reviewer)
    page = client.get(reverse("qa:review_answer", args=[answered.answer.pk])).content.decode()
    assert NOTE in page
    assert "Ask without that" not in page
    assert "Answer by:" not in page
    refused = client.post(reverse("qa:regenerate", args=[answered.answer.pk]), {"time": "off"})
    assert refused.status_code == 404
