"""Whose turn it is. The rows are the queue; a message only wakes a worker, which asks here.

Knowledge bases take turns: the one served longest ago is next, with the version that has waited
longest. So thousands of files in one delay a file of another by one document, not by thousands;
small files are taken several at once, which delays one that comes meanwhile by a second or two.
A version that lost two workers is taken only while nothing else is in work, and while it is,
nothing else is taken.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils import timezone

from documents import claims, joint_claims
from documents.claims import LOSSES_BEFORE_ALONE, State
from documents.models import DocumentVersion, KnowledgeBase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from documents.claims import Claim

ALONE_WAITS = timedelta(minutes=10)
"""A version that must run alone and has waited so long is waited for: nothing else is begun."""
RUNS_ALONE = Q(lost_attempts__gte=LOSSES_BEFORE_ALONE)

MOST_TOGETHER = 32
"""So many small versions of one knowledge base are taken at once, while no other base waits."""
SMALL_BYTES = 32 * 1024
"""A file of at most so many bytes is small."""
READ_SLOWLY = ("application/pdf",)
"""Types that a small file of may keep its reader busy: its pages may have to be recognised."""

_LOCK = 0x7475726E
"""Number of the advisory lock: shared by those who take a version, whole for one that is alone."""


def claim_next() -> Claim | None:
    """Take the version whose turn it is. None when there is none that may be begun now."""
    alone = due().filter(RUNS_ALONE).order_by("queued_at", "pk").first()
    if alone is not None:
        taken = _claim_alone(alone.pk)
        if taken is not None:
            return taken
        if alone.queued_at < timezone.now() - ALONE_WAITS:
            return None
    return _claim_in_turn()


def claim_beside(held: Claim) -> list[Claim]:
    """Take further small versions of the same knowledge base, to be processed together.

    None while another base has something due, so that its turn is not later for it. None beside one
    that is not small, or that lost a worker: what kills a worker takes others with it once at most.
    """
    with transaction.atomic():
        _lock("together")
        base_id = (
            _small(DocumentVersion.objects.filter(pk=held.version_id))
            .values_list("knowledge_base", flat=True)
            .first()
        )
        if base_id is None or due().exclude(knowledge_base=base_id).exists() or is_one_alone():
            return []
        found = (
            _small(due())
            .filter(knowledge_base=base_id)
            .order_by("queued_at", "pk")
            .select_for_update(skip_locked=True, no_key=True, of=("self",))
            .values_list("pk", flat=True)
        )
        return joint_claims.claim_all(list(found[: MOST_TOGETHER - 1]))


def _small(versions: QuerySet[DocumentVersion]) -> QuerySet[DocumentVersion]:
    return versions.filter(size__lte=SMALL_BYTES, lost_attempts=0, indexed_fingerprint="").exclude(
        media_type__in=READ_SLOWLY
    )


def claimable(most: int) -> int:
    """How many versions could be begun now, counted up to ``most``."""
    if is_one_alone():
        return 0
    waiting = due_in_turn() if in_work().exists() else due()
    return waiting[:most].count()


def due() -> QuerySet[DocumentVersion]:
    """Versions that wait for nothing but their turn, those that have to run alone among them."""
    return DocumentVersion.objects.filter(
        Q(not_before=None) | Q(not_before__lte=timezone.now()),
        state=State.PENDING,
        document__deleted_at=None,
        knowledge_base__deleted_at=None,
        knowledge_base__is_paused=False,
    )


def due_in_turn() -> QuerySet[DocumentVersion]:
    """Of those, the versions that need not run alone."""
    return due().exclude(RUNS_ALONE)


def in_work() -> QuerySet[DocumentVersion]:
    return DocumentVersion.objects.filter(state__in=DocumentVersion.RUNNING)


def is_one_alone() -> bool:
    """Whether what is in work runs alone, so that everything else waits."""
    return in_work().filter(RUNS_ALONE).exists()


def bases_in_turn() -> QuerySet[KnowledgeBase]:
    """Knowledge bases with something due, the one served longest ago first."""
    served = DocumentVersion.objects.filter(
        knowledge_base=OuterRef("pk"), started_at__isnull=False
    ).order_by("-started_at")
    return (
        KnowledgeBase.objects.filter(Exists(due_in_turn().filter(knowledge_base=OuterRef("pk"))))
        .annotate(served_at=Subquery(served.values("started_at")[:1]))
        .order_by(F("served_at").asc(nulls_first=True), "pk")
    )


def ahead(position: int, others: Iterable[tuple[int, bool]]) -> int:
    """How many versions are begun before one that stands behind ``position`` of its own base.

    ``others`` are the other knowledge bases: how many wait in each, and whether its turn is before
    this base's. By turns, each gives as many as this one, and one more if its turn is first.
    """
    return position + sum(min(count, position + is_first) for count, is_first in others)


def _claim_alone(version_id: int) -> Claim | None:
    with transaction.atomic():
        if not _lock("alone") or in_work().exists():
            return None
        return claims.claim(version_id)


def _claim_in_turn() -> Claim | None:
    with transaction.atomic():
        _lock("together")
        if is_one_alone():
            return None
        for base_id in bases_in_turn().values_list("pk", flat=True):
            # One that another worker is just taking is passed over, not waited for.
            version_id = (
                due_in_turn()
                .filter(knowledge_base=base_id)
                .order_by("queued_at", "pk")
                .select_for_update(skip_locked=True, no_key=True, of=("self",))
                .values_list("pk", flat=True)
                .first()
            )
            if version_id is not None:
                return claims.claim(version_id)
    return None


def _lock(how: Literal["alone", "together"]) -> bool:
    """Until the transaction ends: ``together`` waits for one who is alone, ``alone`` gives up."""
    function = {
        "alone": "pg_try_advisory_xact_lock",
        "together": "pg_advisory_xact_lock_shared",
    }[how]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [_LOCK])
        (got,) = cursor.fetchone()
    return got is not False
