"""What curators said of passages that are cut no more, to be applied elsewhere or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from documents import access
from documents import lost_edits as services
from documents.models import ChunkCuration

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest
    from documents.models import KnowledgeBase

EDITS_PER_PAGE = 10


@login_required
@require_safe
def edits(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """Each with its old text, what was said of it, and the passages it may belong to now."""
    base = access.knowledge_base_for(request.user, slug, role="curator")
    page = Paginator(services.lost_edits(base), EDITS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "base": base,
        "roles": access.roles_in(request.user, base),
        "page": page,
        "lost": [services.with_candidates(base, curation) for curation in page.object_list],
        "dropped": _dropped(request, base),
    }
    return render(request, "documents/edits.html", context)


@login_required
@require_POST
def decide(request: AuthenticatedRequest, slug: str, pk: int) -> HttpResponse:
    """Apply it to the chosen passage, drop it, or ask again for what was dropped."""
    base = access.knowledge_base_for(request.user, slug, role="curator")
    curation = get_object_or_404(_curations(base), pk=pk)
    response = redirect("documents:edits", slug=slug)
    if "drop" in request.POST:
        if services.drop(actor=request.user, curation=curation):
            response["Location"] += f"?dropped={pk}"
    elif "take_back" in request.POST:
        services.take_back(actor=request.user, curation=curation)
    else:
        _apply(request, curation)
    return response


def _apply(request: AuthenticatedRequest, curation: ChunkCuration) -> None:
    chosen = request.POST.get("passage", "")
    if not (chosen.isascii() and chosen.isdecimal() and len(chosen) < 19):
        messages.error(request, _("Choose a passage."))
        return
    try:
        chunk = access.chunk_for(request.user, int(chosen), role="curator")
        done = services.apply(
            actor=request.user,
            curation=curation,
            chunk=chunk,
            text=request.POST.get("text", "") if curation.edited_text else "",
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return
    except Http404:
        done = False
    if done:
        messages.success(request, _("The passage is saved. It is searched anew in a moment."))
    else:
        messages.error(request, _("The passage is gone meanwhile. Choose again."))


def _curations(base: KnowledgeBase) -> QuerySet[ChunkCuration]:
    return ChunkCuration.objects.filter(
        document__knowledge_base=base, document__deleted_at=None
    ).select_related("document")


def _dropped(request: AuthenticatedRequest, base: KnowledgeBase) -> ChunkCuration | None:
    """What was just dropped, to be taken back."""
    pk = request.GET.get("dropped", "")
    if not (pk.isascii() and pk.isdecimal() and len(pk) < 19):
        return None
    return _curations(base).filter(pk=int(pk)).exclude(settled_at=None).first()
