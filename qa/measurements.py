"""What curators do with measurements: ask for one, and cancel it. Each change is audited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from documents.queueing import enqueue_on_commit
from qa.models import RerankerMeasurement, RerankerProfile
from qa.own_questions import own_questions
from qa.querysets import bases_of
from qa.tasks import measure_reranker

if TYPE_CHECKING:
    from accounts.models import User
    from documents.models import KnowledgeBase

State = RerankerMeasurement.State


class MeasurementRefused(Exception):
    """It cannot be asked for; ``str(error)`` is a translated sentence for the curator."""


def measurement_for(user: User, pk: int) -> RerankerMeasurement:
    """A measurement that the user may see, with its reranker; else ``Http404``."""
    readable = RerankerMeasurement.objects.readable_by(user)
    found = readable.select_related("profile", "knowledge_base").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def profile_for(user: User, pk: int) -> RerankerProfile:
    """A reranker, for a curator of any knowledge base; else ``Http404``."""
    found = RerankerProfile.objects.filter(pk=pk).first()
    if found is None or not bases_of(user, "curator").exists():
        raise Http404
    return found


def request_measurement(
    actor: User, profile: RerankerProfile, base: KnowledgeBase | None
) -> RerankerMeasurement:
    """Have the reranker measured on the samples, or on ``base``'s own questions.

    Asking again while it waits or runs changes nothing: the same row is returned. Raises
    ``Http404`` unless the actor curates ``base`` (any knowledge base for the samples), and
    ``MeasurementRefused`` when nothing can be measured.
    """
    _require_curator(actor, base)
    if not profile.is_enabled:
        raise MeasurementRefused(_("This reranker is switched off."))
    if base is not None and not own_questions(base):
        raise MeasurementRefused(_("This knowledge base has no test questions yet."))
    standing = _unfinished(profile, base)
    if standing is not None:
        return standing
    try:
        with transaction.atomic():
            made = RerankerMeasurement.objects.create(
                profile=profile, knowledge_base=base, requested_by=actor
            )
            record(
                actor,
                "reranker.measure",
                made,
                reranker=profile.name,
                knowledge_base=base.pk if base else None,
            )
            enqueue_on_commit(measure_reranker, made.pk)
    except IntegrityError:
        # Somebody else asked for the same a moment ago.
        standing = _unfinished(profile, base)
        if standing is None:
            raise
        return standing
    return made


def request_all(actor: User, base: KnowledgeBase | None) -> list[RerankerMeasurement]:
    """``request_measurement`` for every reranker that may be chosen."""
    profiles = RerankerProfile.objects.filter(is_enabled=True).order_by("name")
    return [request_measurement(actor, profile, base) for profile in profiles]


def cancel(actor: User, measurement: RerankerMeasurement) -> bool:
    """Ask the worker to end it; one not begun ends at once. False: it had ended by itself."""
    _require_curator(actor, measurement.knowledge_base)
    now = timezone.now()
    rows = RerankerMeasurement.objects.filter(pk=measurement.pk)
    with transaction.atomic():
        changed = rows.filter(state=State.PENDING).update(
            state=State.CANCELLED, cancel_requested_at=now, finished_at=now
        ) or rows.filter(state=State.RUNNING, cancel_requested_at=None).update(
            cancel_requested_at=now
        )
        if changed:
            record(actor, "reranker.cancel_measurement", measurement)
    return bool(changed)


def _unfinished(profile: RerankerProfile, base: KnowledgeBase | None) -> RerankerMeasurement | None:
    return RerankerMeasurement.objects.filter(
        profile=profile, knowledge_base=base, state__in=RerankerMeasurement.UNFINISHED
    ).first()


def _require_curator(actor: User, base: KnowledgeBase | None) -> None:
    curated = bases_of(actor, "curator")
    if base is not None:
        curated = curated.filter(pk=base.pk)
    if not curated.exists():
        raise Http404
