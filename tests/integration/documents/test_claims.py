from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from documents import claims
from documents.claims import Claim, ClaimLost, Stage
from documents.models import DocumentVersion, KnowledgeBase, ProcessingStage

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
    assert claims.unheard() == [version.pk]
    with pytest.raises(ClaimLost):
        claims.progress(claim, 1)


def test_a_worker_that_still_writes_is_left_alone(waiting: MakeVersion) -> None:
    version = waiting("text")
    held(version)
    age(version, claims.HEARTBEAT_EXPIRES - timedelta(seconds=10))
    assert claims.give_up_lost() == 0
    version.refresh_from_db()
    assert version.state == State.PARSING


def test_the_third_loss_fails_the_version(waiting: MakeVersion) -> None:
    version = waiting("text")
    for _ in range(3):
        held(version)
        age(version, claims.HEARTBEAT_EXPIRES * 2)
        claims.give_up_lost()
    version.refresh_from_db()
    assert (version.state, version.error_code, version.lost_attempts) == (State.FAILED, "lost", 3)
    assert version.finished_at is not None


def test_a_version_nobody_heard_of_is_named_once_a_minute(waiting: MakeVersion) -> None:
    version = waiting("text")
    assert claims.unheard() == []
    age(version, claims.RING_AGAIN_AFTER * 2)
    assert claims.unheard() == [version.pk]
    assert claims.unheard() == []


def test_nobody_is_called_while_a_worker_is_busy(waiting: MakeVersion) -> None:
    version, other = waiting("text"), waiting("other", "other.md")
    age(version, claims.RING_AGAIN_AFTER * 2)
    held(other)
    assert claims.unheard() == []


def test_a_version_that_waits_for_a_model_is_left_to_the_task_s_own_retry(
    waiting: MakeVersion,
) -> None:
    version = waiting("text")
    assert claims.postpone(held(version), "model_unavailable")
    age(version, claims.RING_AGAIN_AFTER * 2)
    assert claims.unheard() == []
    age(version, claims.RETRY_AFTER * 2)
    assert claims.unheard() == [version.pk]


def test_versions_of_a_paused_knowledge_base_are_not_called_for(waiting: MakeVersion) -> None:
    age(waiting("text"), claims.RING_AGAIN_AFTER * 2)
    KnowledgeBase.objects.update(is_paused=True)
    assert claims.unheard() == []
