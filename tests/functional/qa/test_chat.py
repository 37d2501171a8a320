"""The chat pages as people use them, with and without htmx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from documents.models import KnowledgeBase
from qa.models import Answer, Conversation, Question

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User
    from tests.functional.qa.conftest import Answered

HTMX = {"HX-Request": "true"}


def ask(client: Client, base: KnowledgeBase, text: str, **more: object) -> object:
    data = {"text": text, "knowledge_bases": [base.pk], "with_rerank": "on", **more}
    return client.post(reverse("qa:ask"), data)


def test_an_anonymous_visitor_is_sent_to_sign_in(client: Client, admin: User) -> None:
    response = client.get("/")
    assert response.status_code == 302
    assert reverse("accounts:sign_in") in response["Location"]


def test_the_home_page_offers_only_knowledge_bases_that_may_be_asked(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    KnowledgeBase.objects.create(name="Secret plans", slug="secret")
    client.force_login(bob)
    page = client.get("/").content.decode()
    assert "Health" in page
    assert "Secret plans" not in page


def test_somebody_with_nothing_to_ask_is_told_what_to_do(client: Client, charlie: User) -> None:
    client.force_login(charlie)
    assert "Ask its owner" in client.get("/").content.decode()


def test_example_questions_are_offered_and_can_be_sent(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    knowledge_base.suggested_questions = ["How can I sleep better?"]
    knowledge_base.save()
    client.force_login(bob)
    assert "How can I sleep better?" in client.get("/").content.decode()
    ask(client, knowledge_base, "", suggestion="How can I sleep better?")
    assert Question.objects.get().text == "How can I sleep better?"


def test_the_link_from_a_knowledge_base_has_it_ticked(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    open_to_all = KnowledgeBase.Visibility.SIGNED_IN
    first = KnowledgeBase.objects.create(name="Aardvarks", slug="a", visibility=open_to_all)
    client.force_login(bob)
    page = client.get("/", {"kb": knowledge_base.slug}).content.decode()
    assert f'value="{knowledge_base.pk}" checked' in page
    assert f'value="{first.pk}" checked' not in page


def test_asking_stores_the_question_and_leads_to_the_waiting_answer(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(bob)
    response = ask(client, knowledge_base, "How can I sleep better?")
    answer = Answer.objects.get()
    address = reverse("qa:conversation", args=[answer.question.conversation_id])
    assert response["Location"] == f"{address}#answer-{answer.pk}"  # type: ignore[index]
    page = client.get(address).content.decode()
    assert f'sse-connect="{reverse("qa:answer_events", args=[answer.pk])}"' in page
    assert '<meta http-equiv="refresh"' in page  # without JavaScript the page asks again


def test_a_follow_up_with_htmx_returns_only_the_new_turn(
    client: Client, answered: Answered
) -> None:
    client.force_login(answered.conversation.user)
    response = client.post(
        reverse("qa:ask_in", args=[answered.conversation.pk]),
        {"text": "And in summer?"},
        headers=HTMX,
    )
    page = response.content.decode()
    assert "And in summer?" in page
    assert "<html" not in page
    assert "How can I sleep better?" not in page


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001])
def test_a_question_that_cannot_be_asked_is_refused_and_nothing_is_stored(
    client: Client, bob: User, knowledge_base: KnowledgeBase, text: str
) -> None:
    client.force_login(bob)
    response = ask(client, knowledge_base, text)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert not Question.objects.exists()


def test_a_refusal_with_htmx_lands_in_the_message_area(client: Client, answered: Answered) -> None:
    client.force_login(answered.conversation.user)
    response = client.post(
        reverse("qa:ask_in", args=[answered.conversation.pk]), {"text": ""}, headers=HTMX
    )
    assert response.status_code == 422
    assert response["HX-Retarget"] == "#messages"


def test_a_knowledge_base_of_others_cannot_be_asked(
    client: Client, charlie: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(charlie)
    assert ask(client, knowledge_base, "What is in there?").status_code == 422  # type: ignore[attr-defined]
    assert not Question.objects.exists()


def test_the_conversation_shows_answer_sources_and_both_rankings(
    client: Client, answered: Answered
) -> None:
    client.force_login(answered.conversation.user)
    page = client.get(reverse("qa:conversation", args=[answered.conversation.pk])).content.decode()
    assert "Keep a regular bedtime" in page
    assert 'class="cite"' in page
    assert "start=0&amp;end=23#cited" in page
    assert "With rerank" in page
    assert "Without rerank" in page
    assert "▲1" in page
    assert "rerank <strong>340 ms" in page
    assert "1 of 2 sources changed by rerank" in page


def test_a_passage_of_a_document_made_private_is_not_shown_any_more(
    client: Client, answered: Answered
) -> None:
    answered.documents[0].visible_to_groups.add(Group.objects.create(name="board"))
    client.force_login(answered.conversation.user)
    page = client.get(reverse("qa:conversation", args=[answered.conversation.pk])).content.decode()
    assert "a source you may not open" in page
    assert "Ten tips" not in page
    assert "regular bedtime" not in page


@pytest.mark.parametrize(
    "name", ["conversation", "answer", "answer_events", "rename", "delete", "restore", "stop"]
)
def test_a_stranger_finds_nothing(
    client: Client, answered: Answered, charlie: User, name: str
) -> None:
    client.force_login(charlie)
    pk = answered.answer.pk if name in {"answer", "answer_events", "stop"} else None
    address = reverse(f"qa:{name}", args=[pk or answered.conversation.pk])
    visit = client.get if name in {"conversation", "answer", "answer_events"} else client.post
    assert visit(address).status_code == 404


@pytest.mark.parametrize("name", ["stop", "regenerate", "twin"])
def test_a_reviewer_may_not_act_on_the_answer_of_another(
    client: Client, answered: Answered, reviewer: User, name: str
) -> None:
    client.force_login(reviewer)
    assert client.post(reverse(f"qa:{name}", args=[answered.answer.pk])).status_code == 404


@pytest.mark.parametrize("name", ["rename", "delete", "restore", "ask_in"])
def test_state_changes_only_by_post(client: Client, answered: Answered, name: str) -> None:
    client.force_login(answered.conversation.user)
    assert client.get(reverse(f"qa:{name}", args=[answered.conversation.pk])).status_code == 405


def test_a_deleted_conversation_can_be_brought_back(client: Client, answered: Answered) -> None:
    client.force_login(answered.conversation.user)
    response = client.post(reverse("qa:delete", args=[answered.conversation.pk]), follow=True)
    assert "Undo" in response.content.decode()
    address = reverse("qa:conversation", args=[answered.conversation.pk])
    assert client.get(address).status_code == 404
    client.post(reverse("qa:restore", args=[answered.conversation.pk]))
    assert client.get(address).status_code == 200


def test_a_conversation_can_be_renamed_but_not_to_nothing(
    client: Client, answered: Answered
) -> None:
    client.force_login(answered.conversation.user)
    address = reverse("qa:rename", args=[answered.conversation.pk])
    client.post(address, {"title": "Sleep"})
    client.post(address, {"title": " "})
    assert Conversation.objects.get(pk=answered.conversation.pk).title == "Sleep"


def test_answering_without_rerank_makes_one_twin_however_often_it_is_asked_for(
    client: Client, answered: Answered
) -> None:
    client.force_login(answered.conversation.user)
    address = reverse("qa:twin", args=[answered.answer.pk])
    for _ in range(2):
        assert client.post(address, headers=HTMX).status_code == 200
    twin = Answer.objects.get(kind=Answer.Kind.TWIN)
    assert not twin.with_rerank


def test_asking_for_the_twin_again_leads_to_the_one_on_the_page(
    client: Client, answered: Answered
) -> None:
    client.force_login(answered.conversation.user)
    address = reverse("qa:twin", args=[answered.answer.pk])
    assert 'class="answer"' in client.post(address, headers=HTMX).content.decode()
    second = client.post(address, headers=HTMX)
    assert second["HX-Redirect"].endswith(f"#answer-{Answer.objects.get(kind='twin').pk}")
    assert second.content == b""


def test_answering_again_from_a_base_that_was_closed_says_so_in_the_message_area(
    client: Client, answered: Answered
) -> None:
    answered.answer.knowledge_bases.get().memberships.all().delete()
    client.force_login(answered.conversation.user)
    response = client.post(reverse("qa:regenerate", args=[answered.answer.pk]), headers=HTMX)
    assert response.status_code == 422
    assert response["HX-Retarget"] == "#messages"


def test_a_part_asked_for_after_the_session_ended_sends_the_whole_page_to_sign_in(
    client: Client, answered: Answered
) -> None:
    response = client.get(
        reverse("qa:workers"),
        headers={**HTMX, "HX-Current-URL": "http://testserver/conversations/7/"},
    )
    assert response.status_code == 204
    assert response["HX-Redirect"] == "/sign-in/?next=%2Fconversations%2F7%2F"


def test_a_crafted_choice_is_refused_like_any_other(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(bob)
    response = client.post(reverse("qa:ask"), {"text": "", "knowledge_bases": ["²"]})
    assert response.status_code == 422


def test_what_a_model_wrote_is_never_markup(client: Client, answered: Answered) -> None:
    Answer.objects.filter(pk=answered.answer.pk).update(
        text="<script>alert(1)</script> ![x](http://evil.example/x) [a](javascript:alert(1)) [1]"
    )
    client.force_login(answered.conversation.user)
    page = client.get(reverse("qa:conversation", args=[answered.conversation.pk])).content.decode()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert 'href="javascript:' not in page


def test_the_page_is_there_in_chinese(client: Client, bob: User) -> None:
    client.force_login(bob)
    page = client.get("/", headers={"Accept-Language": "zh-hans"}).content.decode()
    assert 'lang="zh-hans"' in page
