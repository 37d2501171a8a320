"""What comes before any page: an installation without people is set up, a told password changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode, urlsplit

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware

from accounts.setup import users_exist

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

ALWAYS_OPEN = ("healthz", "set_language")
"""URL names that neither gate closes."""


@sync_and_async_middleware
def gate(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Send everyone to ``/setup/`` while nobody exists, and a new person to their password."""
    if iscoroutinefunction(get_response):
        find_detour = sync_to_async(_detour, thread_sensitive=True)

        async def gate_async(request: HttpRequest) -> HttpResponseBase:
            detour = await find_detour(request)
            if detour is not None:
                return detour
            response = await cast("Awaitable[HttpResponseBase]", get_response(request))
            return _for_htmx(request, response)

        return gate_async

    def gate_sync(request: HttpRequest) -> HttpResponseBase:
        detour = _detour(request)
        if detour is not None:
            return detour
        return _for_htmx(request, cast("HttpResponseBase", get_response(request)))

    return gate_sync


def _detour(request: HttpRequest) -> HttpResponse | None:
    path = request.path_info
    if path in {reverse(name) for name in ALWAYS_OPEN}:
        return None
    if not users_exist():
        setup = reverse("accounts:setup")
        return None if path == setup else redirect(setup)
    user = request.user
    if user.is_authenticated and user.must_change_password:
        password = reverse("accounts:password")
        if path not in {password, reverse("accounts:sign_out")}:
            return _whole_page(request, password)
    return None


def _for_htmx(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Where a session has ended, the whole page goes to sign in, not the part htmx asked for."""
    sign_in = reverse("accounts:sign_in")
    is_htmx = request.headers.get("HX-Request") == "true"
    if is_htmx and response.status_code == 302 and response["Location"].startswith(sign_in):
        page = urlsplit(request.headers.get("HX-Current-URL", "")).path or "/"
        return _whole_page(request, f"{sign_in}?{urlencode({'next': page})}")
    return response


def _whole_page(request: HttpRequest, url: str) -> HttpResponse:
    """A redirect that htmx follows with the whole page, not inside the part it asked for."""
    if request.headers.get("HX-Request") == "true":
        response = HttpResponse(status=204)
        response["HX-Redirect"] = url
        return response
    return HttpResponseRedirect(url)
