"""Trials of rerankers in a worker: who makes one, and what its result means for the default.

A row waits for a trial while ``probe_wanted_at`` is set. A worker claims it by a conditional UPDATE
and stores the result only if the row was not changed meanwhile: a change asks for another trial.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.audit import record
from inference.errors import ModelUnavailable
from qa.models import RerankerProfile
from qa.rerankers import ensure_profiles, languages_for, lock_profiles, reranker_of, settle_default
from qa.trial import Trial, try_out

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from inference.ports import Reranker

logger = logging.getLogger(__name__)

LOST_AFTER = timedelta(minutes=30)
"""A trial that takes longer has lost its worker: loading may take minutes, the rest seconds."""
RING_AGAIN_AFTER = timedelta(minutes=1)


def probe(profile_id: int) -> bool:
    """Make the trial that a row waits for. False when it waits for none, or was changed."""
    started_at = timezone.now()
    if not _waiting(started_at).filter(pk=profile_id).update(probe_started_at=started_at):
        return False
    profile = RerankerProfile.objects.get(pk=profile_id)
    reranker = reranker_of(profile)
    trial = Trial(error=ModelUnavailable.reason)
    if reranker is not None:
        trial = try_out(
            reranker,
            time_limit_s=profile.time_limit_ms / 1000,
            language=_language_of(profile),
        )
    found = {
        "candidates": trial.candidates,
        "ms_for_30": trial.ms_for_30,
        "error": trial.error,
        "device": _device_of(reranker),
        "at": timezone.now().isoformat(timespec="seconds"),
    }
    return _store(profile, started_at, found)


def unheard() -> list[int]:
    """Rows that have waited for a while, each once in that while, oldest first."""
    ensure_profiles()
    now = timezone.now()
    overdue = _waiting(now).filter(probe_wanted_at__lt=now - RING_AGAIN_AFTER)
    found = list(overdue.order_by("probe_wanted_at", "pk").values_list("pk", flat=True))
    # The wish is renewed, so that the next look does not ring for the same row at once.
    RerankerProfile.objects.filter(pk__in=found).exclude(probe_wanted_at=None).update(
        probe_wanted_at=now
    )
    return found


def _waiting(now: datetime) -> QuerySet[RerankerProfile]:
    free = Q(probe_started_at=None) | Q(probe_started_at__lt=now - LOST_AFTER)
    return RerankerProfile.objects.filter(free).exclude(probe_wanted_at=None)


def _store(profile: RerankerProfile, started_at: datetime, found: dict[str, object]) -> bool:
    with transaction.atomic():
        lock_profiles()
        stored = RerankerProfile.objects.filter(pk=profile.pk, probe_started_at=started_at).update(
            probe=found, probe_wanted_at=None, probe_started_at=None
        )
        if not stored:
            return False
        profile.refresh_from_db()
        record(None, "reranker.trial", profile, name=profile.name, **found)
        settle_default(profile, actor=None)
    logger.info(
        "reranker.tried",
        extra={
            "profile": profile.name,
            "candidates": found["candidates"],
            "reason": found["error"],
            "device": found["device"],
        },
    )
    return True


def _language_of(profile: RerankerProfile) -> str:
    known = languages_for(profile)
    return "zh" if known and "en" not in known and "zh" in known else "en"


def _device_of(reranker: Reranker | None) -> str:
    """Where it ran: a server's name, ``cuda``, ``cpu``."""
    return str(getattr(reranker, "device", "") or "cpu") if reranker is not None else ""
