"""A small indexed knowledge base, and answers made from it by the real pipeline with fakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from documents.corpora import index_passages
from documents.models import Document
from qa import chat
from qa.answering import generate_answer

if TYPE_CHECKING:
    from accounts.models import User
    from documents.models import KnowledgeBase
    from qa.models import Answer

PASSAGES = (
    (
        "tips",
        "Ten tips for better sleep",
        "Keep a regular bedtime to sleep better. A dark and quiet bedroom helps you sleep.",
    ),
    (
        "apnea",
        "Sleep apnea",
        "Sleep apnea stops your breathing while you sleep. Ask a doctor about a sleep study.",
    ),
    (
        "coffee",
        "Caffeine and sleep",
        "Coffee late in the day makes it harder to sleep. Avoid caffeine after lunch.",
    ),
    (
        "fruit",
        "Fruit for people with diabetes",
        "Berries and apples are good fruit choices for people with diabetes. Watch the portions.",
    ),
    (
        "salt",
        "Blood pressure",
        "Less salt lowers blood pressure. Walking every day helps as well.",
    ),
)
QUESTION = "How can I sleep better?"


class Ask(Protocol):
    def __call__(
        self, actor: User, text: str = QUESTION, *, with_rerank: bool = True
    ) -> Answer: ...


@pytest.fixture
def indexed(knowledge_base: KnowledgeBase) -> KnowledgeBase:
    """Alice's and Bob's knowledge base with five short documents."""
    index_passages(knowledge_base, PASSAGES)
    knowledge_base.refresh_from_db()
    return knowledge_base


@pytest.fixture
def waiting(indexed: KnowledgeBase, bob: User) -> Answer:
    """Bob's question, not answered yet."""
    return chat.ask(actor=bob, conversation=None, knowledge_bases=[indexed], text=QUESTION)


@pytest.fixture
def ask(indexed: KnowledgeBase) -> Ask:
    """Ask ``indexed`` and have the answer made at once."""

    def ask_now(actor: User, text: str = QUESTION, *, with_rerank: bool = True) -> Answer:
        answer = chat.ask(
            actor=actor,
            conversation=None,
            knowledge_bases=[indexed],
            text=text,
            with_rerank=with_rerank,
            enqueue=False,
        )
        generate_answer(answer.pk)
        answer.refresh_from_db()
        return answer

    return ask_now


def document_of(title: str) -> Document:
    return Document.objects.get(title=title)


def close_to_viewers(document: Document) -> None:
    """Take a document out of sight of everyone but curators and reviewers."""
    document.is_enabled = False
    document.save(update_fields=["is_enabled"])
