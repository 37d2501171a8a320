"""The first run: nobody exists, and whoever holds the token becomes the administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accounts import setup
from accounts.models import AuditEvent, SetupToken, User
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_known() -> Iterator[None]:
    """The process forgets, before and after, that it has seen people."""
    setup._seen.clear()
    yield
    setup._seen.clear()


def filled(token: str, **changes: str) -> dict[str, str]:
    return {
        "token": token,
        "username": "ada",
        "email": "",
        "password": PASSWORD,
        "password_again": PASSWORD,
        **changes,
    }


@pytest.mark.parametrize("path", ["/", "/sign-in/", "/knowledge-bases/", "/admin/", "/people/"])
def test_while_nobody_exists_every_page_leads_to_the_set_up(client: Client, path: str) -> None:
    assert client.get(path)["Location"] == "/setup/"


def test_health_and_language_are_open_before_the_set_up(client: Client) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.post("/i18n/setlang/", {"language": "zh-hans"}).status_code == 302


def test_the_holder_of_the_token_becomes_administrator_and_starts_with_a_knowledge_base(
    client: Client,
) -> None:
    response = client.post("/setup/", filled(setup.issue_token()))
    assert response["Location"] == "/knowledge-bases/new/"
    ada = User.objects.get()
    assert (ada.is_superuser, ada.is_staff, ada.must_change_password) == (True, True, False)
    assert client.get("/knowledge-bases/new/").status_code == 200
    assert AuditEvent.objects.filter(action="setup.complete").exists()


@pytest.mark.parametrize("token", ["", "guess"])
def test_without_the_token_nobody_is_created(client: Client, token: str) -> None:
    setup.issue_token()
    assert client.post("/setup/", filled(token)).status_code == 422
    assert not User.objects.exists()


def test_an_earlier_token_ends_when_a_new_one_is_printed(client: Client) -> None:
    first = setup.issue_token()
    second = setup.issue_token()
    assert client.post("/setup/", filled(first)).status_code == 422
    assert client.post("/setup/", filled(second)).status_code == 302


def test_the_token_itself_is_stored_nowhere() -> None:
    token = setup.issue_token()
    assert token not in str(list(SetupToken.objects.values()))


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "short1x", "password_again": "short1x"},
        {"password": "ada", "password_again": "ada"},
        {"password_again": "another one entirely"},
        {"username": "not a name!"},
    ],
)
def test_an_unfit_name_or_password_is_refused_and_the_token_stays_good(
    client: Client, changes: dict[str, str]
) -> None:
    token = setup.issue_token()
    assert client.post("/setup/", filled(token, **changes)).status_code == 422
    assert not User.objects.exists()
    assert client.post("/setup/", filled(token)).status_code == 302


def test_the_set_up_is_closed_once_somebody_exists(client: Client, alice: User) -> None:
    SetupToken.objects.create(token_sha256=setup._hashed("left over"))
    assert client.get("/setup/")["Location"] == "/sign-in/"
    client.post("/setup/", filled("left over"))
    assert User.objects.count() == 1
    with pytest.raises(setup.SetupRefused):
        setup.issue_token()
    with pytest.raises(setup.SetupRefused):
        setup.create_first_administrator(
            token="left over", username="eve", email="", password=PASSWORD
        )


def test_the_token_may_come_with_the_link(client: Client) -> None:
    assert 'value="abc"' in client.get("/setup/?token=abc").content.decode()
