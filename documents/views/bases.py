"""Knowledge bases: the list, making and changing one, its members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms import add_errors, sent, status_of
from documents import access
from documents import bases as services
from documents.forms import KnowledgeBaseForm, MemberForm, RolesForm
from documents.models import KnowledgeBase, Membership

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.http import AuthenticatedRequest


@login_required
@require_safe
def bases(request: AuthenticatedRequest) -> HttpResponse:
    """What the viewer may ask; curators find their way to documents from here."""
    shown = access.knowledge_bases_for(request.user).order_by("name")
    shown = shown.annotate(
        document_count=Count(
            "documents",
            filter=Q(documents__is_enabled=True)
            & Q(documents__in=access.documents_for(request.user).values("pk")),
        )
    )
    curated = set(
        access.knowledge_bases_for(request.user, role="curator").values_list("pk", flat=True)
    )
    context = {
        "bases": shown,
        "curated": curated,
        "may_create": access.may_create_knowledge_base(request.user),
        "deleted": _just_deleted(request),
    }
    return render(request, "documents/bases.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def create(request: AuthenticatedRequest) -> HttpResponse:
    if not access.may_create_knowledge_base(request.user):
        raise PermissionDenied(_("You may not create knowledge bases."))
    form = KnowledgeBaseForm(sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            base = services.create_knowledge_base(actor=request.user, **form.cleaned_data)
        except ValidationError as error:
            add_errors(form, error, otherwise=None)
        else:
            messages.success(
                request, _("%(name)s is ready for its first documents.") % {"name": base.name}
            )
            return redirect("documents:base", slug=base.slug)
    context = {"form": form}
    return render(request, "documents/base_form.html", context, status=status_of(request, form))


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    base = access.knowledge_base_for(request.user, slug, role="owner")
    form = KnowledgeBaseForm(sent(request), instance=base)
    if request.method == "POST" and form.is_valid():
        try:
            services.update_knowledge_base(actor=request.user, base=base, changes=form.cleaned_data)
        except ValidationError as error:
            add_errors(form, error, otherwise=None)
        else:
            messages.success(request, _("The settings are saved."))
            return redirect("documents:base", slug=slug)
    context = {"form": form, **_head(request, access.knowledge_base_for(request.user, slug))}
    return render(request, "documents/base_form.html", context, status=status_of(request, form))


@login_required
@require_POST
def delete(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    base = access.knowledge_base_for(request.user, slug, role="owner")
    services.delete_knowledge_base(actor=request.user, base=base)
    response = redirect("documents:bases")
    response["Location"] += f"?deleted={base.pk}"
    return response


@login_required
@require_POST
def restore(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    base = access.deleted_knowledge_base_for(request.user, slug)
    services.restore_knowledge_base(actor=request.user, base=base)
    messages.success(request, _("%(name)s is back.") % {"name": base.name})
    return redirect("documents:base", slug=slug)


@login_required
@require_http_methods(["GET", "POST"])
def members(request: AuthenticatedRequest, slug: str) -> HttpResponse:
    """Who may do what here. A person is named exactly, so that names cannot be browsed."""
    base = access.knowledge_base_for(request.user, slug, role="owner")
    form = MemberForm(sent(request), initial={"roles": [Membership.Role.VIEWER]})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            services.set_membership(
                actor=request.user, base=base, member=given["member"], roles=given["roles"]
            )
        except services.LastOwnerError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("%(name)s is a member now.") % {"name": given["member"]})
            return redirect("documents:members", slug=slug)
    listed = base.memberships.select_related("user", "group").order_by(
        "group__name", "user__username"
    )
    context = {
        "form": form,
        "members": [
            (member, RolesForm(initial={"roles": member.roles}, auto_id=f"id_{member.pk}_%s"))
            for member in listed
        ],
        **_head(request, base),
    }
    return render(request, "documents/members.html", context, status=status_of(request, form))


@login_required
@require_POST
def member(request: AuthenticatedRequest, slug: str, pk: int) -> HttpResponse:
    """Change the roles of one membership, or end it."""
    base = access.knowledge_base_for(request.user, slug, role="owner")
    membership = get_object_or_404(base.memberships.select_related("user", "group"), pk=pk)
    holder = membership.user or membership.group
    if holder is None:
        raise Http404
    try:
        if "remove" in request.POST:
            services.revoke_membership(actor=request.user, base=base, membership=membership)
            done = _("%(name)s is no longer a member.")
        else:
            services.set_membership(
                actor=request.user, base=base, member=holder, roles=request.POST.getlist("roles")
            )
            done = _("The roles of %(name)s are saved.")
    except services.LastOwnerError as error:
        messages.error(request, str(error))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, done % {"name": holder})
    return redirect("documents:members", slug=slug)


def _head(request: AuthenticatedRequest, base: KnowledgeBase) -> dict[str, Any]:
    """What the head of each page of a knowledge base needs."""
    return {"base": base, "roles": access.roles_in(request.user, base)}


def _just_deleted(request: AuthenticatedRequest) -> KnowledgeBase | None:
    """The knowledge base whose deletion led here, if the viewer may take that back."""
    pk = request.GET.get("deleted", "")
    if not pk.isdecimal():
        return None
    found = KnowledgeBase.objects.filter(pk=int(pk)).exclude(deleted_at=None).first()
    try:
        return access.deleted_knowledge_base_for(request.user, found.slug) if found else None
    except Http404:
        return None
