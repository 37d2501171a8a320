"""Knowledge bases and their members: made, changed, deleted and given back, each on the record."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.audit import record
from accounts.models import User
from documents.access import ROLES, may_create_knowledge_base
from documents.models import KnowledgeBase, Membership

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django.contrib.auth.models import Group
    from django.utils.functional import _StrPromise

WEIGHTS = (
    "relevance_weight",
    "completeness_weight",
    "readability_weight",
    "timeliness_weight",
)
EDITABLE = (
    "name",
    "description",
    "visibility",
    "suggested_questions",
    "rerank_enabled",
    "reranker",
    "candidates",
    "sources",
    *WEIGHTS,
    "relevance_floor",
    "half_life_days",
    "is_paused",
)
PRESET_NAMES: Mapping[str, _StrPromise] = {
    "balanced": gettext_lazy("Balanced"),
    "relevance_only": gettext_lazy("Relevance only"),
}
"""Of ``presets.PRESETS``, for people."""
RESERVED_SLUGS = frozenset({"new"})
"""Addresses that pages of their own stand at."""

_SLUG_LENGTH = 60


class LastOwnerError(Exception):
    """The change would leave a knowledge base without anyone who may manage it."""

    def __init__(self) -> None:
        super().__init__(
            _("A knowledge base needs at least one owner. Make someone else an owner first.")
        )


def create_knowledge_base(*, actor: User, name: str, **settings: Any) -> KnowledgeBase:
    """A new, empty knowledge base that ``actor`` owns. ``settings`` are fields of ``EDITABLE``.

    Raises ``PermissionDenied`` when the actor may not create one, else ``ValidationError``.
    """
    if not may_create_knowledge_base(actor):
        raise PermissionDenied(_("You may not create knowledge bases."))
    base = KnowledgeBase(created_by=actor)
    _assign(base, {"name": name, **settings})
    with transaction.atomic():
        _save_with_free_slug(base)
        Membership.objects.create(
            knowledge_base=base, user=actor, roles=[Membership.Role.OWNER.value]
        )
        record(actor, "knowledge_base.create", base, name=base.name, slug=base.slug)
    return base


def update_knowledge_base(
    *, actor: User, base: KnowledgeBase, changes: Mapping[str, Any]
) -> KnowledgeBase:
    """Set fields of ``EDITABLE``; the address never changes. Raises ``ValidationError``."""
    with transaction.atomic():
        locked: KnowledgeBase = KnowledgeBase.objects.select_for_update(no_key=True).get(pk=base.pk)
        before = {field: getattr(locked, field) for field in changes}
        _assign(locked, changes)
        changed = {
            field: [before[field], getattr(locked, field)]
            for field in changes
            if before[field] != getattr(locked, field)
        }
        if changed:
            locked.full_clean(exclude=["slug", "active_generation", "created_by"])
            locked.save(update_fields=sorted(changed))
            record(actor, "knowledge_base.update", locked, changed=changed)
    return locked


def delete_knowledge_base(*, actor: User, base: KnowledgeBase) -> bool:
    """Hide it and all its documents from everyone, until it is restored. False: was deleted."""
    with transaction.atomic():
        deleted = KnowledgeBase.objects.filter(pk=base.pk, deleted_at=None).update(
            deleted_at=timezone.now()
        )
        if deleted:
            record(actor, "knowledge_base.delete", base)
    return bool(deleted)


def restore_knowledge_base(*, actor: User, base: KnowledgeBase) -> bool:
    """Take a deletion back. False when it was not deleted."""
    with transaction.atomic():
        restored = (
            KnowledgeBase.objects.filter(pk=base.pk)
            .exclude(deleted_at=None)
            .update(deleted_at=None)
        )
        if restored:
            record(actor, "knowledge_base.restore", base)
    return bool(restored)


def set_membership(
    *, actor: User, base: KnowledgeBase, member: User | Group, roles: Collection[str]
) -> Membership:
    """Give a user or a group exactly ``roles`` (at least one) in ``base``.

    Raises ``ValidationError`` for an unknown or missing role, ``LastOwnerError``.
    """
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise ValidationError(_("Choose at least one role."), code="roles")
    ordered = [role for role in ROLES if role in roles]
    with transaction.atomic():
        _lock_members(base)
        holder: dict[str, Any] = {"user": member} if isinstance(member, User) else {"group": member}
        membership, created = Membership.objects.get_or_create(
            knowledge_base=base, **holder, defaults={"roles": ordered}
        )
        before = [] if created else list(membership.roles)
        if before != ordered:
            membership.roles = ordered
            membership.save(update_fields=["roles"])
            _keep_an_owner(base, lost="owner" in before)
            record(
                actor, "membership.set", base, **_named(membership), before=before, after=ordered
            )
    return membership


def revoke_membership(*, actor: User, base: KnowledgeBase, membership: Membership) -> bool:
    """End a membership of ``base``. False when it had ended. Raises ``LastOwnerError``."""
    with transaction.atomic():
        _lock_members(base)
        current = Membership.objects.filter(pk=membership.pk, knowledge_base=base).first()
        if current is None:
            return False
        named, before = _named(current), list(current.roles)
        current.delete()
        _keep_an_owner(base, lost="owner" in before)
        record(actor, "membership.revoke", base, **named, before=before)
    return True


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise ``ValidationError`` unless some factor counts: a ranking by nothing is none."""
    if sum(weights.values()) <= 0:
        raise ValidationError(_("At least one factor needs a weight above 0."), code="weights")


def _assign(base: KnowledgeBase, values: Mapping[str, Any]) -> None:
    for field, value in values.items():
        if field not in EDITABLE:
            message = f"{field} is not a field that a form may set."
            raise TypeError(message)
        setattr(base, field, value)
    check_weights({field: getattr(base, field) for field in WEIGHTS})


def _save_with_free_slug(base: KnowledgeBase) -> None:
    """Save a new base under the first free address made from its name, in any script."""
    stem = slugify(base.name, allow_unicode=True)[:_SLUG_LENGTH].strip("-_") or "knowledge-base"
    for number in count(1):
        suffix = "" if number == 1 else f"-{number}"
        base.slug = stem[: _SLUG_LENGTH - len(suffix)] + suffix
        if base.slug in RESERVED_SLUGS or KnowledgeBase.objects.filter(slug=base.slug).exists():
            continue
        base.full_clean(exclude=["active_generation", "created_by"])
        try:
            with transaction.atomic():
                base.save(force_insert=True)
        except IntegrityError:
            # Someone took the address between the look and the insert: try the next.
            base.pk = None
            continue
        return


def _lock_members(base: KnowledgeBase) -> None:
    """Changes of one base's members wait for each other, so that two cannot drop the last owner."""
    KnowledgeBase.objects.select_for_update(no_key=True).get(pk=base.pk)


def _keep_an_owner(base: KnowledgeBase, *, lost: bool) -> None:
    owners = Membership.objects.filter(
        knowledge_base=base, roles__contains=[Membership.Role.OWNER.value]
    )
    by_user = owners.filter(user__is_active=True)
    by_group = owners.filter(group__user__is_active=True)
    if lost and not (by_user.exists() or by_group.exists()):
        raise LastOwnerError


def _named(membership: Membership) -> dict[str, object]:
    if membership.user is not None:
        return {"user": membership.user.get_username(), "user_id": membership.user_id}
    return {
        "group": membership.group.name if membership.group else "",
        "group_id": membership.group_id,
    }
