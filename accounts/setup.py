"""The first administrator of an installation without people, made with a one-time token."""

from __future__ import annotations

import hashlib
import secrets
import threading
from typing import TYPE_CHECKING

from django.contrib.auth.password_validation import validate_password
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from accounts.models import SetupToken, User

if TYPE_CHECKING:
    from typing import Final

_SETUP_LOCK: Final = 4_150_100
_seen = threading.Event()
"""Set once a person is known to exist: from then on no request needs to ask the database."""


class SetupRefused(Exception):
    """The token is not the one that was printed last, or somebody exists already."""


def users_exist() -> bool:
    """Whether anybody has an account. Asks the database only until the answer is yes."""
    if _seen.is_set():
        return True
    if User.objects.exists():
        _seen.set()
        return True
    return False


def issue_token() -> str:
    """A new one-time token for ``/setup/``; earlier ones end. Only its hash is stored.

    Raises ``SetupRefused`` when somebody exists already.
    """
    token = secrets.token_urlsafe(18)
    with transaction.atomic():
        _lock()
        if User.objects.exists():
            raise SetupRefused(_("This installation is set up already."))
        SetupToken.objects.filter(used_at=None).delete()
        SetupToken.objects.create(token_sha256=_hashed(token))
    return token


def create_first_administrator(*, token: str, username: str, email: str, password: str) -> User:
    """The first person, who may do everything. The token is used up.

    Raises ``SetupRefused``, and ``ValidationError`` for a weak password or an unfit name.
    """
    person = User(username=username, email=email, is_staff=True, is_superuser=True)
    person.set_password(password)
    person.full_clean()
    validate_password(password, person)
    with transaction.atomic():
        _lock()
        if User.objects.exists():
            raise SetupRefused(_("This installation is set up already. Sign in instead."))
        used = SetupToken.objects.filter(token_sha256=_hashed(token.strip()), used_at=None).update(
            used_at=timezone.now()
        )
        if not used:
            raise SetupRefused(
                _("This is not the token that was printed when the server last started.")
            )
        person.save(force_insert=True)
        record(person, "setup.complete", person)
    return person


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_SETUP_LOCK])


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
