"""Personal order: the page of consent, opened sources, and one answer's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from qa import chat, habits
from qa.explanations import known_lines
from qa.fit import CAP
from qa.presentation import present_answer
from qa.views.links import source_href

if TYPE_CHECKING:
    from accounts.http import AuthenticatedRequest


@login_required
@never_cache
@require_GET
def personal_order(request: AuthenticatedRequest) -> HttpResponse:
    """What it uses and keeps, whether it is on, what it has learned, and how to delete that."""
    known = habits.known_of(request.user)
    context = {
        "is_on": known is not None,
        "lines": known_lines(known.habits) if known is not None else (),
        "topics": known.habits.topics if known is not None else (),
        "cap": CAP,
        "retention_days": habits.RETENTION_DAYS,
        "max_openings": habits.MAX_OPENINGS,
    }
    return render(request, "qa/personal_order.html", context)


@login_required
@require_POST
def change_personal_order(request: AuthenticatedRequest) -> HttpResponse:
    """Turn it on or off, or delete what was learned."""
    wish = request.POST.get("wish")
    if wish == "on":
        habits.turn_on(request.user)
        messages.success(request, _("Personal order is on. It learns from now on."))
    elif wish == "off":
        habits.turn_off(request.user)
        messages.success(request, _("Personal order is off. What it had learned is deleted."))
    elif wish == "forget":
        habits.forget(request.user)
        messages.success(request, _("What was learned is deleted. It begins anew."))
    else:
        return HttpResponseBadRequest()
    return redirect("qa:personal_order")


@login_required
@require_POST
def opened(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """A source of one's own answer was opened; kept only for readers who agreed."""
    passage = habits.source_for(request.user, pk)
    habits.record_opening(request.user, passage)
    return HttpResponse(status=204)


@login_required
@require_POST
def answer_order(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Show one answer's sources in the neutral order, or in one's own again."""
    row = chat.own_answer_for(request.user, pk)
    chat.set_order(request.user, row, neutral=request.POST.get("neutral") == "1")
    if not request.htmx:
        page = reverse("qa:conversation", args=[row.question.conversation_id])
        return redirect(f"{page}#answer-{row.pk}")
    view = present_answer(request.user, row, source_href=source_href, personal=True)
    return render(request, "qa/_answer.html", {"answer": view})
