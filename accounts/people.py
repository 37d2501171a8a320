"""People and what they may do across the installation; rights in one knowledge base are elsewhere.

Every person may ask. The other roles are groups, so that knowledge bases and documents can be given
to them as a whole; an administrator is a superuser.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from django.contrib.auth.models import Group, Permission
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.audit import record
from accounts.models import User

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Role(models.TextChoices):
    CURATOR = "curator", gettext_lazy("Curator: creates and fills knowledge bases")
    REVIEWER = "reviewer", gettext_lazy("Reviewer: judges answers")
    ADMINISTRATOR = "administrator", gettext_lazy("Administrator: everything, people included")


GROUP_OF = {Role.CURATOR: "Curators", Role.REVIEWER: "Reviewers"}
PERMISSIONS_OF = {Role.CURATOR: (("documents", "add_knowledgebase"),), Role.REVIEWER: ()}

_TEMPORARY_WORDS = 4
_TEMPORARY_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without letters and digits that are easily taken for each other."""


class LastAdministratorError(Exception):
    """The change would leave nobody who may manage people."""

    def __init__(self) -> None:
        super().__init__(
            _("There must be at least one active administrator. Make someone else one first.")
        )


def create_person(
    *,
    actor: User | None,
    username: str,
    email: str = "",
    full_name: str = "",
    roles: Collection[str] = (),
    password: str = "",
) -> tuple[User, str]:
    """A new person with ``roles``, and the password to tell them.

    Without ``password`` one is made that must be changed at the first sign-in; it is returned here
    and stored nowhere. Raises ``ValidationError``, for instance for a name that is taken.
    """
    given = bool(password)
    password = password or temporary_password()
    person = User(
        username=username.strip(),
        email=email.strip(),
        first_name=full_name.strip(),
        must_change_password=not given,
    )
    person.set_password(password)
    if User.objects.filter(username__iexact=person.username).exists():
        raise ValidationError({"username": _("Somebody has this name already.")})
    person.full_clean()
    with transaction.atomic():
        person.save(force_insert=True)
        _set_roles(person, roles)
        record(actor, "person.create", person, username=person.username, roles=roles_of(person))
    return person, password


def set_roles(*, actor: User, person: User, roles: Collection[str]) -> bool:
    """Give the person exactly ``roles``. False when they were so. ``LastAdministratorError``."""
    with transaction.atomic():
        before = roles_of(person)
        if set(before) == set(roles):
            return False
        _set_roles(person, roles)
        _keep_an_administrator(lost=Role.ADMINISTRATOR.value in before)
        record(actor, "person.set_roles", person, before=before, after=roles_of(person))
    return True


def set_groups(*, actor: User, person: User, groups: Collection[Group]) -> bool:
    """Put the person into exactly ``groups``; roles follow. False when they were so.

    An administrator stays one: that role has no group.
    """
    with transaction.atomic():
        before = sorted(person.groups.values_list("name", flat=True))
        after = sorted(group.name for group in groups)
        if before == after:
            return False
        person.groups.set(groups)
        person.is_staff = person.is_superuser or GROUP_OF[Role.CURATOR] in after
        person.save(update_fields=["is_staff"])
        record(actor, "person.set_groups", person, before=before, after=after)
    return True


def set_active(*, actor: User, person: User, active: bool) -> bool:
    """Let the person sign in, or end all their sessions. False when it was so already.

    Raises ``LastAdministratorError``, and ``ValidationError`` for oneself.
    """
    if person.pk == actor.pk:
        raise ValidationError(_("You cannot deactivate yourself."))
    with transaction.atomic():
        changed = (
            User.objects.filter(pk=person.pk).exclude(is_active=active).update(is_active=active)
        )
        if changed:
            _keep_an_administrator(lost=person.is_superuser and not active)
            record(actor, "person.reactivate" if active else "person.deactivate", person)
    return bool(changed)


def reset_password(*, actor: User, person: User) -> str:
    """A temporary password to tell the person; it must be changed, and their sessions end."""
    password = temporary_password()
    with transaction.atomic():
        person.set_password(password)
        person.must_change_password = True
        person.save(update_fields=["password", "must_change_password"])
        record(actor, "person.reset_password", person)
    return password


def change_password(*, actor: User, password: str) -> None:
    """The person's own new password. Raises ``ValidationError`` for a weak one or the old."""
    validate_password(password, actor)
    if actor.check_password(password):
        raise ValidationError(_("Choose another password than the present one."))
    with transaction.atomic():
        actor.set_password(password)
        actor.must_change_password = False
        actor.save(update_fields=["password", "must_change_password"])
        record(actor, "person.change_password", actor)


def set_language(*, actor: User, language: str) -> None:
    """Remember the language the person chose, for their next sign-in elsewhere."""
    if actor.language != language:
        with transaction.atomic():
            actor.language = language
            actor.save(update_fields=["language"])
            record(actor, "person.set_language", actor, language=language)


def roles_of(person: User) -> list[str]:
    """The person's roles as stored, in the order of ``Role``."""
    names = set(person.groups.values_list("name", flat=True))
    held = {role for role, name in GROUP_OF.items() if name in names}
    if person.is_superuser:
        held.add(Role.ADMINISTRATOR)
    return [role.value for role in Role if role in held]


def role_group(role: Role) -> Group:
    """The group behind a role, made with its permissions when it is missing."""
    group, created = Group.objects.get_or_create(name=GROUP_OF[role])
    if created:
        for app_label, codename in PERMISSIONS_OF[role]:
            group.permissions.add(
                *Permission.objects.filter(content_type__app_label=app_label, codename=codename)
            )
    return group


def temporary_password() -> str:
    """Random, and short enough to be told over a telephone: 80 bits."""
    words: Sequence[str] = [
        "".join(secrets.choice(_TEMPORARY_LETTERS) for _letter in range(4))
        for _word in range(_TEMPORARY_WORDS)
    ]
    return "-".join(words)


def _set_roles(person: User, roles: Collection[str]) -> None:
    wanted = {Role(role) for role in roles}
    for role in GROUP_OF:
        group = role_group(role)
        if role in wanted:
            person.groups.add(group)
        else:
            person.groups.remove(group)
    person.is_superuser = Role.ADMINISTRATOR in wanted
    person.is_staff = bool(wanted & {Role.ADMINISTRATOR, Role.CURATOR})
    person.save(update_fields=["is_superuser", "is_staff"])


def _keep_an_administrator(*, lost: bool) -> None:
    if lost and not User.objects.filter(is_superuser=True, is_active=True).exists():
        raise LastAdministratorError
