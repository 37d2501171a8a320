"""One measurement runs at a time; a lost worker is noticed; what came late changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from documents.jobs import ClaimLost
from qa import measurement_claims as claims
from qa.measurement_claims import Cancelled, Claim
from qa.models import RerankerMeasurement, RerankerProfile

pytestmark = pytest.mark.django_db

State = RerankerMeasurement.State


@pytest.fixture
def waiting() -> RerankerMeasurement:
    return make("first")


def make(name: str) -> RerankerMeasurement:
    profile = RerankerProfile.objects.create(name=name, kind="fake")
    return RerankerMeasurement.objects.create(profile=profile)


def silence(row: RerankerMeasurement, **values: object) -> None:
    long_ago = timezone.now() - claims.HEARTBEAT_EXPIRES - timedelta(seconds=1)
    values = {"heartbeat_at": long_ago, "created_at": long_ago, **values}
    RerankerMeasurement.objects.filter(pk=row.pk).update(**values)


def claimed(row: RerankerMeasurement) -> Claim:
    taken = claims.claim(row.pk)
    assert taken is not None
    return taken


def test_a_measurement_is_claimed_once(waiting: RerankerMeasurement) -> None:
    assert claimed(waiting) == Claim(waiting.pk, 1)
    assert claims.claim(waiting.pk) is None


def test_a_second_one_waits_until_the_first_has_ended(waiting: RerankerMeasurement) -> None:
    second = make("second")
    first = claimed(waiting)
    assert claims.claim(second.pk) is None
    assert claims.next_waiting() is None
    first.finish()
    assert claims.next_waiting() == second.pk
    assert claims.claim(second.pk) is not None


def test_the_oldest_is_next(waiting: RerankerMeasurement) -> None:
    make("second")
    assert claims.next_waiting() == waiting.pk


def test_progress_is_a_heartbeat(waiting: RerankerMeasurement) -> None:
    taken = claimed(waiting)
    silence(waiting)
    taken.begin(claims.Stage.ASK, 36)
    taken.progress(5)
    waiting.refresh_from_db()
    assert (waiting.stage, waiting.progress_done, waiting.progress_total) == ("ask", 5, 36)
    assert claims.give_up_lost() == []


def test_a_wish_to_cancel_is_heard_at_the_next_step(waiting: RerankerMeasurement) -> None:
    taken = claimed(waiting)
    RerankerMeasurement.objects.update(cancel_requested_at=timezone.now())
    with pytest.raises(Cancelled):
        taken.progress(1)
    taken.cancel()
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED
    assert waiting.finished_at is not None


def test_a_silent_worker_loses_it_and_it_is_tried_once_more(waiting: RerankerMeasurement) -> None:
    late = claimed(waiting)
    silence(waiting)
    assert [row.pk for row in claims.give_up_lost()] == [waiting.pk]
    assert claimed(waiting).attempt == 2
    for write in (late.finish, late.cancel, lambda: late.fail("memory"), lambda: late.progress(1)):
        with pytest.raises(ClaimLost):
            write()


def test_one_that_lost_two_workers_fails(waiting: RerankerMeasurement) -> None:
    silence(waiting, state=State.RUNNING, attempt=2)
    claims.give_up_lost()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_code) == (State.FAILED, "worker_lost")


def test_one_that_was_to_be_cancelled_is_not_tried_again(waiting: RerankerMeasurement) -> None:
    claimed(waiting)
    silence(waiting, cancel_requested_at=timezone.now())
    claims.give_up_lost()
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED


def test_one_nobody_heard_of_is_named_once_in_a_while(waiting: RerankerMeasurement) -> None:
    assert claims.unheard() is None
    silence(waiting, heartbeat_at=None)
    assert claims.unheard() == waiting.pk
    assert claims.unheard() is None


def test_one_given_back_by_a_lost_worker_is_named_at_once(waiting: RerankerMeasurement) -> None:
    claimed(waiting)
    silence(waiting)
    claims.give_up_lost()
    assert claims.unheard() == waiting.pk


def test_nothing_is_named_while_one_runs(waiting: RerankerMeasurement) -> None:
    second = make("second")
    claimed(waiting)
    silence(second, heartbeat_at=None)
    assert claims.unheard() is None
