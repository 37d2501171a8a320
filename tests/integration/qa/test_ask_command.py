"""``manage.py ask`` goes through the ordinary pipeline and prints what a page would show."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from qa.models import Answer
from tests.integration.qa.conftest import QUESTION

if TYPE_CHECKING:
    from accounts.models import User
    from documents.models import KnowledgeBase

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("ask", *arguments, stdout=out)
    return out.getvalue()


def test_the_answer_its_sources_and_both_rankings_are_printed(
    indexed: KnowledgeBase, bob: User
) -> None:
    printed = run(QUESTION, "--kb", "health", "--user", "bob")
    assert "Keep a regular bedtime to sleep better. [1]" in printed
    assert "[1] Ten tips for better sleep" in printed
    assert "Ranking with rerank" in printed
    assert "Ranking without rerank" in printed
    assert "sources changed by rerank" in printed
    assert "relevance × 0.40" in printed
    answer = Answer.objects.get()
    assert answer.state == Answer.State.DONE
    assert answer.question.conversation.user == bob


def test_without_rerank_one_ranking_is_printed_with_the_reason(
    indexed: KnowledgeBase, bob: User
) -> None:
    printed = run(QUESTION, "--kb", "health", "--user", "bob", "--no-rerank")
    assert "Ranking without rerank" not in printed
    assert "Rerank is off." in printed


def test_json_holds_everything(indexed: KnowledgeBase, bob: User) -> None:
    printed = json.loads(run(QUESTION, "--kb", "health", "--user", "bob", "--json"))
    assert printed["question"] == QUESTION
    assert printed["sources"][0]["factors"][0]["name"] == "relevance"
    assert printed["rankings"]["with_rerank"][0]["final_rank"] == 1


def test_without_a_user_an_administrator_asks(indexed: KnowledgeBase, admin: User) -> None:
    run(QUESTION, "--kb", "health")
    assert Answer.objects.get().question.conversation.user == admin


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((QUESTION, "--kb", "health"), "no administrator"),
        ((QUESTION, "--kb", "health", "--user", "nobody"), "no active user nobody"),
        ((QUESTION, "--kb", "gone", "--user", "bob"), "no knowledge base gone"),
        ((QUESTION, "--kb", "health", "--user", "charlie"), "at least one knowledge base"),
        (("  ", "--kb", "health", "--user", "bob"), "type a question"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(
    knowledge_base: KnowledgeBase,
    bob: User,
    charlie: User,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)
    assert not Answer.objects.exists()
