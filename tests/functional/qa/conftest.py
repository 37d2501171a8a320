"""An answered question of Bob's, made of rows, so that pages are tested apart from the pipeline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile

from documents.models import Document, DocumentVersion, Membership
from qa.models import Answer, Citation, Conversation, Question, RankedPassage

if TYPE_CHECKING:
    from accounts.models import User
    from documents.models import KnowledgeBase

TEXTS = (
    ("Ten tips for better sleep", "Keep a regular bedtime. Avoid caffeine in the evening."),
    ("Neurobiology of sleep disorders", "Orexin neurons stabilise the waking state."),
    ("Insomnia", "A dark and quiet room helps. Go to bed at the same time."),
)


@dataclass(frozen=True, slots=True)
class Answered:
    """The rows of one answered question: document 0 is cited, its fused rank was 2."""

    conversation: Conversation
    question: Question
    answer: Answer
    documents: list[Document]
    passages: list[RankedPassage]
    citation: Citation


@pytest.fixture
def answered(knowledge_base: KnowledgeBase, alice: User, bob: User) -> Answered:
    return make_answered(knowledge_base, uploader=alice, asker=bob)


@pytest.fixture
def reviewer(knowledge_base: KnowledgeBase, charlie: User) -> User:
    """Charlie, no longer a stranger: reviews ``knowledge_base``."""
    Membership.objects.create(
        knowledge_base=knowledge_base, user=charlie, roles=[Membership.Role.REVIEWER]
    )
    return charlie


def make_answered(base: KnowledgeBase, *, uploader: User, asker: User) -> Answered:
    documents = [_document(base, title, text, uploader) for title, text in TEXTS]
    conversation = Conversation.objects.create(user=asker, title="How can I sleep better?")
    conversation.knowledge_bases.set([base])
    question = Question.objects.create(conversation=conversation, text="How can I sleep better?")
    answer = Answer.objects.create(
        question=question,
        state=Answer.State.DONE,
        text="Keep a regular bedtime [1].",
        was_reranked=True,
        generator="extractive",
        reranker="reranker-mini",
        timings_ms={"recall": 12.0, "rerank": 340.0, "total": 355.0},
        configuration={"knowledge_bases": [base.pk], "sources": 2},
    )
    answer.knowledge_bases.set([base])
    fused = {0: 2, 1: 1, 2: 3}
    final = {0: 1, 2: 2, 1: 3}
    passages = [
        _passage(answer, document, fused_rank=fused[place], final_rank=final[place])
        for place, document in enumerate(documents)
    ]
    citation = Citation.objects.create(
        answer=answer,
        passage=passages[0],
        marker=1,
        sentence_index=0,
        sentence="Keep a regular bedtime [1].",
        start=0,
        end=23,
        support=0.9,
        verdict=Citation.Verdict.SUPPORTED,
    )
    return Answered(conversation, question, answer, documents, passages, citation)


def _document(base: KnowledgeBase, title: str, text: str, uploader: User) -> Document:
    document = Document.objects.create(knowledge_base=base, title=title, created_by=uploader)
    version = DocumentVersion.objects.create(
        document=document,
        knowledge_base=base,
        original=ContentFile(text.encode(), name=f"{title}.txt"),
        filename=f"{title}.txt",
        media_type="text/plain",
        size=len(text),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        state=DocumentVersion.State.READY,
    )
    document.current_version = version
    document.save(update_fields=["current_version"])
    return document


def _passage(
    answer: Answer, document: Document, *, fused_rank: int, final_rank: int
) -> RankedPassage:
    text = dict(TEXTS)[document.title]
    return RankedPassage.objects.create(
        answer=answer,
        document=document,
        version=document.current_version,
        knowledge_base=document.knowledge_base,
        title=document.title,
        text=text,
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        start=0,
        end=len(text),
        fused_rank=fused_rank,
        final_rank=final_rank,
        neutral_rank=final_rank,
        rerank_rank=final_rank,
        fused_score=1 / (60 + fused_rank),
        rerank_score=3.0 - final_rank,
        relevance=0.8,
        completeness=0.5,
        readability=0.9,
        timeliness=0.5,
        final_score=0.7,
        is_source=final_rank <= 2,
    )
