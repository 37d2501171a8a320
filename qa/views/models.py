"""The models page for curators: rerankers measured on this installation, and which to take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRedirect

from documents.access import knowledge_base_for, knowledge_bases_for
from qa import measurements
from qa.comparison import compare, curated_by, row_of
from qa.guidance import guide_words, unmeasured_words
from qa.measured_words import covered_words, row_words, uncovered_words

if TYPE_CHECKING:
    from accounts.http import AuthenticatedRequest
    from documents.models import KnowledgeBase
    from qa.comparison import MeasuredRow
    from qa.models import RerankerMeasurement, RerankerProfile

CHANGED = "measured"
"""The event that tells the page to fetch its guide again."""


@login_required
@require_GET
def models(request: AuthenticatedRequest) -> HttpResponse:
    """All rerankers, measured on the samples or on the knowledge base that ``on`` names."""
    base = _chosen_base(request, request.GET.get("on", ""))
    return render(request, "qa/models.html", _page(request, base))


@login_required
@require_GET
def guide(request: AuthenticatedRequest) -> HttpResponse:
    """The selection guide alone, for htmx."""
    base = _chosen_base(request, request.GET.get("on", ""))
    return render(request, "qa/_guide.html", _page(request, base))


@login_required
@never_cache
@require_GET
def row(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """One reranker, asked for while it is measured; ``said`` is what was last announced."""
    profile = measurements.profile_for(request.user, pk)
    base = _chosen_base(request, request.GET.get("on", ""))
    return _row(request, profile, base, said=request.GET.get("said", ""))


@login_required
@require_POST
def measure(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """Have one reranker measured."""
    profile = measurements.profile_for(request.user, pk)
    base = _chosen_base(request, request.POST.get("on", ""))
    try:
        measurements.request_measurement(request.user, profile, base)
    except measurements.MeasurementRefused as refusal:
        messages.error(request, str(refusal))
        return _to_page(request, base)
    return _back(request, profile, base)


@login_required
@require_POST
def measure_all(request: AuthenticatedRequest) -> HttpResponse:
    """Have every reranker measured, one after the other."""
    base = _chosen_base(request, request.POST.get("on", ""))
    try:
        asked = measurements.request_all(request.user, base)
    except measurements.MeasurementRefused as refusal:
        messages.error(request, str(refusal))
    else:
        if asked:
            messages.success(request, _("They are measured one after the other."))
    return _to_page(request, base)


@login_required
@require_POST
def cancel(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """End a measurement that waits or runs."""
    measurement = measurements.measurement_for(request.user, pk)
    measurements.cancel(request.user, measurement)
    return _back(request, measurement.profile, measurement.knowledge_base)


def _chosen_base(request: AuthenticatedRequest, slug: str) -> KnowledgeBase | None:
    """The knowledge base to measure on, or ``None`` for the samples. ``Http404`` for strangers."""
    if slug:
        return knowledge_base_for(request.user, slug, role="curator")
    if not knowledge_bases_for(request.user, role="curator").exists():
        raise Http404(_("Rerankers are compared by curators of a knowledge base."))
    return None


def _page(request: AuthenticatedRequest, base: KnowledgeBase | None) -> dict[str, Any]:
    comparison = compare(request.user, base)
    return {
        "comparison": comparison,
        "ground": comparison.ground,
        "rows": [_shown(each) for each in comparison.rows],
        "guide": guide_words(comparison.guide),
        "unmeasured": unmeasured_words(comparison.guide),
        "curated": curated_by(request.user),
        "is_measuring": any(each.is_unfinished for each in comparison.rows),
    }


def _row(
    request: AuthenticatedRequest,
    profile: RerankerProfile,
    base: KnowledgeBase | None,
    *,
    said: str = "",
) -> HttpResponse:
    shown = row_of(request.user, profile, base)
    context = {
        "shown": _shown(shown),
        "ground": {"slug": base.slug if base else ""},
        "announce": shown.newest is not None and _token(shown.newest) != said,
    }
    response = render(request, "qa/_measured.html", context)
    if not shown.is_unfinished:
        response["HX-Trigger"] = CHANGED
    return response


def _shown(row: MeasuredRow) -> dict[str, Any]:
    """A row with what is printed of it."""
    return {
        "row": row,
        "words": row_words(row),
        "covers": covered_words(row),
        "uncovered": uncovered_words(row),
    }


def _token(measurement: RerankerMeasurement) -> str:
    """What was said of a measurement: the same token is not announced twice."""
    return f"{measurement.state}-{measurement.stage}"


def _back(
    request: AuthenticatedRequest, profile: RerankerProfile, base: KnowledgeBase | None
) -> HttpResponse:
    """After a change: the row again for htmx, else its place on the page."""
    if request.htmx:
        return _row(request, profile, base)
    return redirect(f"{_address(base)}#reranker-{profile.pk}")


def _to_page(request: AuthenticatedRequest, base: KnowledgeBase | None) -> HttpResponse:
    """The whole page, with its messages."""
    address = _address(base)
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _address(base: KnowledgeBase | None) -> str:
    address = reverse("qa:models")
    return address if base is None else f"{address}?{urlencode({'on': base.slug})}"
