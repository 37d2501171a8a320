"""Claims of several versions that one worker processes together, written a statement for all.

Each stays a claim of its own: what one version loses, by a curator or to another worker, is found
by its own attempt and touches none beside it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from documents.claims import (
    ENTERED,
    STATE_OF_STAGE,
    Claim,
    State,
    without_waiting_for_the_disk,
)
from documents.models import DocumentVersion, ProcessingStage
from documents.workers import worker_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django.db.models import QuerySet

FOUND = {
    "language": "text",
    "page_count": "integer",
    "metadata": "jsonb",
    "indexed_fingerprint": "text",
}
"""What a version's row says of its content, and the types of these columns."""


def claim_all(version_ids: Collection[int]) -> list[Claim]:
    """Take waiting versions whose rows the present transaction has locked, in order of their ids.

    Those that do not wait, or whose knowledge base is paused, are left out.
    """
    now = timezone.now()
    locked = DocumentVersion.objects.filter(pk__in=version_ids)
    taken = locked.filter(state=State.PENDING, knowledge_base__is_paused=False).update(
        state=State.PARSING,
        attempt=F("attempt") + 1,
        worker=worker_name(),
        heartbeat_at=now,
        started_at=now,
        finished_at=None,
        not_before=None,
        progress_done=0,
        progress_total=0,
        error_code="",
        error_detail="",
    )
    if not taken:
        return []
    rows = locked.filter(state=State.PARSING, worker=worker_name(), heartbeat_at=now)
    return [Claim(pk, attempt) for pk, attempt in rows.order_by("pk").values_list("pk", "attempt")]


def beat_all(claims: Collection[Claim]) -> list[Claim]:
    """Leave a sign of life for each. Returns those that still hold."""
    rows = _rows(claims)
    if rows.update(heartbeat_at=timezone.now()) == len(claims):
        return list(claims)
    return _holding(claims, rows)


def begin_all(
    claims: Collection[Claim], stage: ProcessingStage.Stage, totals: Mapping[int, int] | None = None
) -> list[Claim]:
    """Enter a stage with each; the one before is done. Returns those that still hold.

    ``totals`` are steps of the stage by version.
    """
    now = timezone.now()
    totals = totals or {}
    with without_waiting_for_the_disk():
        holding = fence_all(claims)
        of_version: dict[int, list[int]] = defaultdict(list)
        for claim in holding:
            of_version[totals.get(claim.version_id, 0)].append(claim.version_id)
        for total, version_ids in of_version.items():
            DocumentVersion.objects.filter(pk__in=version_ids).update(
                state=STATE_OF_STAGE[stage],
                heartbeat_at=now,
                progress_done=0,
                progress_total=total,
            )
        _close_stages(holding)
        ProcessingStage.objects.bulk_create(
            [
                ProcessingStage(
                    version_id=claim.version_id,
                    stage=stage,
                    attempt=claim.attempt,
                    state=ProcessingStage.State.RUNNING,
                    worker=worker_name(),
                    progress_total=totals.get(claim.version_id, 0),
                    started_at=now,
                )
                for claim in holding
            ],
            update_conflicts=True,
            unique_fields=["version", "stage", "attempt"],
            update_fields=ENTERED,
        )
    return holding


def fence_all(claims: Collection[Claim]) -> list[Claim]:
    """Those that hold, and go on holding until the present transaction ends."""
    # In order, so that two that want some of the same rows cannot wait for each other.
    rows = _rows(claims).order_by("pk").select_for_update(no_key=True, of=("self",))
    return _holding(claims, rows)


def finish_all(findings: Mapping[Claim, Mapping[str, object]]) -> None:
    """The versions are ready, with what was found of each: JSON-ready values of ``FOUND``.

    Call it in the transaction of the swap, and only with claims that ``fence_all`` found to hold
    in it.
    """
    made = [{"id": claim.version_id, **found} for claim, found in findings.items()]
    columns = ", ".join(f"{name} = made.{name}" for name in FOUND)
    types = ", ".join(f"{name} {kind}" for name, kind in FOUND.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE documents_documentversion version SET {columns}, state = %s, lost_attempts = 0,
                postponements = 0, finished_at = %s, progress_done = progress_total
            FROM jsonb_to_recordset(%s::jsonb) AS made (id bigint, {types})
            WHERE version.id = made.id
            """,  # noqa: S608 - names of our own
            [State.READY, timezone.now(), json.dumps(made)],
        )
    _close_stages(list(findings))


def _rows(claims: Collection[Claim]) -> QuerySet[DocumentVersion]:
    return DocumentVersion.objects.filter(_any_of(claims, "pk"), state__in=DocumentVersion.RUNNING)


def _holding(claims: Collection[Claim], rows: QuerySet[DocumentVersion]) -> list[Claim]:
    holding = set(rows.values_list("pk", flat=True))
    return [claim for claim in claims if claim.version_id in holding]


def _close_stages(claims: Collection[Claim]) -> None:
    values: dict[str, Any] = {
        "state": ProcessingStage.State.DONE,
        "progress_done": F("progress_total"),
        "finished_at": timezone.now(),
    }
    ProcessingStage.objects.filter(
        _any_of(claims, "version"), state=ProcessingStage.State.RUNNING
    ).update(**values)


def _any_of(claims: Collection[Claim], version: str) -> Q:
    """The rows that name one of the claims by ``version`` and attempt."""
    of_attempt: dict[int, list[int]] = defaultdict(list)
    for claim in claims:
        of_attempt[claim.attempt].append(claim.version_id)
    condition = Q(pk__in=[])
    for attempt, version_ids in of_attempt.items():
        condition |= Q(attempt=attempt, **{f"{version}__in": version_ids})
    return condition
