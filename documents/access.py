"""One object for one viewer, or ``Http404``: the first line of every view starts here.

A viewer who may not see an object learns nothing about it, not even that it exists. Each function
reads the present rights from the database; nothing is cached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from django.db.models import Q
from django.http import Http404
from django.utils.translation import gettext as _

from documents.deliveries import Delivery
from documents.models import Chunk, Document, DocumentVersion, KnowledgeBase, Membership

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from accounts.models import User
    from documents.querysets import DocumentQuerySet, KnowledgeBaseQuerySet

Role = Literal["viewer", "curator", "reviewer", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "curator", "reviewer", "owner")


def knowledge_bases_for(viewer: User, *, role: Role = "viewer") -> KnowledgeBaseQuerySet:
    """Knowledge bases in which the viewer holds ``role`` (an owner holds each), not deleted ones.

    ``viewer`` means: may ask it, by membership or because it is open to everyone signed in.
    """
    bases = KnowledgeBase.objects
    return bases.visible_to(viewer) if role == "viewer" else bases.with_role(viewer, role)


def documents_for(viewer: User, *, role: Role = "viewer") -> DocumentQuerySet:
    """Documents the viewer may read now or, with another role, those of such knowledge bases."""
    if role == "viewer":
        return Document.objects.visible_to(viewer)
    bases = knowledge_bases_for(viewer, role=role)
    return Document.objects.present().filter(knowledge_base__in=bases.values("pk"))


def knowledge_base_for(viewer: User, slug: str, *, role: Role = "viewer") -> KnowledgeBase:
    """The knowledge base at ``slug``. Raises ``Http404`` unless the viewer holds ``role`` in it."""
    base = knowledge_bases_for(viewer, role=role).filter(slug=slug).first()
    if base is None:
        raise Http404(_("There is no such knowledge base, or it is not yours to open."))
    return base


def deleted_knowledge_base_for(viewer: User, slug: str) -> KnowledgeBase:
    """A deleted knowledge base that the viewer owned. Raises ``Http404``."""
    deleted = KnowledgeBase.objects.filter(slug=slug).exclude(deleted_at=None)
    if not viewer.is_superuser:
        deleted = deleted.filter(pk__in=_memberships(viewer, "owner").values("knowledge_base"))
    base: KnowledgeBase | None = deleted.first()
    if base is None or not viewer.is_active:
        raise Http404(_("There is no such knowledge base, or it is not yours to open."))
    return base


def document_for(viewer: User, pk: int, *, role: Role = "viewer") -> Document:
    """A document with its knowledge base. Raises ``Http404`` unless the viewer may open it."""
    document = (
        documents_for(viewer, role=role)
        .filter(pk=pk)
        .select_related("knowledge_base", "current_version")
        .first()
    )
    if document is None:
        raise Http404(_("There is no such document, or it is not yours to open."))
    return document


def deleted_document_for(viewer: User, pk: int, *, role: Role = "curator") -> Document:
    """A deleted document of a base in which the viewer holds ``role``. Raises ``Http404``."""
    document: Document | None = (
        Document.objects.filter(
            pk=pk,
            purged_at=None,
            knowledge_base__in=knowledge_bases_for(viewer, role=role).values("pk"),
        )
        .exclude(deleted_at=None)
        .select_related("knowledge_base")
        .first()
    )
    if document is None:
        raise Http404(_("There is no such document, or it is not yours to open."))
    return document


def version_for(viewer: User, pk: int, *, role: Role = "viewer") -> DocumentVersion:
    """A version of a document the viewer may open. Raises ``Http404``."""
    version = (
        DocumentVersion.objects.filter(
            pk=pk, document__in=documents_for(viewer, role=role).values("pk")
        )
        .select_related("document", "knowledge_base")
        .first()
    )
    if version is None:
        raise Http404(_("There is no such document, or it is not yours to open."))
    return version


def delivery_for(viewer: User, pk: int) -> Delivery:
    """An archive or page on its way into a base that the viewer curates. Raises ``Http404``."""
    delivery = (
        Delivery.objects.filter(
            pk=pk, knowledge_base__in=knowledge_bases_for(viewer, role="curator").values("pk")
        )
        .select_related("knowledge_base", "requested_by")
        .first()
    )
    if delivery is None:
        raise Http404(_("There is no such archive or page, or it is not yours to open."))
    return delivery


def chunk_for(viewer: User, pk: int, *, role: Role = "viewer") -> Chunk:
    """A passage of the active index of a document the viewer may open. Raises ``Http404``."""
    chunks = Chunk.objects.visible_to(viewer)
    if role != "viewer":
        chunks = chunks.filter(
            knowledge_base__in=knowledge_bases_for(viewer, role=role).values("pk")
        )
    chunk = (
        chunks.filter(pk=pk)
        .select_related("document__knowledge_base", "knowledge_base", "version", "generation")
        .first()
    )
    if chunk is None:
        raise Http404(_("There is no such passage, or it is not yours to open."))
    return chunk


def roles_in(viewer: User, base: KnowledgeBase) -> frozenset[Role]:
    """Every role the viewer holds in ``base``, also through groups; administrators hold all."""
    if not viewer.is_active or base.deleted_at is not None:
        return frozenset()
    if viewer.is_superuser:
        return frozenset(ROLES)
    held: set[str] = set()
    for roles in _memberships(viewer).filter(knowledge_base=base).values_list("roles", flat=True):
        held.update(roles)
    if "owner" in held:
        return frozenset(ROLES)
    if held or base.visibility == KnowledgeBase.Visibility.SIGNED_IN:
        held.add("viewer")
    return frozenset(role for role in ROLES if role in held)


def may_create_knowledge_base(user: User) -> bool:
    """Staff, and people or groups with the permission ``documents.add_knowledgebase``."""
    return user.is_active and (user.is_staff or user.has_perm("documents.add_knowledgebase"))


def _memberships(viewer: User, *roles: Role) -> QuerySet[Membership]:
    """Memberships of the viewer and of the viewer's groups, with one of ``roles`` if any."""
    found = Membership.objects.filter(Q(user=viewer.pk) | Q(group__in=viewer.groups.values("pk")))
    return found.filter(roles__overlap=list(roles)) if roles else found
