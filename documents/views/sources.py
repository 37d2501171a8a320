"""The document behind a citation, and the file that was uploaded."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from documents import access
from documents.printed_pages import has_pictures, printed_page
from documents.printed_pages import picture as page_picture
from documents.sources import source_page

if TYPE_CHECKING:
    from accounts.http import AuthenticatedRequest

SAFE_TYPES = {
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
"""Types a browser may be told; everything else, HTML above all, is bytes to be saved."""


@login_required
@require_safe
def source(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """The page or part of the document around a cited span, the span marked."""
    page = source_page(
        request.user,
        pk,
        version_pk=_number(request, "version"),
        start=_number(request, "start") or 0,
        end=_number(request, "end"),
    )
    base = page.document.knowledge_base
    context = {
        "page": page,
        "document": page.document,
        "base": base,
        "start": _number(request, "start") or 0,
        "end": _number(request, "end") or 0,
        "has_picture": page.page is not None and has_pictures(page.version),
    }
    return render(request, "documents/source.html", context)


@login_required
@never_cache
@require_safe
def original(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """The uploaded file, always to be saved and never shown by the browser as a page of ours.

    It is read whole: at most ``RAGSITE_MAX_UPLOAD_MB``, and under ASGI a file iterator would be
    collected in memory all the same.
    """
    document = access.document_for(request.user, pk)
    number = _number(request, "version")
    newest = document.versions.order_by("-number")
    version = newest.filter(pk=number).first() if number else None
    if number is None:
        version = document.current_version or newest.first()
    if version is None or not version.original:
        raise Http404(_("The original of this document is not kept."))
    try:
        with version.original.open("rb") as file:
            content = file.read()
    except FileNotFoundError as error:
        raise Http404(_("The original of this document is not kept.")) from error
    suffix = PurePath(version.filename).suffix.lower()
    response = HttpResponse(
        content, content_type=SAFE_TYPES.get(suffix, "application/octet-stream")
    )
    disposition = content_disposition_header(as_attachment=True, filename=version.filename)
    response["Content-Disposition"] = disposition or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@login_required
@require_safe
def printed(request: AuthenticatedRequest, pk: int, number: int) -> HttpResponse:
    """A page as it is printed, the lines of a cited span marked; asks for itself until drawn."""
    page = printed_page(
        request.user,
        pk,
        number,
        start=_number(request, "start") or 0,
        end=_number(request, "end") or 0,
    )
    template = "documents/_printed_page.html" if request.htmx else "documents/printed_page.html"
    return render(request, template, {"printed": page, "document": page.document})


@login_required
@never_cache
@require_safe
def picture(request: AuthenticatedRequest, pk: int, number: int) -> HttpResponse:
    """The picture of a page. It was made by the limited program, from somebody's file."""
    response = HttpResponse(page_picture(request.user, pk, number), content_type="image/webp")
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _number(request: AuthenticatedRequest, name: str) -> int | None:
    """A whole number of the query string; anything else counts as not given."""
    value = request.GET.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 12 else None
