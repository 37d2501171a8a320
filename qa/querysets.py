"""Whose conversations and answers a person may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from documents.models import KnowledgeBase

if TYPE_CHECKING:
    from accounts.models import User
    from documents.querysets import KnowledgeBaseQuerySet
    from qa.models import Answer, Conversation, RerankerMeasurement


TEMPORARY = "evaluation-"
"""How the slug of a knowledge base begins that is there for an evaluation only; its owner, who
cannot sign in, has the same name."""


def bases_of(user: User, *roles: str) -> KnowledgeBaseQuerySet:
    """Knowledge bases the user may ask, or with ``roles`` those in which one of them is held."""
    bases = KnowledgeBase.objects.all()
    return bases.with_role(user, *roles) if roles else bases.visible_to(user)


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def of(self, user: User) -> ConversationQuerySet:
        """The user's own conversations; nobody else reads them, administrators included."""
        return self.filter(user=user, deleted_at=None)


class AnswerQuerySet(models.QuerySet["Answer"]):
    def readable_by(self, user: User) -> AnswerQuerySet:
        """Answers to the user's own questions, and those the user may review."""
        return self.filter(
            Q(question__conversation__user=user, question__conversation__deleted_at=None)
            | Q(pk__in=AnswerQuerySet(self.model).reviewable_by(user).values("pk"))
        )

    def reviewable_by(self, user: User) -> AnswerQuerySet:
        """Answers from knowledge bases all of which the user reviews."""
        reviewed = bases_of(user, "reviewer").values("pk")
        foreign = self.model.knowledge_bases.through.objects.filter(
            answer=models.OuterRef("pk")
        ).exclude(knowledgebase__in=reviewed)
        some = self.model.knowledge_bases.through.objects.filter(answer=models.OuterRef("pk"))
        return self.filter(models.Exists(some), ~models.Exists(foreign))


class MeasurementQuerySet(models.QuerySet["RerankerMeasurement"]):
    def readable_by(self, user: User) -> MeasurementQuerySet:
        """To curators: those on the sample documents, and on knowledge bases that they curate."""
        curated = bases_of(user, "curator")
        if not curated.exists():
            return self.none()
        return self.filter(Q(knowledge_base=None) | Q(knowledge_base__in=curated.values("pk")))
