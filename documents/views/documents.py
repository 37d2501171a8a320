"""Documents of a knowledge base: the list with uploading, and one document's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, F, Func, Q
from django.http import Http404, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms import add_errors, sent, status_of
from documents import access, curating, delivering, processing, uploading
from documents.forms import DocumentForm
from documents.lost_edits import lost_edits
from documents.models import Chunk, Document
from documents.views.deliveries import recent
from documents.views.details import numbers, successor_choices
from documents.views.rows import STOPPED, UNFINISHED, State, rows_of, with_newest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.files.base import File
    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest
    from documents.models import KnowledgeBase
    from documents.querysets import DocumentQuerySet
    from documents.views.rows import DocumentRow

DOCUMENTS_PER_PAGE = 25
PASSAGES_PER_PAGE = 20
TAGS_OFFERED = 200
FILTERS = {
    "": gettext_lazy("All"),
    "processing": gettext_lazy("Being processed"),
    "ready": gettext_lazy("Ready"),
    "failed": gettext_lazy("Failed"),
    "disabled": gettext_lazy("Disabled"),
}
DELETED = "deleted"
ACCEPTED = (*uploading.ACCEPTED, *delivering.ENDINGS)
"""Endings of the files that the upload page takes."""


# ---- the list -------------------------------------------------------------------------------
@login_required
@require_safe
def base(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """The knowledge base's page: its documents, with uploading for curators."""
    shown = access.knowledge_base_for(request.user, slug)
    roles = access.roles_in(request.user, shown)
    chosen = request.GET.get("state", "")
    search = request.GET.get("q", "").strip()
    tag = request.GET.get("tag", "").strip()
    documents = with_newest(access.documents_for(request.user).filter(knowledge_base=shown))
    counts = _counts(documents)
    tags = _tags(documents, tag)
    if chosen == DELETED and "curator" in roles:
        documents = with_newest(
            Document.objects.filter(knowledge_base=shown, purged_at=None).exclude(deleted_at=None)
        )
    else:
        documents = _filtered(documents, chosen)
    if search:
        documents = documents.filter(
            Q(title__icontains=search)
            | Q(versions__filename__icontains=search)
            | Q(tags__contains=[search])
        ).distinct()
    if tag:
        documents = documents.filter(tags__contains=[tag])
    page = Paginator(
        documents.select_related("knowledge_base").order_by("-created_at", "-pk"),
        DOCUMENTS_PER_PAGE,
    ).get_page(request.GET.get("page"))
    deliveries = recent(shown) if "curator" in roles else []
    context = {
        "base": shown,
        "roles": roles,
        "rows": rows_of(request.user, page.object_list),
        "page": page,
        "counts": counts,
        "filters": FILTERS,
        "chosen": chosen,
        "search": search,
        "tags": tags,
        "tag": tag,
        "deleted": _just_deleted(request, shown),
        "lost_edits": len(lost_edits(shown)) if "curator" in roles else 0,
        "accept": ",".join(ACCEPTED),
        "endings": ", ".join(ending.removeprefix(".") for ending in ACCEPTED),
        "deliveries": deliveries,
        "is_busy": counts["processing"] or any(not row.delivery.is_final for row in deliveries),
        "web_pages": settings.RAGSITE_WEB_PAGES,
    }
    return render(request, "documents/base.html", context)


@login_required
@require_POST
def upload(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """Take files. The script sends one at a time and reads JSON; the plain form sends all."""
    target = access.knowledge_base_for(request.user, slug, role="curator")
    results = [_take(request, target, file) for file in request.FILES.getlist("files")]
    if request.accepts("text/html"):
        if not results:
            messages.error(request, _("Choose at least one file."))
        for result in results:
            level = messages.SUCCESS if result["ok"] else messages.ERROR
            level = messages.WARNING if result.get("duplicate") else level
            messages.add_message(request, level, f"{result['name']}: {result['message']}")
        return redirect("documents:base", slug=slug)
    return JsonResponse({"files": results})


@login_required
@require_POST
def retry(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    target = access.knowledge_base_for(request.user, slug, role="curator")
    count = uploading.retry_failed(actor=request.user, knowledge_base=target)
    messages.success(
        request,
        ngettext(
            "%(count)d document is queued again.", "%(count)d documents are queued again.", count
        )
        % {"count": count},
    )
    return redirect("documents:base", slug=slug)


# ---- one document ---------------------------------------------------------------------------
@login_required
@require_http_methods(["GET", "POST"])
def document(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """A document's page. Viewers read what it is; curators change it and see its passages."""
    role: access.Role = "curator" if request.method == "POST" else "viewer"
    shown = access.document_for(request.user, pk, role=role)
    roles = access.roles_in(request.user, shown.knowledge_base)
    form = DocumentForm(sent(request), instance=shown) if "curator" in roles else None
    if request.method == "POST" and form is not None and form.is_valid():
        try:
            events = curating.save_details(
                actor=request.user, document=shown, changes=form.changes(), groups=form.groups()
            )
        except ValidationError as error:
            add_errors(form, error, otherwise=None)
        else:
            return _saved(request, pk, events)
    # Read again: a form that is turned down has written its values onto the object.
    row = _row(request, access.document_for(request.user, pk))
    context: dict[str, Any] = {
        "row": row,
        "document": row.document,
        "base": row.document.knowledge_base,
        "roles": roles,
        "form": form,
        "web_pages": settings.RAGSITE_WEB_PAGES,
        "successor": _successor(request, row.document),
        "is_expired": row.document.expires_at and row.document.expires_at < timezone.localdate(),
    }
    if form is not None:
        context["undoable"] = "-".join(str(event) for event in numbers(request.GET.get("undo", "")))
        context |= successor_choices(
            request.user,
            row.document,
            request.GET.get("successor", ""),
            form["superseded_by"].value(),
        )
        chunks = Chunk.objects.visible_to(request.user).filter(document=shown).order_by("ordinal")
        context["page"] = Paginator(
            chunks.defer("term_weights", "term_frequencies", "term_vector", "lines"),
            PASSAGES_PER_PAGE,
        ).get_page(request.GET.get("page"))
        context["stale"] = chunks.filter(is_stale=True).count()
    status = status_of(request, form) if form is not None else 200
    return render(request, "documents/document.html", context, status=status)


def _saved(request: AuthenticatedRequest, pk: int, events: Sequence[int]) -> HttpResponse:
    """The page again, with the way back if anything changed."""
    response = redirect("documents:document", pk=pk)
    if events:
        response["Location"] += "?undo=" + "-".join(str(event) for event in events)
    else:
        messages.success(request, _("The document's details are saved."))
    return response


def _successor(request: AuthenticatedRequest, shown: Document) -> Document | None:
    """What takes the document's place, if the viewer may open it."""
    return access.documents_for(request.user).filter(supersedes=shown).first()


@login_required
@require_safe
def row(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """The document's row of the list; it asks for itself until the state is final."""
    shown = access.document_for(request.user, pk)
    return _row_response(request, shown)


@login_required
@require_safe
def state(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """How far processing is, on the document's page, which is loaded anew at the end."""
    shown = access.document_for(request.user, pk)
    response = render(request, "documents/_state.html", _row_context(request, shown))
    if not _row(request, shown).is_processing:
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_POST
def reprocess(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Try again what has ended, and now what waits for its next try."""
    shown = access.document_for(request.user, pk, role="curator")
    if not processing.try_now(actor=request.user, document=shown):
        uploading.reprocess(actor=request.user, document=shown)
    return _back(request, shown)


@login_required
@require_POST
def cancel(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    shown = access.document_for(request.user, pk, role="curator")
    processing.cancel(actor=request.user, document=shown)
    return _back(request, shown)


@login_required
@require_POST
def enabled(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    shown = access.document_for(request.user, pk, role="curator")
    curating.set_document_enabled(
        actor=request.user, document=shown, enabled=request.POST.get("enabled") == "1"
    )
    return _back(request, shown)


@login_required
@require_POST
def delete(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    shown = access.document_for(request.user, pk, role="curator")
    curating.delete_document(actor=request.user, document=shown)
    response = redirect("documents:base", slug=shown.knowledge_base.slug)
    response["Location"] += f"?deleted={shown.pk}"
    return response


@login_required
@require_POST
def restore(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    deleted = access.deleted_document_for(request.user, pk)
    curating.restore_document(actor=request.user, document=deleted)
    messages.success(request, _("%(title)s is back.") % {"title": deleted.title})
    return redirect("documents:base", slug=deleted.knowledge_base.slug)


# ---- parts ----------------------------------------------------------------------------------
def _filtered(documents: DocumentQuerySet, chosen: str) -> DocumentQuerySet:
    if chosen == "processing":
        return documents.filter(Q(newest_state__in=UNFINISHED))
    if chosen == "ready":
        return documents.filter(Q(newest_state=State.READY))
    if chosen == "failed":
        return documents.filter(Q(newest_state__in=STOPPED))
    if chosen == "disabled":
        return documents.filter(is_enabled=False)
    return documents


def _counts(documents: DocumentQuerySet) -> dict[str, int]:
    return documents.aggregate(
        total=Count("pk"),
        processing=Count("pk", filter=Q(newest_state__in=UNFINISHED)),
        failed=Count("pk", filter=Q(newest_state__in=STOPPED)),
    )


def _tags(documents: DocumentQuerySet, chosen: str) -> list[str]:
    """Tags of the documents by alphabet, the chosen one always among them."""
    tags = documents.annotate(tag=Func(F("tags"), function="unnest")).order_by()
    found = set(tags.values_list("tag", flat=True).distinct()[:TAGS_OFFERED])
    return sorted(found | ({chosen} if chosen else set()), key=str.casefold)


def _take(
    request: AuthenticatedRequest, target: KnowledgeBase, file: File[bytes]
) -> dict[str, Any]:
    """One file's outcome in words; one that is refused harms no other."""
    if delivering.is_archive(file.name or ""):
        return _take_archive(request, target, file)
    try:
        outcome = uploading.upload(actor=request.user, knowledge_base=target, file=file)
    except uploading.UploadRefused as error:
        return {"name": file.name, "ok": False, "message": error.message}
    message = _("Received, it waits to be processed.")
    if outcome.duplicate:
        message = _("The same file is here already: %(title)s") % {"title": outcome.document.title}
    return {
        "name": file.name,
        "ok": True,
        "duplicate": outcome.duplicate,
        "message": message,
        "url": reverse("documents:document", args=[outcome.document.pk]),
    }


def _take_archive(
    request: AuthenticatedRequest, target: KnowledgeBase, file: File[bytes]
) -> dict[str, Any]:
    try:
        asked = delivering.request_archive(actor=request.user, knowledge_base=target, file=file)
    except uploading.UploadRefused as error:
        return {"name": file.name, "ok": False, "message": error.message}
    message = _("Received. Its files become documents in a moment.")
    if asked.duplicate:
        message = _("The same archive is being unpacked already.")
    return {
        "name": file.name,
        "ok": True,
        "duplicate": asked.duplicate,
        "message": message,
        "url": reverse("documents:delivery", args=[asked.delivery.pk]),
    }


def _row(request: AuthenticatedRequest, shown: Document) -> DocumentRow:
    found = with_newest(Document.objects.filter(pk=shown.pk)).select_related(
        "knowledge_base", "current_version", "superseded_by"
    )
    rows = rows_of(request.user, found)
    if not rows:
        raise Http404
    return rows[0]


def _row_context(request: AuthenticatedRequest, shown: Document) -> dict[str, Any]:
    fresh = _row(request, shown)
    return {
        "row": fresh,
        "document": fresh.document,
        "base": fresh.document.knowledge_base,
        "roles": access.roles_in(request.user, fresh.document.knowledge_base),
    }


def _row_response(request: AuthenticatedRequest, shown: Document) -> HttpResponse:
    return render(request, "documents/_row.html", _row_context(request, shown))


def _back(request: AuthenticatedRequest, shown: Document) -> HttpResponse:
    """After a change: the row again for htmx, else the page the form was on."""
    if request.htmx:
        return _row_response(request, shown)
    if request.POST.get("from") == "base":
        return redirect("documents:base", slug=shown.knowledge_base.slug)
    return redirect("documents:document", pk=shown.pk)


def _just_deleted(request: AuthenticatedRequest, shown: KnowledgeBase) -> Document | None:
    """The document whose deletion led here, if the viewer may take that back."""
    pk = request.GET.get("deleted", "")
    if not pk.isdecimal():
        return None
    try:
        found = access.deleted_document_for(request.user, int(pk))
    except Http404:
        return None
    return found if found.knowledge_base_id == shown.pk else None
