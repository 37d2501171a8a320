"""What the frame around every page needs to know: which section this is, and what to offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.functional import cached_property

from documents.models import KnowledgeBase

if TYPE_CHECKING:
    from django.http import HttpRequest

SECTIONS = {"documents": "documents", "accounts": "people", "qa": "qa"}


class Navigation:
    """Read lazily by ``base.html``, so that partials pay for no query."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def section(self) -> str:
        match = self._request.resolver_match
        if match is None:
            return ""
        name = match.url_name or ""
        if name.startswith("review"):
            return "review"
        if name.startswith(("models", "measure")):
            return "models"
        return SECTIONS.get(match.app_name, "")

    @cached_property
    def can_review(self) -> bool:
        user = self._request.user
        if not user.is_authenticated:
            return False
        return KnowledgeBase.objects.with_role(user, "reviewer").exists()

    @cached_property
    def can_curate(self) -> bool:
        user = self._request.user
        if not user.is_authenticated:
            return False
        return KnowledgeBase.objects.with_role(user, "curator").exists()


def navigation(request: HttpRequest) -> dict[str, Navigation]:
    """Context processor: ``nav`` in every template."""
    return {"nav": Navigation(request)}
