"""Trials of rerankers: who makes them, what they mean for the default, what discards them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from qa import probing, tasks
from qa.models import RerankerProfile
from qa.rerankers import ensure_profiles
from qa.trial import MOST, Trial
from tests.rerank_api import KEY, hangs, rerank_api, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.rerank_api import RerankApi

    RunTasks = Callable[[], AbstractContextManager[object]]

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Iterator[RerankApi]:
    with rerank_api("tei", wants_key=True) as running:
        yield running


@pytest.fixture
def row(api: RerankApi, monkeypatch: pytest.MonkeyPatch) -> RerankerProfile:
    """A server that waits for its trial and wants to be the default."""
    monkeypatch.setenv("TEI_API_KEY", KEY)
    ensure_profiles()
    return RerankerProfile.objects.create(
        name="tei",
        kind="server",
        dialect="tei",
        url=api.url,
        key_variable="TEI_API_KEY",
        time_limit_ms=60_000,
        wants_default=True,
        probe_wanted_at=timezone.now(),
    )


def default() -> str:
    return RerankerProfile.objects.get(is_default=True).name


def say(monkeypatch: pytest.MonkeyPatch, trial: Trial) -> None:
    monkeypatch.setattr(probing, "try_out", lambda *_args, **_options: trial)


def test_a_good_trial_is_stored_and_makes_the_default(row: RerankerProfile) -> None:
    assert default() == "fake"
    assert probing.probe(row.pk)
    row.refresh_from_db()
    assert row.probe["candidates"] >= 10
    assert row.probe["candidates"] <= MOST
    assert row.probe["ms_for_30"] > 0
    assert row.probe["error"] == ""
    assert row.probe["device"] == "127.0.0.1"
    assert row.probe["at"] <= timezone.now().isoformat()
    assert (row.probe_wanted_at, row.probe_started_at) == (None, None)
    assert default() == "tei"


def test_the_trial_and_the_new_default_are_on_record(row: RerankerProfile) -> None:
    probing.probe(row.pk)
    events = AuditEvent.objects.filter(target_id=str(row.pk)).order_by("pk")
    assert [event.action for event in events] == ["reranker.trial", "reranker.default"]
    assert {event.actor_name for event in events} == {"system"}
    assert KEY not in str([event.data for event in events])


def test_the_former_default_does_not_take_over_again_by_a_later_trial(
    row: RerankerProfile,
) -> None:
    probing.probe(row.pk)
    former = RerankerProfile.objects.get(name="fake")
    former.probe_wanted_at = timezone.now()
    former.save()
    assert probing.probe(former.pk)
    assert default() == "tei"


@pytest.mark.parametrize(
    "trial", [Trial(candidates=9, ms_for_30=6_000.0), Trial(error="model_timeout")]
)
def test_a_poor_trial_leaves_the_default_as_it_was(
    row: RerankerProfile, monkeypatch: pytest.MonkeyPatch, trial: Trial
) -> None:
    say(monkeypatch, trial)
    assert probing.probe(row.pk)
    row.refresh_from_db()
    assert row.probe["candidates"] == trial.candidates
    assert row.probe["error"] == trial.error
    assert default() == "fake"


def test_ten_candidates_are_enough(row: RerankerProfile, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, Trial(candidates=10, ms_for_30=6_000.0))
    probing.probe(row.pk)
    assert default() == "tei"


def test_one_that_does_not_want_to_be_the_default_does_not_become_it(
    row: RerankerProfile,
) -> None:
    RerankerProfile.objects.filter(pk=row.pk).update(wants_default=False)
    probing.probe(row.pk)
    assert default() == "fake"


def test_a_default_that_comes_to_fail_hands_back_to_one_that_runs_anywhere(
    row: RerankerProfile, api: RerankApi
) -> None:
    probing.probe(row.pk)
    RerankerProfile.objects.filter(pk=row.pk).update(probe_wanted_at=timezone.now())
    api.misfortunes = [status(401)]
    probing.probe(row.pk)
    assert default() == "fake"
    assert AuditEvent.objects.filter(action="reranker.not_default").exists()


def test_the_one_that_runs_anywhere_stays_the_default_with_a_poor_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeded = ensure_profiles()
    assert seeded is not None
    say(monkeypatch, Trial(candidates=2, ms_for_30=99_999.0))
    assert probing.probe(seeded.pk)
    assert default() == "fake"


@pytest.mark.parametrize(
    ("misfortunes", "reason"),
    [
        ([status(401)], "model_key_refused"),
        ([status(413)], "model_refused"),
        ([status(429, Retry_After="3600")], "model_rate_limited"),
        ([status(200, {"data": []})], "invalid_model_response"),
    ],
)
def test_what_went_wrong_is_told_by_its_reason(
    row: RerankerProfile, api: RerankApi, misfortunes: list[object], reason: str
) -> None:
    api.misfortunes = misfortunes  # type: ignore[assignment]
    probing.probe(row.pk)
    row.refresh_from_db()
    assert row.probe["error"] == reason
    assert row.probe["candidates"] == 0


def test_a_server_that_says_nothing_ends_with_the_time_limit(
    row: RerankerProfile, api: RerankApi
) -> None:
    RerankerProfile.objects.filter(pk=row.pk).update(time_limit_ms=100)
    api.misfortunes = [hangs] * 3
    probing.probe(row.pk)
    row.refresh_from_db()
    assert row.probe["error"] == "model_timeout"


def test_a_missing_key_is_told(row: RerankerProfile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEI_API_KEY")
    probing.probe(row.pk)
    row.refresh_from_db()
    assert row.probe["error"] == "model_key_missing"


def test_a_row_that_cannot_be_made_is_told() -> None:
    row = RerankerProfile.objects.create(
        name="nameless", kind="local", probe_wanted_at=timezone.now()
    )
    assert probing.probe(row.pk)
    row.refresh_from_db()
    assert row.probe["error"] == "model_unavailable"


def test_a_row_that_waits_for_nothing_is_left_alone(row: RerankerProfile, api: RerankApi) -> None:
    assert probing.probe(row.pk)
    asked = len(api.requests)
    assert not probing.probe(row.pk)
    assert len(api.requests) == asked


def test_two_workers_make_one_trial(
    row: RerankerProfile, api: RerankApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner: list[bool] = []

    def meanwhile(*_args: object, **_options: object) -> Trial:
        inner.append(probing.probe(row.pk))
        return Trial(candidates=50, ms_for_30=100.0)

    monkeypatch.setattr(probing, "try_out", meanwhile)
    assert probing.probe(row.pk)
    assert inner == [False]


def test_a_change_during_a_trial_discards_its_result(
    row: RerankerProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*_args: object, **_options: object) -> Trial:
        # As a saved change does it.
        RerankerProfile.objects.filter(pk=row.pk).update(
            time_limit_ms=100, probe_wanted_at=timezone.now(), probe_started_at=None
        )
        return Trial(candidates=200, ms_for_30=1.0)

    monkeypatch.setattr(probing, "try_out", meanwhile)
    assert not probing.probe(row.pk)
    row.refresh_from_db()
    assert row.probe == {}
    assert row.probe_wanted_at is not None
    assert default() == "fake"


def test_a_trial_whose_worker_was_lost_is_made_by_another(row: RerankerProfile) -> None:
    long_ago = timezone.now() - probing.LOST_AFTER - timedelta(seconds=1)
    RerankerProfile.objects.filter(pk=row.pk).update(
        probe_wanted_at=long_ago, probe_started_at=long_ago
    )
    assert row.pk in probing.unheard()
    assert probing.probe(row.pk)


def test_a_trial_that_nobody_heard_of_is_rung_for_once_in_a_while(row: RerankerProfile) -> None:
    assert row.pk not in probing.unheard()
    RerankerProfile.objects.filter(pk=row.pk).update(
        probe_wanted_at=timezone.now() - timedelta(minutes=2)
    )
    assert row.pk in probing.unheard()
    assert row.pk not in probing.unheard()


def test_the_watchdog_has_the_trial_made(row: RerankerProfile, run_tasks: RunTasks) -> None:
    RerankerProfile.objects.filter(pk=row.pk).update(
        probe_wanted_at=timezone.now() - timedelta(minutes=2)
    )
    with run_tasks():
        tasks.take_up_probes()
    row.refresh_from_db()
    assert row.probe["candidates"] >= 10
