"""Administrators change rerankers; nobody else does, and no key gets into a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from accounts.models import AuditEvent
from qa import reranker_settings
from qa.models import RerankerProfile
from qa.rerankers import ensure_profiles
from tests.rerank_api import KEY, rerank_api

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_django import Settings as SettingsWrapper

    from accounts.models import User

    RunTasks = Callable[[], AbstractContextManager[object]]

SERVER = {
    "name": "ours",
    "kind": "server",
    "dialect": "vllm",
    "model": "BAAI/bge-reranker-v2-m3",
    "url": "http://127.0.0.1:9/",
}


def made(admin: User, **changes: Any) -> RerankerProfile:
    return reranker_settings.create_profile(actor=admin, values={**SERVER, **changes})


def default() -> str:
    return RerankerProfile.objects.get(is_default=True).name


# ---- who may -----------------------------------------------------------------------------------
def test_nobody_but_an_administrator_changes_a_reranker(
    admin: User, alice: User, charlie: User
) -> None:
    row = made(admin)
    charlie.is_staff = True
    charlie.save()
    charlie.user_permissions.set(charlie.user_permissions.model.objects.all())
    for actor in (alice, charlie):
        with pytest.raises(PermissionDenied):
            reranker_settings.create_profile(actor=actor, values={**SERVER, "name": "other"})
        with pytest.raises(PermissionDenied):
            reranker_settings.update_profile(
                actor=actor, profile=row, changes={"url": "http://169.254.169.254/"}
            )
        with pytest.raises(PermissionDenied):
            reranker_settings.request_trial(actor=actor, profile=row)
    assert RerankerProfile.objects.get().url == SERVER["url"]


def test_a_former_administrator_may_no_longer(admin: User) -> None:
    admin.is_active = False
    with pytest.raises(PermissionDenied):
        made(admin)


def test_each_change_is_on_record_with_before_and_after(admin: User) -> None:
    row = made(admin)
    reranker_settings.update_profile(
        actor=admin, profile=row, changes={"time_limit_ms": 3_000, "candidates": 30}
    )
    created, changed = AuditEvent.objects.filter(actor=admin).order_by("pk")
    assert (created.action, created.data["values"]) == ("reranker.create", SERVER)
    assert changed.action == "reranker.update"
    assert changed.data == {"name": "ours", "changed": {"time_limit_ms": [10_000, 3_000]}}


def test_saving_what_was_there_changes_and_records_nothing(admin: User) -> None:
    row = made(admin)
    reranker_settings.update_profile(actor=admin, profile=row, changes={"candidates": 30})
    assert AuditEvent.objects.filter(action="reranker.update").count() == 0


def test_a_field_that_no_form_may_set_is_a_mistake_of_the_program(admin: User) -> None:
    with pytest.raises(TypeError):
        made(admin, is_default=True)
    with pytest.raises(TypeError):
        reranker_settings.update_profile(
            actor=admin, profile=made(admin), changes={"probe": {"candidates": 99}}
        )


# ---- what is refused ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/",
        "file:///etc/passwd",
        "gopher://host:70/",
        "host:8080",
        "//host",
        "http://",
        "http://user:password@host/",
        "http://host/?key=secret",
        "http://host/#x",
        "http://host:99999999/",
        "http://ho st/",
        "http://host/\r\nX: y",
        "http://[::1",
        "javascript:alert(1)",
    ],
)
def test_an_address_is_http_or_https_and_holds_no_secret(admin: User, url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        made(admin, url=url)
    assert "url" in caught.value.message_dict
    assert not RerankerProfile.objects.exists()


@pytest.mark.parametrize("url", ["http://rerank:8080", "https://[::1]:8443/v1", "http://10.0.0.7/"])
def test_an_address_inside_the_network_is_an_administrators_to_choose(
    admin: User, url: str
) -> None:
    assert made(admin, url=url).url == url


@pytest.mark.parametrize(
    "source", [KEY, "SECRET_KEY", "DATABASE_URL", "/etc/passwd", "../key", "co_api_key"]
)
def test_a_key_or_another_secret_is_not_taken_for_the_name_of_a_key(
    admin: User, source: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        made(admin, key_variable=source)
    assert "key_variable" in caught.value.message_dict
    assert source not in str(caught.value)


def test_a_key_may_be_in_a_variable_or_a_file_of_the_folder(
    admin: User, settings: SettingsWrapper, tmp_path: Path
) -> None:
    settings.RAGSITE_KEY_FOLDER = str(tmp_path)
    row = made(admin, key_variable="OUR_API_KEY")
    changed = reranker_settings.update_profile(
        actor=admin, profile=row, changes={"key_variable": str(tmp_path / "rerank")}
    )
    assert changed.key_variable == str(tmp_path / "rerank")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"model": ""}, "model"),
        ({"url": ""}, "url"),
        ({"dialect": ""}, "dialect"),
        ({"dialect": "telepathy"}, "dialect"),
        ({"kind": "local", "model": ""}, "model"),
        ({"kind": "cohere", "model": "rerank-multilingual-v3.0"}, "key_variable"),
        ({"kind": "local", "key_variable": "OUR_API_KEY"}, "key_variable"),
        ({"languages": ["english"]}, "languages"),
        ({"languages": ["EN"]}, "languages"),
        ({"candidates": 0}, "candidates"),
        ({"candidates": 1000}, "candidates"),
        ({"time_limit_ms": 5}, "time_limit_ms"),
        ({"documents_per_request": 0}, "documents_per_request"),
        ({"name": "two words"}, "name"),
    ],
)
def test_a_row_that_could_not_be_used_is_refused(
    admin: User, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        made(admin, **changes)
    assert field in caught.value.message_dict


def test_a_server_of_tei_needs_no_name_of_a_model(admin: User) -> None:
    assert made(admin, dialect="tei", model="").model == ""


def test_two_rerankers_do_not_share_a_name(admin: User) -> None:
    made(admin)
    with pytest.raises(ValidationError):
        made(admin)


# ---- trials and the default --------------------------------------------------------------------
def test_saving_a_row_has_it_tried_in_a_worker_and_then_made_the_default(
    admin: User, run_tasks: RunTasks
) -> None:
    ensure_profiles()
    with rerank_api("vllm") as api:
        with run_tasks():
            row = made(admin, url=api.url, time_limit_ms=60_000, wants_default=True)
            assert api.requests == []
            assert row.probe == {}
            assert default() == "fake"
        row.refresh_from_db()
        assert row.probe["candidates"] >= 10
        assert default() == "ours"


def test_a_change_of_what_is_run_asks_for_another_trial(admin: User, run_tasks: RunTasks) -> None:
    with rerank_api("vllm") as api, rerank_api("vllm") as other:
        with run_tasks():
            row = made(admin, url=api.url, time_limit_ms=60_000)
        with run_tasks():
            row = reranker_settings.update_profile(
                actor=admin, profile=row, changes={"url": other.url}
            )
            assert row.probe == {}
        assert other.requests
        row.refresh_from_db()
        assert row.probe["candidates"] >= 10


def test_a_change_of_the_price_asks_for_none(admin: User, run_tasks: RunTasks) -> None:
    with rerank_api("vllm") as api:
        with run_tasks():
            row = made(admin, url=api.url, time_limit_ms=60_000)
        before = len(api.requests)
        with run_tasks():
            row = reranker_settings.update_profile(
                actor=admin, profile=row, changes={"price_note": "ours"}
            )
        assert len(api.requests) == before
        row.refresh_from_db()
        assert row.probe["candidates"] >= 10


def test_a_trial_can_be_asked_for_again(admin: User, run_tasks: RunTasks) -> None:
    row = made(admin)
    with rerank_api("vllm") as api:
        RerankerProfile.objects.update(
            url=api.url, time_limit_ms=60_000, probe={"error": "model_unavailable"}
        )
        with run_tasks():
            reranker_settings.request_trial(actor=admin, profile=row)
        row.refresh_from_db()
    assert row.probe["error"] == ""
    assert AuditEvent.objects.filter(action="reranker.trial_request", actor=admin).exists()


def test_a_wish_to_be_the_default_is_granted_by_an_earlier_good_trial(admin: User) -> None:
    ensure_profiles()
    row = made(admin)
    RerankerProfile.objects.filter(pk=row.pk).update(
        probe={"candidates": 40, "error": ""}, probe_wanted_at=None
    )
    reranker_settings.update_profile(actor=admin, profile=row, changes={"wants_default": True})
    assert default() == "ours"
    assert AuditEvent.objects.get(action="reranker.default", target_id=str(row.pk)).actor == admin


def test_the_latest_wish_counts(admin: User) -> None:
    ensure_profiles()
    made(admin, wants_default=True)
    made(admin, name="later", wants_default=True)
    wishing = RerankerProfile.objects.filter(wants_default=True, is_default=False)
    assert [row.name for row in wishing] == ["later"]


def test_a_default_that_is_switched_off_hands_over(admin: User) -> None:
    ensure_profiles()
    row = made(admin)
    RerankerProfile.objects.update(is_default=False)
    RerankerProfile.objects.filter(pk=row.pk).update(
        is_default=True, probe={"candidates": 40, "error": ""}, probe_wanted_at=timezone.now()
    )
    reranker_settings.update_profile(actor=admin, profile=row, changes={"is_enabled": False})
    assert default() == "fake"


def test_a_default_whose_row_changes_stays_until_its_trial_says_otherwise(admin: User) -> None:
    ensure_profiles()
    row = made(admin)
    RerankerProfile.objects.update(is_default=False)
    RerankerProfile.objects.filter(pk=row.pk).update(
        is_default=True, probe={"candidates": 40, "error": ""}, probe_wanted_at=None
    )
    reranker_settings.update_profile(actor=admin, profile=row, changes={"time_limit_ms": 200})
    assert default() == "ours"
