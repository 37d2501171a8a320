"""Changing the rows of rerankers: administrators only, each change on record, then a trial.

A row can make the worker call any address that it can reach, also inside the network, and send a
key there. So this takes more than Django's permissions: the right to everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from documents.queueing import enqueue_on_commit
from qa.models import RerankerProfile
from qa.rerankers import lock_profiles, settle_default
from qa.tasks import probe_reranker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accounts.models import User

RUN_WITH = (
    "kind",
    "model",
    "revision",
    "url",
    "dialect",
    "key_variable",
    "languages",
    "time_limit_ms",
    "batch_tokens",
    "max_length",
    "documents_per_request",
    "score_scale",
)
"""A change of these makes the last trial say nothing."""
EDITABLE = (
    "name",
    *RUN_WITH,
    "candidates",
    "price_note",
    "is_enabled",
    "wants_default",
)


def create_profile(*, actor: User, values: Mapping[str, Any]) -> RerankerProfile:
    """A new row of fields of ``EDITABLE``; its trial follows.

    Raises ``PermissionDenied`` and ``ValidationError``.
    """
    _require_administrator(actor)
    made = RerankerProfile(probe_wanted_at=timezone.now(), **_known(values))
    made.full_clean()
    with transaction.atomic():
        lock_profiles()
        made.save(force_insert=True)
        record(actor, "reranker.create", made, values=dict(values))
        _one_wish(made)
        enqueue_on_commit(probe_reranker, made.pk)
        return settle_default(made, actor=actor)


def update_profile(
    *, actor: User, profile: RerankerProfile, changes: Mapping[str, Any]
) -> RerankerProfile:
    """Set fields of ``EDITABLE``. What it is run with having changed, a trial follows.

    Raises ``PermissionDenied`` and ``ValidationError``.
    """
    _require_administrator(actor)
    with transaction.atomic():
        lock_profiles()
        row = RerankerProfile.objects.get(pk=profile.pk)
        changed = {
            field: [getattr(row, field), value]
            for field, value in _known(changes).items()
            if getattr(row, field) != value
        }
        for field, (_before, value) in changed.items():
            setattr(row, field, value)
        if not changed:
            return row
        row.full_clean()
        if set(changed) & set(RUN_WITH):
            _want_trial(row)
        row.save()
        record(actor, "reranker.update", row, name=row.name, changed=changed)
        if "wants_default" in changed:
            _one_wish(row)
        return settle_default(row, actor=actor)


def request_trial(*, actor: User, profile: RerankerProfile) -> RerankerProfile:
    """Have it tried again, after a change of the machine or the server for instance."""
    _require_administrator(actor)
    with transaction.atomic():
        lock_profiles()
        row = RerankerProfile.objects.get(pk=profile.pk)
        _want_trial(row)
        row.save()
        record(actor, "reranker.trial_request", row, name=row.name)
    return row


def _require_administrator(actor: User) -> None:
    if not (actor.is_active and actor.is_superuser):
        raise PermissionDenied(_("Only administrators may change rerankers."))


def _known(values: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = set(values) - set(EDITABLE)
    if unknown:
        message = f"{', '.join(sorted(unknown))}: not fields that a form may set"
        raise TypeError(message)
    return values


def _want_trial(row: RerankerProfile) -> None:
    """Ask for one, and have the result of one that is under way thrown away."""
    row.probe, row.probe_wanted_at, row.probe_started_at = {}, timezone.now(), None
    enqueue_on_commit(probe_reranker, row.pk)


def _one_wish(row: RerankerProfile) -> None:
    """The latest wish to be the default counts; the default keeps its own until it is replaced."""
    if row.wants_default:
        others = RerankerProfile.objects.filter(is_default=False).exclude(pk=row.pk)
        others.update(wants_default=False)
