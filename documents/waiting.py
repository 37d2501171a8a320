"""Why a version waits: in turn with so many before it, or what else it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from django.db.models import Count, Q
from django.utils import timezone

from documents import turns
from documents.claims import LOSSES_BEFORE_ALONE, State
from documents.models import KnowledgeBase

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from documents.models import DocumentVersion

Reason = Literal["turn", "paused", "later", "alone", "other_alone"]


@dataclass(frozen=True, slots=True)
class Wait:
    """What a version waits for. ``turn``: for its turn. ``paused``: its knowledge base is.

    ``later``: for another try, at ``until``. ``alone``: for the moment when nothing else is in
    work. ``other_alone``: for one that runs alone.
    """

    reason: Reason
    ahead: int = 0
    """Of ``turn``: how many are begun before it, if nothing changes; those in work not counted."""
    until: datetime | None = None


def waits_of(versions: Iterable[DocumentVersion]) -> dict[int, Wait]:
    """For each that waits, by its id. Five queries however many there are; none for none."""
    waiting = [version for version in versions if version.state == State.PENDING]
    if not waiting:
        return {}
    now = timezone.now()
    paused = set(
        KnowledgeBase.objects.filter(
            pk__in={version.knowledge_base_id for version in waiting}, is_paused=True
        ).values_list("pk", flat=True)
    )
    is_one_alone = turns.is_one_alone()
    found: dict[int, Wait] = {}
    in_turn: list[DocumentVersion] = []
    for version in waiting:
        if version.knowledge_base_id in paused:
            found[version.pk] = Wait("paused")
        elif version.not_before and version.not_before > now:
            found[version.pk] = Wait("later", until=version.not_before)
        elif is_one_alone:
            found[version.pk] = Wait("other_alone")
        elif version.lost_attempts >= LOSSES_BEFORE_ALONE:
            found[version.pk] = Wait("alone")
        else:
            in_turn.append(version)
    return found | _in_turn(in_turn)


def _in_turn(versions: Collection[DocumentVersion]) -> dict[int, Wait]:
    if not versions:
        return {}
    order = list(turns.bases_in_turn().values_list("pk", flat=True))
    counts: dict[int, int] = dict(
        turns.due_in_turn().values_list("knowledge_base").annotate(count=Count("pk"))
    )
    positions = _positions(versions)
    return {
        version.pk: Wait("turn", ahead=_ahead(version, positions[version.pk], order, counts))
        for version in versions
    }


def _ahead(
    version: DocumentVersion, position: int, order: list[int], counts: Mapping[int, int]
) -> int:
    own = version.knowledge_base_id
    turn = order.index(own) if own in order else len(order)
    others = [
        (counts.get(base, 0), place < turn) for place, base in enumerate(order) if base != own
    ]
    return turns.ahead(position, others)


def _positions(versions: Collection[DocumentVersion]) -> dict[int, int]:
    """How many of its own knowledge base are before each."""
    counts = turns.due_in_turn().aggregate(
        **{
            str(version.pk): Count(
                "pk",
                filter=Q(knowledge_base=version.knowledge_base_id)
                & (
                    Q(queued_at__lt=version.queued_at)
                    | Q(queued_at=version.queued_at, pk__lt=version.pk)
                ),
            )
            for version in versions
        }
    )
    return {int(pk): count for pk, count in counts.items()}
