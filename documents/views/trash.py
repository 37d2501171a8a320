"""Erasing a deleted document for good, after a page that says what that means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from documents import access, purging

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest


@login_required
@require_http_methods(["GET", "POST"])
def purge(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Ask first. For owners: a curator's deletion can be taken back, this cannot."""
    deleted = access.deleted_document_for(request.user, pk, role="owner")
    base = deleted.knowledge_base
    if request.method == "POST":
        title = deleted.title
        if purging.purge_document(actor=request.user, document=deleted):
            messages.success(request, _("“%(title)s” is erased for good.") % {"title": title})
        response = redirect("documents:base", slug=base.slug)
        response["Location"] += "?state=deleted"
        return response
    versions = deleted.versions.order_by("-number")
    context = {"document": deleted, "base": base, "versions": versions}
    return render(request, "documents/purge.html", context)
