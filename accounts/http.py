"""Request types: what a view may count on once the access check has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from accounts.models import User


class AuthenticatedRequest(HttpRequest):
    """A request behind ``login_required``; ``htmx`` is truthy when htmx asks for a part."""

    user: User
    htmx: HtmxDetails
