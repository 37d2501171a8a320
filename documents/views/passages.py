"""Passages as curators see them: the text that is searched, to be edited or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms import add_errors, sent, status_of
from documents import access, curating
from documents.forms import ChunkForm

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest
    from documents.models import Chunk


@login_required
@require_safe
def passage(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """One passage, as it stands in its document's list."""
    chunk = access.chunk_for(request.user, pk, role="curator")
    return _shown(request, chunk)


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Change the text. The text as it was cut is kept and can be had back."""
    chunk = access.chunk_for(request.user, pk, role="curator")
    form = ChunkForm(sent(request), initial={"text": chunk.text})
    if request.method == "POST" and ("revert" in request.POST or form.is_valid()):
        text = chunk.generated_text if "revert" in request.POST else form.cleaned_data["text"]
        try:
            curating.edit_chunk(actor=request.user, chunk=chunk, text=text)
        except ValidationError as error:
            add_errors(form, error, otherwise="text")
        else:
            return _back(request, pk, _("The passage is saved. It is searched anew in a moment."))
    template = "documents/_passage_form.html" if request.htmx else "documents/passage_form.html"
    context = {"chunk": chunk, "form": form, "base": chunk.knowledge_base}
    return render(request, template, context, status=status_of(request, form))


@login_required
@require_POST
def enabled(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    chunk = access.chunk_for(request.user, pk, role="curator")
    curating.set_chunk_enabled(
        actor=request.user, chunk=chunk, enabled=request.POST.get("enabled") == "1"
    )
    return _back(request, pk, _("The passage is saved."))


def _back(request: AuthenticatedRequest, pk: int, message: str) -> HttpResponse:
    chunk = access.chunk_for(request.user, pk, role="curator")
    if request.htmx:
        return _shown(request, chunk)
    messages.success(request, message)
    return redirect("documents:document", pk=chunk.document_id)


def _shown(request: AuthenticatedRequest, chunk: Chunk) -> HttpResponse:
    template = "documents/_passage.html" if request.htmx else "documents/passage.html"
    return render(request, template, {"chunk": chunk, "base": chunk.knowledge_base})
