"""Signing in, and the brake on guessing: failed tries are counted per name and per address.

The counts are rows in Postgres, so that they hold across web processes and without Redis. Names and
addresses are kept only as keyed hashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib.auth import authenticate, login
from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.audit import record
from accounts.models import SignInAttempt, User

if TYPE_CHECKING:
    from django.http import HttpRequest

WINDOW = timedelta(minutes=15)
"""How long a failed try counts."""
TRIES_PER_NAME = 5
TRIES_PER_ADDRESS = 30
"""More than for a name: many people may share the address of an office."""

_KEEP = timedelta(days=1)


class WrongCredentials(Exception):
    """No such active person, or not that password; which of the two is not told."""


class TooManyAttempts(Exception):
    """Nothing was tried. ``wait_s`` is the number of seconds after which a try counts again."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many failed sign-ins; wait {wait_s} s")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class _Brake:
    key: str
    limit: int


def sign_in(request: HttpRequest, *, username: str, password: str) -> User:
    """Sign the person in to this session. Raises ``TooManyAttempts``, ``WrongCredentials``."""
    brakes = _brakes(username, str(request.META.get("REMOTE_ADDR") or ""))
    counted = _count_a_try(brakes)
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        raise WrongCredentials
    with transaction.atomic():
        # The name's earlier failures are forgiven; of the address, only this try.
        SignInAttempt.objects.filter(key=brakes[0].key).delete()
        SignInAttempt.objects.filter(pk__in=counted).delete()
        SignInAttempt.objects.filter(at__lt=timezone.now() - _KEEP).delete()
        record(user, "sign_in", user)
    login(request, user)
    return user


def _brakes(username: str, address: str) -> list[_Brake]:
    brakes = [_Brake(_hashed("name", username.strip().casefold()), TRIES_PER_NAME)]
    if address:
        brakes.append(_Brake(_hashed("address", address), TRIES_PER_ADDRESS))
    return brakes


def _hashed(kind: str, value: str) -> str:
    return salted_hmac(f"accounts.sign_in.{kind}", value, algorithm="sha256").hexdigest()


def _count_a_try(brakes: list[_Brake]) -> list[int]:
    """Count this try as failed until it is known better. Returns the ids of its rows.

    Counting first, under a lock, leaves no gap in which many tries at once all pass. A try that is
    refused is not counted, so a wait ends by itself. Raises ``TooManyAttempts``.
    """
    now = timezone.now()
    with transaction.atomic():
        with connection.cursor() as cursor:
            for brake in sorted(brakes, key=lambda brake: brake.key):
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [brake.key])
        wait_s = max(_wait_s(brake, now) for brake in brakes)
        if wait_s:
            raise TooManyAttempts(wait_s)
        made = SignInAttempt.objects.bulk_create(
            [SignInAttempt(key=brake.key, at=now) for brake in brakes]
        )
    return [attempt.pk for attempt in made]


def _wait_s(brake: _Brake, now: datetime) -> int:
    """Seconds until fewer than ``limit`` tries lie within the window; 0 when that is so now."""
    recent = (
        SignInAttempt.objects.filter(key=brake.key, at__gt=now - WINDOW)
        .order_by("-at")
        .values_list("at", flat=True)[: brake.limit]
    )
    times = list(recent)
    if len(times) < brake.limit:
        return 0
    return max(1, round((times[-1] + WINDOW - now).total_seconds()))
