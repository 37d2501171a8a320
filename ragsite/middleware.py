"""Two small middlewares: one id per request, and the admin's own content policy."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware

from ragsite.logging import request_id as current_request_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

HEADER = "X-Request-ID"
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


@sync_and_async_middleware
def request_id(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Name each request, in its log lines and its response; a proxy's well-formed id is kept."""
    if iscoroutinefunction(get_response):

        async def name_async(request: HttpRequest) -> HttpResponseBase:
            name = _request_name(request)
            token = current_request_id.set(name)
            try:
                response = await cast("Awaitable[HttpResponseBase]", get_response(request))
            finally:
                current_request_id.reset(token)
            response[HEADER] = name
            return response

        return name_async

    def name_sync(request: HttpRequest) -> HttpResponseBase:
        name = _request_name(request)
        token = current_request_id.set(name)
        try:
            response = cast("HttpResponseBase", get_response(request))
        finally:
            current_request_id.reset(token)
        response[HEADER] = name
        return response

    return name_sync


@sync_and_async_middleware
def admin_content_policy(
    get_response: Callable[[HttpRequest], Any],
) -> Callable[[HttpRequest], Any]:
    """Give pages below the admin the policy that their theme needs, and no others."""
    if iscoroutinefunction(get_response):

        async def replace_async(request: HttpRequest) -> HttpResponseBase:
            response = await cast("Awaitable[HttpResponseBase]", get_response(request))
            return _with_admin_policy(request, response)

        return replace_async

    def replace_sync(request: HttpRequest) -> HttpResponseBase:
        return _with_admin_policy(request, cast("HttpResponseBase", get_response(request)))

    return replace_sync


def _request_name(request: HttpRequest) -> str:
    given = request.headers.get(HEADER, "")
    return given if _SAFE_ID.fullmatch(given) else secrets.token_hex(8)


def _with_admin_policy(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if request.path_info.startswith(reverse("admin:index")):
        # django-csp reads this attribute when it writes the header, further out.
        setattr(response, "_csp_config", settings.ADMIN_CONTENT_POLICY)  # noqa: B010
    return response
