"""Who may see what, said once, as querysets. Every page, command and search starts here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from collections.abc import Collection

    from accounts.models import User

ALL_ROLES = ("viewer", "curator", "reviewer", "owner")


def member_of(user: User, roles: Collection[str], *, prefix: str = "") -> Q:
    """Membership by the user or one of the user's groups, in any of ``roles``."""
    overlap = {f"{prefix}memberships__roles__overlap": list(roles)}
    by_user = Q(**{f"{prefix}memberships__user": user.pk})
    by_group = Q(**{f"{prefix}memberships__group__in": user.groups.values("pk")})
    return Q(**overlap) & (by_user | by_group)


class KnowledgeBaseQuerySet(models.QuerySet[Any]):
    def present(self) -> KnowledgeBaseQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, user: User) -> KnowledgeBaseQuerySet:
        """Knowledge bases the user may ask: open to everyone signed in, or by membership."""
        present = self.present()
        if not user.is_active:
            return present.none()
        if user.is_superuser:
            return present
        memberships = self.model.memberships.rel.related_model.objects.filter(
            Q(user=user.pk) | Q(group__in=user.groups.values("pk"))
        )
        return present.filter(
            Q(visibility="signed_in") | Q(pk__in=memberships.values("knowledge_base"))
        )

    def with_role(self, user: User, *roles: str) -> KnowledgeBaseQuerySet:
        """Knowledge bases in which the user holds one of ``roles``; owners hold every role."""
        present = self.present()
        if not user.is_active:
            return present.none()
        if user.is_superuser:
            return present
        memberships = self.model.memberships.rel.related_model.objects.filter(
            Q(user=user.pk) | Q(group__in=user.groups.values("pk")),
            roles__overlap=[*roles, "owner"],
        )
        return present.filter(pk__in=memberships.values("knowledge_base"))


class DocumentQuerySet(models.QuerySet[Any]):
    def present(self) -> DocumentQuerySet:
        return self.filter(deleted_at=None, knowledge_base__deleted_at=None)

    def visible_to(self, user: User) -> DocumentQuerySet:
        """Documents the user may read now.

        A document restricted to groups is read by those groups and by the knowledge base's
        curators. A disabled one is read by curators and reviewers only.
        """
        bases = self.model.knowledge_base.field.related_model.objects
        present = self.present()
        if user.is_superuser and user.is_active:
            return present
        curated = bases.with_role(user, "curator").values("pk")
        staffed = bases.with_role(user, "curator", "reviewer").values("pk")
        restrictions = self.model.visible_to_groups.through.objects
        unrestricted = ~models.Exists(restrictions.filter(document=models.OuterRef("pk")))
        granted = models.Exists(
            restrictions.filter(
                document=models.OuterRef("pk"), group__in=user.groups.values("pk")
            )
        )
        return present.filter(
            Q(knowledge_base__in=bases.visible_to(user).values("pk")),
            Q(is_enabled=True) | Q(knowledge_base__in=staffed),
            Q(unrestricted) | Q(granted) | Q(knowledge_base__in=curated),
        )

    def curated_by(self, user: User) -> DocumentQuerySet:
        """Documents the user may change."""
        bases = self.model.knowledge_base.field.related_model.objects
        return self.present().filter(knowledge_base__in=bases.with_role(user, "curator"))


class ChunkQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: User) -> ChunkQuerySet:
        """Chunks of the active generation whose document the user may read now."""
        documents = self.model.document.field.related_model.objects
        return self.filter(
            document__in=documents.visible_to(user).values("pk"),
            generation=models.F("knowledge_base__active_generation"),
        )
