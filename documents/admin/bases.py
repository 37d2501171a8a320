"""Knowledge bases with their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from documents import access, bases
from documents.admin.curated import CuratedAdmin, actor_of
from documents.bases import EDITABLE, WEIGHTS
from documents.forms import LinesField
from documents.models import KnowledgeBase, Membership

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

OWNERS_AND_CURATORS = gettext_lazy("The weights need not add up to 1, but one must be above 0.")


class KnowledgeBaseAdminForm(forms.ModelForm[KnowledgeBase]):
    suggested_questions = LinesField(
        label=gettext_lazy("Example questions"),
        required=False,
        line_length=200,
        most=12,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=gettext_lazy("One per line. Shown to people who have not asked yet."),
    )

    class Meta:
        model = KnowledgeBase
        fields = EDITABLE

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        weights = {field: cleaned[field] for field in WEIGHTS if cleaned.get(field) is not None}
        if len(weights) == len(WEIGHTS):
            bases.check_weights(weights)
        return cleaned


class MembershipForm(forms.ModelForm[Membership]):
    roles = forms.MultipleChoiceField(
        label=gettext_lazy("Roles"),
        choices=Membership.Role.choices,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Membership
        fields = ("user", "group", "roles")


class MembershipInline(TabularInline):  # type: ignore[misc]
    """Administrators change members here; owners on the members page, which lists no names."""

    model = Membership
    form = MembershipForm
    extra = 0
    autocomplete_fields = ("user", "group")
    verbose_name_plural = gettext_lazy("members")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        owned = access.knowledge_bases_for(actor_of(request), role="owner")
        return obj is None or owned.filter(pk=obj.pk).exists()

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(KnowledgeBase)
class KnowledgeBaseAdmin(CuratedAdmin):
    """Curators see a knowledge base; its owners change it."""

    base_path = "pk"
    form = KnowledgeBaseAdminForm
    list_display = ("name", "slug", "visibility", "is_paused", "rerank_enabled", "deleted_at")
    list_filter = ("visibility", "is_paused", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "slug", "description")
    ordering = ("name",)
    inlines = (MembershipInline,)
    readonly_fields = ("slug", "active_generation", "created_by", "created_at", "deleted_at")
    fieldsets = (
        (
            None,
            {"fields": ("name", "slug", "description", "visibility", "suggested_questions")},
        ),
        (
            gettext_lazy("Ranking"),
            {
                "fields": (
                    "rerank_enabled",
                    "reranker",
                    "candidates",
                    "sources",
                    *WEIGHTS,
                    "relevance_floor",
                    "half_life_days",
                ),
                "description": OWNERS_AND_CURATORS,
            },
        ),
        (
            gettext_lazy("Processing"),
            {
                "fields": (
                    "is_paused",
                    "active_generation",
                    "created_by",
                    "created_at",
                    "deleted_at",
                )
            },
        ),
    )
    actions = ("delete_bases", "restore_bases")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """What the person curates; administrators also see what was deleted, to restore it."""
        if request.user.is_superuser:
            return KnowledgeBase.objects.order_by("name")
        return super().get_queryset(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_create_knowledge_base(actor_of(request))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if obj is None or request.user.is_superuser:
            return self.has_view_permission(request, obj)
        owned = access.knowledge_bases_for(actor_of(request), role="owner")
        return owned.filter(pk=obj.pk).exists()

    def get_inlines(self, request: HttpRequest, obj: KnowledgeBase | None) -> Any:
        return self.inlines if obj is not None else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "name":
            kwargs["widget"] = UnfoldAdminTextInputWidget()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: KnowledgeBase, form: Any, change: Any) -> None:
        if change:
            values = {name: form.cleaned_data[name] for name in form.changed_data}
            bases.update_knowledge_base(actor=actor_of(request), base=obj, changes=values)
        else:
            made = bases.create_knowledge_base(actor=actor_of(request), **form.cleaned_data)
            # The admin goes on with the object it built: it becomes the one that was stored.
            obj.__dict__.update(made.__dict__)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        """Members by the service; a row that is there keeps its person and changes its roles."""
        changed = formset.save(commit=False)
        base: KnowledgeBase = form.instance
        actor = actor_of(request)
        try:
            for membership in changed:
                stored = Membership.objects.filter(pk=membership.pk).first() or membership
                member = stored.user or stored.group
                if member is not None:
                    bases.set_membership(
                        actor=actor, base=base, member=member, roles=membership.roles
                    )
            for membership in formset.deleted_objects:
                bases.revoke_membership(actor=actor, base=base, membership=membership)
        except bases.LastOwnerError as error:
            self.message_user(request, str(error), messages.ERROR)

    @admin.action(description=gettext_lazy("Delete (can be undone)"))
    def delete_bases(self, request: HttpRequest, chosen: QuerySet[KnowledgeBase]) -> None:
        owned = access.knowledge_bases_for(actor_of(request), role="owner").values("pk")
        for base in chosen.filter(pk__in=owned):
            bases.delete_knowledge_base(actor=actor_of(request), base=base)
        self.message_user(request, _("Deleted. “Restore” takes it back."))

    @admin.action(description=gettext_lazy("Restore"))
    def restore_bases(self, request: HttpRequest, chosen: QuerySet[KnowledgeBase]) -> None:
        for base in chosen:
            bases.restore_knowledge_base(actor=actor_of(request), base=base)
        self.message_user(request, _("Restored."))
