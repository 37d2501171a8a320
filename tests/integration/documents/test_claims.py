from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from documents import claims
from documents.claims import Claim, ClaimLost, Stage
from documents.models import DocumentVersion, ProcessingStage
from documents.workers import worker_name

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeVersion = Callable[..., DocumentVersion]

State = DocumentVersion.State


def held(version: DocumentVersion) -> Claim:
    claim = claims.claim(version.pk)
    assert claim is not None
    return claim


def age(version: DocumentVersion, delta: timedelta) -> None:
    """Let the version's last sign of life be ``delta`` ago."""
    then = timezone.now() - delta
    DocumentVersion.objects.filter(pk=version.pk).update(created_at=then, heartbeat_at=then)


def test_one_of_two_workers_gets_a_version(waiting: MakeVersion) -> None:
    version = waiting("text")
    assert claims.claim(version.pk) == Claim(version.pk, 1)
    assert claims.claim(version.pk) is None
    version.refresh_from_db()
    assert version.state == State.PARSING
    assert version.worker
    assert version.heartbeat_at


@pytest.mark.parametrize("state", [*DocumentVersion.RUNNING, *DocumentVersion.FINAL])
def test_only_a_waiting_version_can_be_claimed(waiting: MakeVersion, state: str) -> None:
    version = waiting("text")
    DocumentVersion.objects.update(state=state)
    assert claims.claim(version.pk) is None


def test_every_write_of_a_lost_claim_is_refused(waiting: MakeVersion) -> None:
    lost = held(waiting("text"))
    DocumentVersion.objects.update(attempt=2)
    assert not lost.holds()
    for write in (
        lambda: claims.begin(lost, Stage.EMBED),
        lambda: claims.progress(lost, 3),
        lambda: claims.finish(lost),
        lambda: claims.fail(lost, "crashed"),
        lambda: claims.cancel(lost, "deleted"),
        lambda: claims.postpone(lost, "model_unavailable"),
    ):
        with pytest.raises(ClaimLost):
            write()
    version = DocumentVersion.objects.get()
    assert (version.state, version.error_code, version.progress_done) == (State.PARSING, "", 0)
    assert not ProcessingStage.objects.exists()


def test_progress_is_on_the_version_and_on_its_stage(waiting: MakeVersion) -> None:
    claim = held(waiting("text"))
    claims.begin(claim, Stage.EMBED, total=10)
    claims.progress(claim, 4)
    version = DocumentVersion.objects.get()
    stage = ProcessingStage.objects.get()
    assert (version.state, version.progress_done, version.progress_total) == ("embedding", 4, 10)
    assert (stage.state, stage.progress_done, stage.progress_total) == ("running", 4, 10)
    assert stage.worker == version.worker == worker_name()


def test_a_stage_can_be_entered_again(waiting: MakeVersion) -> None:
    claim = held(waiting("text"))
    for total in (3, 5):
        claims.begin(claim, Stage.CHUNK)
        claims.begin(claim, Stage.EMBED, total=total)
    states = dict(ProcessingStage.objects.values_list("stage", "state"))
    assert states == {"chunk": "done", "embed": "running"}
    assert ProcessingStage.objects.get(stage="embed").progress_total == 5


# ---- the watchdog --------------------------------------------------------------------------------
def test_a_silent_worker_s_version_waits_again_at_once(waiting: MakeVersion) -> None:
    version = waiting("text")
    claim = held(version)
    claims.begin(claim, Stage.PARSE)
    age(version, claims.HEARTBEAT_EXPIRES + timedelta(seconds=1))
    assert claims.give_up_lost() == 1
    version.refresh_from_db()
    assert (version.state, version.lost_attempts) == (State.PENDING, 1)
    assert ProcessingStage.objects.get().error_code == "lost"
    with pytest.raises(ClaimLost):
        claims.progress(claim, 1)


def test_a_worker_that_still_writes_is_left_alone(waiting: MakeVersion) -> None:
    version = waiting("text")
    held(version)
    age(version, claims.HEARTBEAT_EXPIRES - timedelta(seconds=10))
    assert claims.give_up_lost() == 0
    version.refresh_from_db()
    assert version.state == State.PARSING


def lose(version: DocumentVersion) -> None:
    """Let a worker take the version and fall silent."""
    held(version)
    age(version, claims.HEARTBEAT_EXPIRES * 2)
    assert claims.give_up_lost() == 1
    version.refresh_from_db()


def test_two_losses_make_it_run_alone_and_three_more_fail_it(waiting: MakeVersion) -> None:
    version = waiting("text")
    for losses in range(1, 5):
        lose(version)
        assert (version.state, version.lost_attempts) == (State.PENDING, losses)
        assert (version.not_before is not None) == (losses >= 2), "then it lets others pass"
    lose(version)
    assert (version.state, version.error_code, version.lost_attempts) == (State.FAILED, "lost", 5)
    assert version.finished_at is not None


def test_losses_and_postponements_are_counted_apart(waiting: MakeVersion) -> None:
    version = waiting("text")
    lose(version)
    for _ in range(4):
        claims.postpone(held(version), "model_unavailable")
    lose(version)
    assert (version.lost_attempts, version.postponements) == (2, 4)
    assert version.state == State.PENDING
    claims.finish(held(version))
    version.refresh_from_db()
    assert (version.lost_attempts, version.postponements) == (0, 0)


def test_each_postponement_is_longer_up_to_ten_minutes_and_the_last_one_fails(
    waiting: MakeVersion,
) -> None:
    version = waiting("text")
    pauses = []
    while claims.postpone(held(version), "model_unavailable", "no route"):
        version.refresh_from_db()
        assert version.not_before is not None
        pauses.append(version.not_before - version.queued_at)
    assert pauses[:3] == [timedelta(seconds=seconds) for seconds in (10, 20, 40)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == claims.LONGEST_POSTPONEMENT
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.FAILED, "model_unavailable")


def test_a_stack_stopped_however_often_is_no_loss_of_what_was_in_work(
    waiting: MakeVersion,
) -> None:
    version, idle = waiting("text"), waiting("other", "other.md")
    for _ in range(claims.MOST_LOSSES + 1):
        stopped = held(version)
        claims.begin(stopped, Stage.EMBED, total=9)
        assert claims.set_back_all() == 1
        with pytest.raises(ClaimLost):
            claims.progress(stopped, 1)
    version.refresh_from_db()
    assert (version.state, version.lost_attempts) == (State.PENDING, 0)
    assert (version.heartbeat_at, version.not_before) == (None, None)
    stages = set(ProcessingStage.objects.values_list("state", "error_code"))
    assert stages == {("failed", "interrupted")}
    queued_at = idle.queued_at
    idle.refresh_from_db()
    assert idle.queued_at == queued_at, "what was not in work keeps its place"


# ---- from outside --------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [State.PENDING, *DocumentVersion.RUNNING])
def test_what_waits_or_is_in_work_can_be_called_off(waiting: MakeVersion, state: str) -> None:
    version = waiting("text")
    claim = held(version)
    claims.begin(claim, Stage.PARSE)
    DocumentVersion.objects.update(state=state)
    assert claims.call_off(DocumentVersion.objects.all()) == [version.pk]
    assert not claim.beat()
    version.refresh_from_db()
    stage = ProcessingStage.objects.get()
    assert (version.state, version.error_code) == (State.CANCELLED, "cancelled")
    assert (stage.state, stage.error_code) == ("failed", "cancelled")
    assert claims.call_off(DocumentVersion.objects.all()) == []


def test_a_version_set_back_begins_as_if_nothing_had_been_tried(waiting: MakeVersion) -> None:
    version = waiting("text")
    lose(version)
    claims.postpone(held(version), "model_unavailable")
    assert claims.wait_again([version.pk]) == [], "it waits already"
    DocumentVersion.objects.update(state=State.FAILED, indexed_fingerprint="x")
    assert claims.wait_again([version.pk]) == [version.pk]
    version.refresh_from_db()
    assert (version.state, version.lost_attempts, version.postponements) == (State.PENDING, 0, 0)
    assert (version.not_before, version.error_code, version.indexed_fingerprint) == (None, "", "")
    assert version.attempt == 2, "attempts count on, so that a late worker is fenced off"


@pytest.mark.django_db(transaction=True)
def test_a_claim_waits_for_the_disk_and_a_sign_of_life_does_not(waiting: MakeVersion) -> None:
    """An attempt that the server forgot would be given out twice; a heartbeat may be forgotten."""
    version = waiting("text")
    with CaptureQueriesContext(connection) as taken:
        claim = held(version)
    with CaptureQueriesContext(connection) as shown:
        claims.begin(claim, Stage.EMBED, total=4)
        claims.progress(claim, 2)
    with transaction.atomic(), CaptureQueriesContext(connection) as finished:
        claims.begin(claim, Stage.INDEX, total=4)
        claims.finish(claim)
    waits = [
        sum("synchronous_commit" in each["sql"] for each in statements)
        for statements in (taken, shown, finished)
    ]
    assert waits == [0, 2, 0]


def test_a_stage_that_is_entered_again_begins_anew(waiting: MakeVersion) -> None:
    claim = held(waiting("text"))
    claims.begin(claim, Stage.EMBED, total=4)
    claims.progress(claim, 3)
    first = ProcessingStage.objects.get()
    claims.begin(claim, Stage.INDEX)
    claims.begin(claim, Stage.EMBED, total=5)
    again = ProcessingStage.objects.get(stage=Stage.EMBED)
    assert (again.pk, again.progress_done, again.progress_total) == (first.pk, 0, 5)
    assert again.finished_at is None
    assert again.started_at > first.started_at
