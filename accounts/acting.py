"""Who acts when a command is run, where nobody is signed in."""

from __future__ import annotations

from accounts.models import User


class NobodyToActAs(Exception):
    """There is no such person; the message says what to do."""


def acting_user(name: str | None) -> User:
    """The active user called ``name``, or the first administrator. Raises ``NobodyToActAs``."""
    if name:
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise NobodyToActAs(f"There is no active user {name}.")
        return user
    user = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if user is None:
        raise NobodyToActAs("There is no administrator yet; name a user with --user.")
    return user
