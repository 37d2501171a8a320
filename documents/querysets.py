"""Who may see what, said once, as querysets. Every page, command and search starts here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from accounts.models import User
    from documents.models import Chunk, Document, KnowledgeBase


class KnowledgeBaseQuerySet(models.QuerySet["KnowledgeBase"]):
    def present(self) -> KnowledgeBaseQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, user: User) -> KnowledgeBaseQuerySet:
        """Knowledge bases the user may ask: open to everyone signed in, or by membership."""
        present = self.present()
        if not user.is_active:
            return present.none()
        if user.is_superuser:
            return present
        mine = _memberships_of(user).values("knowledge_base")
        return present.filter(Q(visibility="signed_in") | Q(pk__in=mine))

    def with_role(self, user: User, *roles: str) -> KnowledgeBaseQuerySet:
        """Knowledge bases in which the user holds one of ``roles``; owners hold every role."""
        present = self.present()
        if not user.is_active:
            return present.none()
        if user.is_superuser:
            return present
        mine = _memberships_of(user).filter(roles__overlap=[*roles, "owner"])
        return present.filter(pk__in=mine.values("knowledge_base"))


class DocumentQuerySet(models.QuerySet["Document"]):
    def present(self) -> DocumentQuerySet:
        return self.filter(deleted_at=None, knowledge_base__deleted_at=None)

    def visible_to(self, user: User) -> DocumentQuerySet:
        """Documents the user may read now.

        A document restricted to groups is read by those groups and by the knowledge base's
        curators. A disabled one is read by curators and reviewers only.
        """
        present = self.present()
        if user.is_superuser and user.is_active:
            return present
        bases = _knowledge_bases()
        curated = bases.with_role(user, "curator").values("pk")
        staffed = bases.with_role(user, "curator", "reviewer").values("pk")
        restrictions = self.model.visible_to_groups.through._default_manager.filter(
            document=models.OuterRef("pk")
        )
        unrestricted = ~models.Exists(restrictions)
        granted = models.Exists(restrictions.filter(group__in=user.groups.values("pk")))
        return present.filter(
            Q(knowledge_base__in=bases.visible_to(user).values("pk")),
            Q(is_enabled=True) | Q(knowledge_base__in=staffed),
            Q(unrestricted) | Q(granted) | Q(knowledge_base__in=curated),
        )

    def curated_by(self, user: User) -> DocumentQuerySet:
        """Documents the user may change."""
        return self.present().filter(
            knowledge_base__in=_knowledge_bases().with_role(user, "curator").values("pk")
        )


class ChunkQuerySet(models.QuerySet["Chunk"]):
    def visible_to(self, user: User) -> ChunkQuerySet:
        """Chunks of the active generation whose document the user may read now."""
        documents = DocumentQuerySet(apps.get_model("documents", "Document"))
        return self.filter(
            document__in=documents.visible_to(user).values("pk"),
            generation=models.F("knowledge_base__active_generation"),
        )


def _knowledge_bases() -> KnowledgeBaseQuerySet:
    return KnowledgeBaseQuerySet(apps.get_model("documents", "KnowledgeBase"))


def _memberships_of(user: User) -> models.QuerySet[Any]:
    memberships = apps.get_model("documents", "Membership")._default_manager
    return memberships.filter(Q(user=user.pk) | Q(group__in=user.groups.values("pk")))
