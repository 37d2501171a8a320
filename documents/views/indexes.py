"""The page "Index" of a knowledge base: what is searched, building it anew, going back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms import add_errors, sent, status_of
from documents import access, reindexing
from documents.chunking import CHUNKING_GENERATION
from documents.forms import IndexForm, embedder_label
from documents.generations import generation_before
from documents.models import Chunk
from documents.problems import explain

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest
    from documents.models import IndexGeneration, KnowledgeBase


@login_required
@require_http_methods(["GET", "POST"])
def index(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """What is searched, and the form that has it built anew."""
    base = access.knowledge_base_for(request.user, slug, role="owner")
    form = IndexForm(sent(request), base=base)
    if request.method == "POST" and form.is_valid():
        try:
            reindexing.request_rebuild(actor=request.user, base=base, **form.cleaned_data)
        except ValidationError as error:
            add_errors(form, error, otherwise=None)
        else:
            messages.success(
                request, _("The new index is being built. Until it is complete, nothing changes.")
            )
            return redirect("documents:index", slug=slug)
    context = {
        **_state(base),
        "roles": access.roles_in(request.user, base),
        "form": form,
        "present": _described(base.active_generation),
        "before": _described(generation_before(base)),
        "days": settings.RAGSITE_KEEP_INDEX_DAYS,
    }
    return render(request, "documents/index.html", context, status=status_of(request, form))


@login_required
@require_safe
def state(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """How far the build is; the page is loaded anew at the end."""
    base = access.knowledge_base_for(request.user, slug, role="owner")
    context = _state(base)
    response = render(request, "documents/_build.html", context)
    if context["build"] is None or context["build"].is_final:
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_POST
def go_back(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    base = access.knowledge_base_for(request.user, slug, role="owner")
    try:
        reindexing.request_return(actor=request.user, base=base)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(
            request, _("Going back. What has changed since is brought into the index before first.")
        )
    return redirect("documents:index", slug=slug)


@login_required
@require_POST
def cancel(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    base = access.knowledge_base_for(request.user, slug, role="owner")
    if reindexing.cancel_build(actor=request.user, base=base):
        messages.success(request, _("Cancelled. What is searched stays as it is."))
    return redirect("documents:index", slug=slug)


def _state(base: KnowledgeBase) -> dict[str, Any]:
    build = base.index_builds.order_by("-pk").first()
    problem = explain(build.error_code) if build is not None and build.error_code else None
    return {"base": base, "build": build, "problem": problem}


def _described(generation: IndexGeneration | None) -> dict[str, Any] | None:
    """A generation in words and figures."""
    if generation is None:
        return None
    return {
        "generation": generation,
        "model": embedder_label(generation.embedder),
        "passages": Chunk.objects.filter(generation=generation).count(),
        "is_dated": generation.chunking_generation != CHUNKING_GENERATION,
        "kept_until": generation.retired_at
        and generation.retired_at + timedelta(days=settings.RAGSITE_KEEP_INDEX_DAYS),
    }
