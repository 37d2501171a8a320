"""However the program that measures ends, the row says so, and nothing of it is left."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.utils import timezone

from documents.models import KnowledgeBase
from qa import measurement_claims, measurement_program
from qa.evaluation import temporary_base
from qa.measured import ALL, scores_in
from qa.models import RerankerMeasurement, RerankerProfile
from qa.tasks import measure_reranker, take_up_measurements
from tests.integration.qa.test_measuring import QUESTIONS, samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)

__all__ = ["samples"]

State = RerankerMeasurement.State


@pytest.fixture
def waiting() -> RerankerMeasurement:
    profile = RerankerProfile.objects.create(name="overlap", kind="fake")
    return RerankerMeasurement.objects.create(profile=profile)


def make_apart(row: RerankerMeasurement, program: str) -> RerankerMeasurement:
    taken = measurement_claims.claim(row.pk)
    assert taken is not None
    measurement_program.make_apart(taken, program=("-c", program), look_every_s=0.05)
    row.refresh_from_db()
    return row


def test_a_program_that_fails_says_its_last_words(waiting: RerankerMeasurement) -> None:
    make_apart(waiting, "raise SystemExit('no such thing')")
    assert (waiting.state, waiting.error_code) == (State.FAILED, "crashed")
    assert "no such thing" in waiting.error_detail


def test_a_program_that_the_system_kills_is_taken_to_have_lacked_memory(
    waiting: RerankerMeasurement,
) -> None:
    make_apart(waiting, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (waiting.state, waiting.error_code) == (State.FAILED, "memory")


def test_a_program_that_takes_too_long_is_ended(
    waiting: RerankerMeasurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement_program, "TIME_LIMIT_S", 0.1)
    make_apart(waiting, "import time; time.sleep(600)")
    assert (waiting.state, waiting.error_code) == (State.FAILED, "timeout")


def test_a_cancelled_one_is_ended_at_once_with_what_it_had_made(
    waiting: RerankerMeasurement,
) -> None:
    with temporary_base("half done", keep=True) as (_viewer, base):
        pass
    RerankerMeasurement.objects.update(
        cancel_requested_at=timezone.now(), origin={"scratch": base.slug}
    )
    make_apart(waiting, "import time; time.sleep(600)")
    assert waiting.state == State.CANCELLED
    assert not KnowledgeBase.objects.exists()


def test_a_measurement_that_is_taken_away_ends_its_program(waiting: RerankerMeasurement) -> None:
    taken = measurement_claims.claim(waiting.pk)
    assert taken is not None
    RerankerMeasurement.objects.update(attempt=7)
    program = ("-c", "import time; time.sleep(600)")
    measurement_program.make_apart(taken, program=program, look_every_s=0.05)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempt) == (State.RUNNING, 7)


def test_a_worker_that_is_shut_down_gives_it_back_to_be_begun_anew(
    waiting: RerankerMeasurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement_program, "_closing", threading.Event())
    measurement_program.close()
    make_apart(waiting, "import time; time.sleep(600)")
    assert waiting.state == State.PENDING
    assert measurement_claims.next_waiting() == waiting.pk


def test_what_a_lost_worker_had_made_is_removed(waiting: RerankerMeasurement) -> None:
    with temporary_base("half done", keep=True) as (_viewer, base):
        pass
    long_ago = timezone.now() - 2 * measurement_claims.HEARTBEAT_EXPIRES
    RerankerMeasurement.objects.update(
        state=State.RUNNING, attempt=1, heartbeat_at=long_ago, origin={"scratch": base.slug}
    )
    measurement_program.release_lost()
    assert not KnowledgeBase.objects.exists()
    waiting.refresh_from_db()
    assert waiting.state == State.PENDING


def test_measurements_follow_each_other_and_repeated_messages_do_no_harm(
    waiting: RerankerMeasurement,
    monkeypatch: pytest.MonkeyPatch,
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    second = RerankerMeasurement.objects.create(
        profile=RerankerProfile.objects.create(name="second", kind="fake")
    )
    made: list[int] = []

    def make(taken: measurement_claims.Claim) -> None:
        made.append(taken.job_id)
        taken.finish()

    monkeypatch.setattr(measurement_program, "make_apart", make)
    with run_tasks():
        measure_reranker(waiting.pk)
        measure_reranker(waiting.pk)
        take_up_measurements()
    assert made == [waiting.pk, second.pk]


@pytest.mark.slow
def test_the_real_program_measures(
    waiting: RerankerMeasurement, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = connection.settings_dict
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "ragsite.settings")
    monkeypatch.setenv("SECRET_KEY", "of this test alone")
    monkeypatch.setenv("ALLOWED_HOSTS", "testserver")
    monkeypatch.setenv(
        "DATABASE_URL",
        f"postgres://{given['USER']}@/{given['NAME']}?host={given['HOST']}&port={given['PORT']}",
    )
    # Those of the installation are too many for a test.
    code = (
        "import sys, django; from django.conf import settings; django.setup();"
        f"settings.BASE_DIR = __import__('pathlib').Path({os.fspath(samples.parent)!r});"
        "from django.core.management import call_command;"
        "call_command('measure_reranker', *sys.argv[1:])"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    make_apart(waiting, code)
    assert waiting.state == State.DONE, waiting.error_detail
    assert scores_in(waiting.figures)[ALL].questions == len(QUESTIONS)
