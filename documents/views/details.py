"""Choosing what takes a document's place, and taking a change of its details back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from documents import access, curating

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest
    from accounts.models import User
    from documents.models import Document

SUCCESSORS_SHOWN = 8
_LONGEST_PK = 18


@login_required
@require_safe
def successors(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """The documents that fit what was typed, to choose one from."""
    shown = access.document_for(request.user, pk, role="curator")
    context = successor_choices(
        request.user, shown, request.GET.get("successor", ""), request.GET.get("superseded_by", "")
    )
    return render(request, "documents/_successor_options.html", context)


@login_required
@require_POST
def undo(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Take the change back that the notice on the document's page names."""
    shown = access.document_for(request.user, pk, role="curator")
    events = numbers(request.POST.get("events", ""))
    try:
        if curating.undo_details(actor=request.user, document=shown, events=events):
            messages.success(request, _("The details are as they were before."))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("documents:document", pk=pk)


def successor_choices(user: User, shown: Document, search: str, chosen: object) -> dict[str, Any]:
    """What the picker needs: the chosen document and the newest others that fit ``search``."""
    curated = (
        access.documents_for(user, role="curator")
        .filter(knowledge_base=shown.knowledge_base_id)
        .exclude(pk=shown.pk)
    )
    search = search.strip()
    fitting = curated.order_by("-created_at", "-pk")
    if search:
        fitting = fitting.filter(
            Q(title__icontains=search) | Q(versions__filename__icontains=search)
        ).distinct()
    named = numbers(str(chosen or ""))[:1]
    offered = list(fitting.exclude(pk__in=named)[: SUCCESSORS_SHOWN + 1])
    return {
        "document": shown,
        "successor_search": search,
        "chosen_successor": curated.filter(pk__in=named).first(),
        "offered_successors": offered[:SUCCESSORS_SHOWN],
        "more_successors": len(offered) > SUCCESSORS_SHOWN,
    }


def numbers(text: str) -> list[int]:
    """Ids written with dashes between them, as in an address; nothing if any of it is no id."""
    parts = text.split("-") if text else []
    if all(part.isascii() and part.isdecimal() and len(part) <= _LONGEST_PK for part in parts):
        return [int(part) for part in parts]
    return []
