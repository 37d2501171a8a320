"""Whose turn it is: fair between knowledge bases, alone after two losses, whatever was rung for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction
from django.utils import timezone

from documents import claims, turns
from documents.models import Document, DocumentVersion, KnowledgeBase

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeWaiting = Callable[..., list[DocumentVersion]]

State = DocumentVersion.State


@pytest.fixture
def queued(knowledge_base: KnowledgeBase) -> MakeWaiting:
    """``queued("health", 3)`` lets three versions wait there, the first one longest."""

    def make(slug: str, count: int) -> list[DocumentVersion]:
        base, _ = KnowledgeBase.objects.get_or_create(slug=slug, defaults={"name": slug})
        documents = Document.objects.bulk_create(
            Document(knowledge_base=base, title=f"{slug} {number}") for number in range(count)
        )
        now = timezone.now()
        return DocumentVersion.objects.bulk_create(
            DocumentVersion(
                document=document,
                knowledge_base=base,
                filename=document.title,
                media_type="text/plain",
                size=1,
                sha256=f"{document.pk:064}",
                queued_at=now - timedelta(seconds=count - number),
            )
            for number, document in enumerate(documents)
        )

    return make


def take() -> str:
    """The file name of the version whose turn it is; empty when there is none."""
    claim = turns.claim_next()
    return DocumentVersion.objects.get(pk=claim.version_id).filename if claim else ""


def lost_workers(version: DocumentVersion, count: int = claims.LOSSES_BEFORE_ALONE) -> None:
    DocumentVersion.objects.filter(pk=version.pk).update(lost_attempts=count)


def test_the_longest_waiting_comes_first_within_a_knowledge_base(queued: MakeWaiting) -> None:
    queued("health", 3)
    assert [take() for _ in range(4)] == ["health 0", "health 1", "health 2", ""]


def test_thousands_in_one_knowledge_base_delay_one_of_another_by_one(queued: MakeWaiting) -> None:
    queued("health", 5_000)
    assert take() == "health 0"
    queued("law", 1)
    queued("music", 1)
    assert {take(), take()} == {"law 0", "music 0"}
    assert take() == "health 1"


def test_knowledge_bases_take_turns(queued: MakeWaiting) -> None:
    queued("health", 3)
    queued("law", 3)
    taken = [take().split()[0] for _ in range(6)]
    assert taken in (["health", "law"] * 3, ["law", "health"] * 3)


def test_what_is_paused_deleted_or_waits_for_its_time_is_passed_over(queued: MakeWaiting) -> None:
    queued("paused", 1)
    KnowledgeBase.objects.filter(slug="paused").update(is_paused=True)
    queued("deleted", 1)
    KnowledgeBase.objects.filter(slug="deleted").update(deleted_at=timezone.now())
    later, gone, _ready = queued("health", 3)
    DocumentVersion.objects.filter(pk=later.pk).update(
        not_before=timezone.now() + timedelta(minutes=1)
    )
    Document.objects.filter(pk=gone.document_id).update(deleted_at=timezone.now())
    assert turns.claimable(10) == 1
    assert [take(), take()] == ["health 2", ""]
    DocumentVersion.objects.filter(pk=later.pk).update(not_before=timezone.now())
    assert take() == "health 0"


def test_what_is_claimable_is_counted_no_further_than_asked(queued: MakeWaiting) -> None:
    queued("health", 5)
    assert [turns.claimable(most) for most in (1, 4, 9)] == [1, 4, 5]


# ---- alone ---------------------------------------------------------------------------------------
def test_after_two_losses_a_version_is_taken_only_while_nothing_is_in_work(
    queued: MakeWaiting,
) -> None:
    lonely, other, _third = queued("health", 3)
    assert take() == "health 0"
    claims.set_back_all()
    lost_workers(lonely)
    DocumentVersion.objects.filter(pk=other.pk).update(state=State.EMBEDDING)
    assert take() == "health 2", "not it: the second is in work"
    DocumentVersion.objects.exclude(pk=lonely.pk).update(state=State.READY)
    assert take() == "health 0"


def test_while_a_version_runs_alone_nothing_else_is_taken(queued: MakeWaiting) -> None:
    lonely, _other = queued("health", 2)
    lost_workers(lonely)
    claim = turns.claim_next()
    assert claim is not None
    assert claim.version_id == lonely.pk
    assert turns.claimable(10) == 0
    assert take() == ""
    claims.finish(claim)
    assert take() == "health 1"


def test_of_two_that_run_alone_one_waits_for_the_other(queued: MakeWaiting) -> None:
    for version in queued("health", 2):
        lost_workers(version)
    assert [take(), take()] == ["health 0", ""]


def test_one_that_has_waited_long_to_run_alone_is_not_passed_over_for_ever(
    queued: MakeWaiting,
) -> None:
    lonely, _second, _third = queued("health", 3)
    lost_workers(lonely)
    DocumentVersion.objects.filter(filename="health 1").update(state=State.PARSING)
    assert take() == "health 2"
    queued("law", 1)
    DocumentVersion.objects.filter(pk=lonely.pk).update(
        queued_at=timezone.now() - turns.ALONE_WAITS * 2
    )
    assert take() == "", "what is in work ends, and nothing new is begun"
    DocumentVersion.objects.exclude(state=State.PENDING).update(state=State.READY)
    assert [take(), take()] == ["health 0", ""]


def test_one_that_was_set_back_waits_behind_the_others(queued: MakeWaiting) -> None:
    queued("health", 2)
    assert take() == "health 0"
    claims.set_back_all()
    assert [take(), take()] == ["health 1", "health 0"]


# ---- two workers at once -------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_version_that_another_worker_is_just_taking_is_passed_over(
    queued: MakeWaiting,
) -> None:
    first, second = queued("health", 2)
    with connection.copy().cursor() as other, transaction.atomic():
        other.execute("BEGIN")
        other.execute(
            "SELECT 1 FROM documents_documentversion WHERE id = %s FOR UPDATE", [first.pk]
        )
        claim = turns.claim_next()
        other.execute("ROLLBACK")
        other.connection.close()
    assert claim is not None
    assert claim.version_id == second.pk


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_take_each_version_once_and_leave_one_alone_to_itself(
    queued: MakeWaiting,
) -> None:
    for slug, count in (("health", 12), ("law", 12), ("music", 2)):
        queued(slug, count)
    lonely = DocumentVersion.objects.get(filename="music 0")
    lost_workers(lonely)
    beside: list[int] = []

    def work(_: int) -> list[int]:
        taken = []
        try:
            while DocumentVersion.objects.filter(state=State.PENDING).exists():
                claim = turns.claim_next()
                if claim is None:
                    continue
                taken.append(claim.version_id)
                if claim.version_id == lonely.pk:
                    beside.extend(turns.in_work().count() - 1 for _ in range(10))
                claims.finish(claim)
        finally:
            connection.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [pk for each in pool.map(work, range(4)) for pk in each]
    assert sorted(taken) == sorted(DocumentVersion.objects.values_list("pk", flat=True))
    assert set(DocumentVersion.objects.values_list("state", "attempt")) == {(State.READY, 1)}
    assert beside == [0] * 10
