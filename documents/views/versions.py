"""The versions of a document: their history, and uploading the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from documents import access, uploading
from documents.models import Document
from documents.problems import explain
from documents.views.rows import State, badge_of, rows_of, with_newest

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest
    from documents.models import DocumentVersion
    from documents.problems import Problem


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version in the history."""

    version: DocumentVersion
    is_current: bool
    """Whether it is the one that is searched."""
    is_replaced: bool
    """Whether it was ready, and a newer one is searched by now."""

    @property
    def problem(self) -> Problem | None:
        return explain(self.version.error_code) if self.version.error_code else None

    @property
    def badge(self) -> str:
        return badge_of(self.version)


@login_required
@require_http_methods(["GET", "POST"])
def versions(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """The history, newest first. A file that is sent becomes the next version."""
    shown = access.document_for(request.user, pk, role="curator")
    if request.method == "POST":
        _take(request, shown)
        return redirect("documents:document_versions", pk=pk)
    (row,) = rows_of(
        request.user,
        with_newest(Document.objects.filter(pk=pk)).select_related(
            "knowledge_base", "current_version"
        ),
    )
    context = {
        "row": row,
        "document": row.document,
        "base": row.document.knowledge_base,
        "roles": access.roles_in(request.user, row.document.knowledge_base),
        "lines": _lines(row.document),
    }
    return render(request, "documents/versions.html", context)


def _lines(document: Document) -> list[VersionLine]:
    current = document.current_version
    return [
        VersionLine(
            version,
            is_current=version == current,
            is_replaced=(
                current is not None
                and version.number < current.number
                and version.state == State.READY
            ),
        )
        for version in document.versions.select_related("uploaded_by").order_by("-number")
    ]


def _take(request: AuthenticatedRequest, shown: Document) -> None:
    """Store what was sent, and say what came of it on the next page."""
    file = request.FILES.get("file")
    if file is None:
        messages.error(request, _("Choose a file."))
        return
    try:
        outcome = uploading.upload_version(actor=request.user, document=shown, file=file)
    except uploading.UploadRefused as error:
        messages.error(request, error.message)
        return
    if not outcome.duplicate:
        messages.success(
            request,
            _("Version %(number)d is received. It takes the place of the present one when ready.")
            % {"number": outcome.version.number},
        )
    elif outcome.document == shown:
        messages.warning(request, _("This is the file of the newest version already."))
    else:
        messages.warning(
            request,
            _("The same file is here already: %(title)s") % {"title": outcome.document.title},
        )
