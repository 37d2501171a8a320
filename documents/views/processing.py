"""Processing of documents as such: calling it off, pausing it, and what is said of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from documents import access, processing

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest


@login_required
@require_POST
def cancel_all(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    target = access.knowledge_base_for(request.user, slug, role="curator")
    count = processing.cancel_all(actor=request.user, knowledge_base=target)
    said = ngettext(
        "Processing of %(count)d document is cancelled. Try it again to take that back.",
        "Processing of %(count)d documents is cancelled. Try all again to take that back.",
        count,
    )
    messages.success(request, said % {"count": count})
    return redirect("documents:base", slug=slug)


@login_required
@require_POST
def pause(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """Pause (``paused=1``) or go on (``paused=0``)."""
    target = access.knowledge_base_for(request.user, slug, role="curator")
    paused = request.POST.get("paused") == "1"
    if processing.set_paused(actor=request.user, knowledge_base=target, paused=paused):
        said = _("Processing is paused. What is in work is finished.")
        messages.success(request, said if paused else _("Processing goes on."))
    return redirect("documents:base", slug=slug)
