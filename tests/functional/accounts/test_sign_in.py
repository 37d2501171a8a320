"""Signing in and out, and the brake on guessing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, SignInAttempt
from accounts.sign_in import TRIES_PER_ADDRESS, TRIES_PER_NAME
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

    from accounts.models import User

SIGN_IN = "/sign-in/"


def try_in(client: Client, name: str, password: str, **extra: str) -> Response:
    return client.post(SIGN_IN, {"username": name, "password": password}, **extra)  # type: ignore[arg-type]


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_person_signs_in_and_goes_where_they_wanted(client: Client, alice: User) -> None:
    response = client.post(
        SIGN_IN, {"username": "alice", "password": PASSWORD, "next": "/knowledge-bases/"}
    )
    assert response["Location"] == "/knowledge-bases/"
    assert is_signed_in(client)
    assert AuditEvent.objects.get().action == "sign_in"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"]
)
def test_signing_in_never_leads_to_another_site(client: Client, alice: User, target: str) -> None:
    response = client.post(SIGN_IN, {"username": "alice", "password": PASSWORD, "next": target})
    assert response["Location"] == reverse("qa:home")


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_name_and_a_wrong_password_are_told_apart_by_nobody(
    client: Client, alice: User, name: str, password: str
) -> None:
    response = try_in(client, name, password)
    assert response.status_code == 422
    assert "do not go together" in response.content.decode()
    assert not is_signed_in(client)


def test_a_deactivated_person_does_not_get_in(client: Client, alice: User) -> None:
    alice.is_active = False
    alice.save()
    assert try_in(client, "alice", PASSWORD).status_code == 422


def test_guessing_at_a_name_is_stopped_even_when_the_guess_is_right(
    client: Client, alice: User
) -> None:
    for _try in range(TRIES_PER_NAME):
        assert try_in(client, "Alice", "wrong").status_code == 422
    response = try_in(client, "alice", PASSWORD)
    assert response.status_code == 429
    assert "Try again in 15 minutes." in response.content.decode()
    assert not is_signed_in(client)


def test_the_wait_ends_by_itself_though_tries_go_on(client: Client, alice: User) -> None:
    for _try in range(TRIES_PER_NAME):
        try_in(client, "alice", "wrong")
    for _try in range(3):
        assert try_in(client, "alice", "wrong").status_code == 429
    assert SignInAttempt.objects.count() == 2 * TRIES_PER_NAME
    SignInAttempt.objects.update(at=timezone.now() - timedelta(minutes=16))
    assert try_in(client, "alice", PASSWORD).status_code == 302


def test_one_name_does_not_lock_another_out(client: Client, alice: User, bob: User) -> None:
    for _try in range(TRIES_PER_NAME):
        try_in(client, "alice", "wrong")
    assert try_in(client, "bob", PASSWORD).status_code == 302


def test_guessing_at_many_names_from_one_address_is_stopped(client: Client, alice: User) -> None:
    for number in range(TRIES_PER_ADDRESS):
        try_in(client, f"name{number}", "wrong", REMOTE_ADDR="10.0.0.9")
    assert try_in(client, "alice", PASSWORD, REMOTE_ADDR="10.0.0.9").status_code == 429
    assert try_in(client, "alice", PASSWORD, REMOTE_ADDR="10.0.0.8").status_code == 302


def test_signing_in_forgives_the_name_its_failures(client: Client, alice: User) -> None:
    for _try in range(TRIES_PER_NAME - 1):
        try_in(client, "alice", "wrong")
    assert try_in(client, "alice", PASSWORD).status_code == 302
    client.logout()
    assert try_in(client, "alice", "wrong").status_code == 422


def test_neither_names_nor_addresses_are_kept_in_the_clear(client: Client, alice: User) -> None:
    try_in(client, "alice", "wrong", REMOTE_ADDR="10.0.0.9")
    kept = " ".join(SignInAttempt.objects.values_list("key", flat=True))
    assert "alice" not in kept
    assert "10.0.0.9" not in kept


def test_the_admin_has_no_sign_in_that_the_brake_does_not_hold(client: Client, admin: User) -> None:
    response = client.post(
        "/admin/login/?next=/admin/", {"username": "admin", "password": PASSWORD}
    )
    assert response["Location"] == f"{SIGN_IN}?next=/admin/"
    assert not is_signed_in(client)


def test_someone_who_is_not_staff_is_told_so_by_the_admin(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/admin/", follow=True).status_code == 403


def test_signing_out_takes_a_post(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/sign-out/").status_code == 405
    assert is_signed_in(client)
    assert client.post("/sign-out/")["Location"] == SIGN_IN
    assert not is_signed_in(client)


def test_signing_in_needs_the_forgery_token(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert try_in(strict, "alice", PASSWORD).status_code == 403


def test_the_language_chosen_once_is_spoken_after_the_next_sign_in(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/password/"})
    alice.refresh_from_db()
    assert alice.language == "zh-hans"
    client.logout()
    client.cookies.clear()
    response = try_in(client, "alice", PASSWORD)
    assert response.cookies["django_language"].value == "zh-hans"


@pytest.mark.parametrize("language", ["", "xx", "../../etc"])
def test_a_language_that_is_not_spoken_here_is_not_kept(
    client: Client, alice: User, language: str
) -> None:
    client.force_login(alice)
    client.post("/i18n/setlang/", {"language": language})
    alice.refresh_from_db()
    assert alice.language == ""
