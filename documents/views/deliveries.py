"""Archives and web pages on their way in: asked for, watched, ended, tried again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from documents import access, delivering
from documents.deliveries import DeliveredFile, Delivery
from documents.delivery_problems import explain_delivery
from documents.uploading import UploadRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest
    from accounts.models import User
    from documents.models import KnowledgeBase
    from documents.problems import Problem

SHOWN_FOR = timedelta(days=2)
MOST_SHOWN = 8
FILES_PER_PAGE = 100

Outcome = DeliveredFile.Outcome
_BADGES = {
    Delivery.State.RUNNING: "info",
    Delivery.State.DONE: "ok",
    Delivery.State.FAILED: "bad",
    Delivery.State.CANCELLED: "warn",
}


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery, and how many of its files met which end."""

    delivery: Delivery
    stored: int
    known: int
    unchanged: int
    refused: int

    @property
    def badge(self) -> str:
        return _BADGES.get(Delivery.State(self.delivery.state), "")

    @property
    def problem(self) -> Problem | None:
        """Why it ended early, with the remedy; None when it did not, or somebody wanted it."""
        is_wanted = self.delivery.state == Delivery.State.CANCELLED
        code = "" if is_wanted else self.delivery.error_code
        return explain_delivery(code) if code else None

    @property
    def may_retry(self) -> bool:
        is_kept = self.delivery.kind == Delivery.Kind.WEB_PAGE or bool(self.delivery.original)
        return self.delivery.state == Delivery.State.FAILED and is_kept


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file of a delivery. ``link`` is its document's id, if the viewer may open that."""

    file: DeliveredFile
    link: int | None

    @property
    def problem(self) -> Problem | None:
        return explain_delivery(self.file.code) if self.file.code else None

    @property
    def badge(self) -> str:
        return {Outcome.STORED: "ok", Outcome.REFUSED: "bad", Outcome.WAITING: ""}.get(
            Outcome(self.file.outcome), "info"
        )


def recent(base: KnowledgeBase) -> list[DeliveryRow]:
    """What is on its way into the base, or came lately; the newest first. For curators."""
    shown = base.deliveries.filter(
        Q(state__in=Delivery.UNFINISHED) | Q(finished_at__gt=timezone.now() - SHOWN_FOR)
    )
    return _rows(shown.order_by("-created_at", "-pk")[:MOST_SHOWN])


@login_required
@require_safe
def delivery(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """What became of each file, those that were not taken first."""
    shown = access.delivery_for(request.user, pk)
    order = {Outcome.REFUSED: 0, Outcome.WAITING: 1}
    files = sorted(
        shown.files.select_related("document"),
        key=lambda file: (order.get(Outcome(file.outcome), 2), file.position),
    )
    page = Paginator(files, FILES_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        **_context(request, shown),
        "page": page,
        "lines": _lines(request.user, page.object_list),
    }
    return render(request, "documents/delivery.html", context)


@login_required
@require_safe
def row(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """The delivery's row; it asks for itself until the state is final, and then says ``delivered``.

    At that the list beside it is loaded anew, which has its documents.
    """
    shown = access.delivery_for(request.user, pk)
    response = render(request, "documents/_delivery.html", _context(request, shown))
    if shown.is_final:
        # The row that asked is not in the page any more when the event is sent.
        response["HX-Trigger"] = json.dumps({"delivered": {"target": "body"}})
    return response


@login_required
@require_POST
def cancel(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    shown = access.delivery_for(request.user, pk)
    delivering.cancel(actor=request.user, delivery=shown)
    return _back(request, shown)


@login_required
@require_POST
def retry(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    shown = access.delivery_for(request.user, pk)
    delivering.try_again(actor=request.user, delivery=shown)
    return _back(request, shown)


@login_required
@require_POST
def fetch_page(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """Have a page fetched by its address. This process goes nowhere itself."""
    base = access.knowledge_base_for(request.user, slug, role="curator")
    try:
        asked = delivering.request_page(
            actor=request.user, knowledge_base=base, address=request.POST.get("address", "")
        )
    except UploadRefused as error:
        messages.error(request, error.message)
    else:
        _say(request, asked)
    return redirect("documents:base", slug=slug)


@login_required
@require_POST
def fetch_again(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Have a document's page fetched again from its address."""
    shown = access.document_for(request.user, pk, role="curator")
    try:
        asked = delivering.fetch_again(actor=request.user, document=shown)
    except UploadRefused as error:
        messages.error(request, error.message)
        return redirect("documents:document", pk=pk)
    _say(request, asked)
    return redirect("documents:delivery", pk=asked.delivery.pk)


def _say(request: AuthenticatedRequest, asked: delivering.Asked) -> None:
    if asked.duplicate:
        messages.info(request, _("This page is being fetched already."))
    elif asked.delivery.document_id:
        messages.success(
            request,
            _("The page is fetched again. The document gets a new version if it has changed."),
        )
    else:
        messages.success(request, _("The page is fetched and then read like any document."))


def _back(request: AuthenticatedRequest, shown: Delivery) -> HttpResponse:
    """After a change: the row again for htmx, else the delivery's page."""
    if request.htmx:
        fresh = access.delivery_for(request.user, shown.pk)
        return render(request, "documents/_delivery.html", _context(request, fresh))
    return redirect("documents:delivery", pk=shown.pk)


def _context(request: AuthenticatedRequest, shown: Delivery) -> dict[str, Any]:
    return {
        "row": _rows([shown])[0],
        "base": shown.knowledge_base,
        "roles": access.roles_in(request.user, shown.knowledge_base),
        "web_pages": settings.RAGSITE_WEB_PAGES,
    }


def _rows(deliveries: Iterable[Delivery]) -> list[DeliveryRow]:
    listed = list(deliveries)
    counted = (
        DeliveredFile.objects.filter(delivery__in=listed)
        .values_list("delivery", "outcome")
        .annotate(count=Count("pk"))
    )
    counts: dict[tuple[int, str], int] = {
        (delivery, outcome): count for delivery, outcome, count in counted
    }

    def count(delivery: Delivery, outcome: DeliveredFile.Outcome) -> int:
        return counts.get((delivery.pk, outcome.value), 0)

    return [
        DeliveryRow(
            delivery=each,
            stored=count(each, Outcome.STORED),
            known=count(each, Outcome.KNOWN),
            unchanged=count(each, Outcome.UNCHANGED),
            refused=count(each, Outcome.REFUSED),
        )
        for each in listed
    ]


def _lines(viewer: User, files: Iterable[DeliveredFile]) -> list[FileLine]:
    listed = list(files)
    ids = [file.document_id for file in listed if file.document_id]
    visible = set(access.documents_for(viewer).filter(pk__in=ids).values_list("pk", flat=True))
    return [
        FileLine(file, file.document_id if file.document_id in visible else None) for file in listed
    ]
