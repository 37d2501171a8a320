"""Headers that every response has, and the one exception."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.urls import reverse

if TYPE_CHECKING:
    from django.test import AsyncClient, Client

    from accounts.models import User

STRICT = {
    "default-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
}


def _policy(response: Any) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in response["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts if name}


def test_a_page_allows_nothing_from_elsewhere_and_nothing_inline(
    client: Client, alice: User
) -> None:
    response = client.get(reverse("accounts:sign_in"))
    assert response.status_code == 200
    assert _policy(response) == STRICT


@pytest.mark.parametrize("path", ["/no-such-page/", "/healthz"])
def test_other_responses_have_the_same_policy(client: Client, alice: User, path: str) -> None:
    assert _policy(client.get(path)) == STRICT


def test_the_admin_alone_may_evaluate_and_style_inline(client: Client, admin: User) -> None:
    client.force_login(admin)
    policy = _policy(client.get(reverse("admin:index")))
    assert policy == {
        **STRICT,
        "script-src": "'self' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
    }


def test_a_page_cannot_be_framed_sniffed_or_leak_its_address(client: Client, alice: User) -> None:
    response = client.get(reverse("accounts:sign_in"))
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


def test_each_response_is_named(client: Client, alice: User) -> None:
    first, second = (client.get("/healthz")["X-Request-ID"] for _ in range(2))
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert first != second


def test_the_name_that_a_proxy_gave_is_kept(client: Client, alice: User) -> None:
    response = client.get("/healthz", headers={"X-Request-ID": "proxy-12345678"})
    assert response["X-Request-ID"] == "proxy-12345678"


@pytest.mark.parametrize("forged", ["short", "with space and more", "line\nbreak-here", "x" * 65])
def test_an_odd_name_is_replaced(client: Client, alice: User, forged: str) -> None:
    response = client.get("/healthz", headers={"X-Request-ID": forged})
    assert re.fullmatch(r"[0-9a-f]{16}", response["X-Request-ID"])


@pytest.mark.django_db(transaction=True)
async def test_asynchronous_requests_have_the_same_headers(async_client: AsyncClient) -> None:
    response = await async_client.get("/healthz")
    assert response["X-Request-ID"]
    assert _policy(response) == STRICT
    # The request ran in a thread that keeps a connection of its own.
    await sync_to_async(connections.close_all)()
