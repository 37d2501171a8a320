"""Documents, their versions and stages, and their passages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, Subquery
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
)

from documents import access, curating, uploading
from documents.admin.curated import CuratedAdmin, ReadOnlyInline, actor_of
from documents.forms import TagsField
from documents.models import Chunk, Document, DocumentVersion, ProcessingStage
from documents.problems import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import ForeignKey, QuerySet
    from django.forms import ModelChoiceField
    from django.http import HttpRequest

PREVIEW_CHARACTERS = 120


class DocumentAdminForm(forms.ModelForm[Document]):
    tags = TagsField(
        label=_("Tags"),
        required=False,
        max_length=900,
        help_text=_("With commas between them."),
        widget=UnfoldAdminTextInputWidget(),
    )
    source_url = forms.URLField(
        label=_("Web address of the original"),
        required=False,
        max_length=1000,
        assume_scheme="https",
        widget=UnfoldAdminURLInputWidget(),
    )

    class Meta:
        model = Document
        fields = (*curating.EDITABLE, "visible_to_groups")

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            try:
                curating.check_document(self.instance)
            except ValidationError as error:
                self.add_error(None, error)


class VersionInline(ReadOnlyInline):
    model = DocumentVersion
    fk_name = "document"
    fields = ("number", "filename", "media_type", "size", "state", "error_code", "created_at")
    readonly_fields = fields
    ordering = ("-number",)
    show_change_link = True


@admin.register(Document)
class DocumentAdmin(CuratedAdmin):
    form = DocumentAdminForm
    list_display = ("title", "knowledge_base", "state", "is_enabled", "created_at")
    list_filter = (("knowledge_base", admin.RelatedOnlyFieldListFilter), "is_enabled")
    list_select_related = ("knowledge_base",)
    search_fields = ("title", "versions__filename")
    ordering = ("-created_at",)
    fields = (
        "knowledge_base",
        "is_enabled",
        *curating.EDITABLE,
        "visible_to_groups",
        "created_by",
        "created_at",
    )
    readonly_fields = ("knowledge_base", "is_enabled", "created_by", "created_at")
    autocomplete_fields = ("superseded_by",)
    inlines = (VersionInline,)
    actions = ("reindex", "enable", "disable", "delete_documents")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        newest = DocumentVersion.objects.filter(document=OuterRef("pk")).order_by("-number")
        found = super().get_queryset(request).filter(deleted_at=None)
        annotated: QuerySet[Any] = found.annotate(newest_state=Subquery(newest.values("state")[:1]))
        return annotated

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "superseded_by":
            # A refused choice is shown again by its title, which must not be a stranger's.
            kwargs["queryset"] = access.documents_for(actor_of(request), role="curator")
        field: ModelChoiceField[Any] | None = super().formfield_for_foreignkey(
            db_field, request, **kwargs
        )
        return field

    @admin.display(description=_("state"), ordering="newest_state")
    def state(self, document: Document) -> str:
        newest = getattr(document, "newest_state", None)
        return str(DocumentVersion.State(newest).label) if newest else "–"

    def save_model(self, request: HttpRequest, obj: Document, form: Any, change: Any) -> None:
        changes = {
            name: form.cleaned_data[name] for name in form.changed_data if name in curating.EDITABLE
        }
        curating.update_document(actor=actor_of(request), document=obj, changes=changes)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        curating.set_visibility_groups(
            actor=actor_of(request),
            document=form.instance,
            groups=form.cleaned_data["visible_to_groups"],
        )
        for formset in formsets:
            self.save_formset(request, form, formset, change)

    @admin.action(description=_("Process again"))
    def reindex(self, request: HttpRequest, chosen: QuerySet[Document]) -> None:
        actor = actor_of(request)
        self._each(
            request,
            chosen,
            lambda document: uploading.reprocess(actor=actor, document=document),
        )

    @admin.action(description=_("Enable"))
    def enable(self, request: HttpRequest, chosen: QuerySet[Document]) -> None:
        actor = actor_of(request)
        self._each(
            request,
            chosen,
            lambda document: curating.set_document_enabled(
                actor=actor, document=document, enabled=True
            ),
        )

    @admin.action(description=_("Disable"))
    def disable(self, request: HttpRequest, chosen: QuerySet[Document]) -> None:
        actor = actor_of(request)
        self._each(
            request,
            chosen,
            lambda document: curating.set_document_enabled(
                actor=actor, document=document, enabled=False
            ),
        )

    @admin.action(description=_("Delete (can be undone on the knowledge base's page)"))
    def delete_documents(self, request: HttpRequest, chosen: QuerySet[Document]) -> None:
        actor = actor_of(request)
        self._each(
            request,
            chosen,
            lambda document: curating.delete_document(actor=actor, document=document),
        )

    def _each(
        self,
        request: HttpRequest,
        chosen: QuerySet[Document],
        change: Callable[[Document], bool],
    ) -> None:
        count = sum(change(document) for document in chosen)
        said = ngettext("%(count)d document changed.", "%(count)d documents changed.", count)
        self.message_user(request, said % {"count": count})


class StageInline(ReadOnlyInline):
    model = ProcessingStage
    fields = (
        "attempt",
        "worker",
        "stage",
        "state",
        "progress_done",
        "progress_total",
        "error_code",
        "error_detail",
        "started_at",
        "finished_at",
    )
    readonly_fields = fields
    ordering = ("attempt", "pk")


@admin.register(DocumentVersion)
class DocumentVersionAdmin(CuratedAdmin):
    """Uploaded files and how far their processing came: to look at."""

    readable_only = True
    list_display = ("filename", "number", "document", "state", "attempt", "created_at")
    list_filter = ("state", "media_type", ("knowledge_base", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("document",)
    search_fields = ("filename", "sha256")
    ordering = ("-created_at",)
    # Not ``original``: the file's address is the download page, which asks who is asking.
    fields = (
        "document",
        "number",
        "filename",
        "media_type",
        "size",
        "sha256",
        "language",
        "page_count",
        "metadata",
        "state",
        "problem",
        "error_detail",
        "attempt",
        "lost_attempts",
        "postponements",
        "queued_at",
        "not_before",
        "worker",
        "heartbeat_at",
        "indexed_fingerprint",
        "uploaded_by",
        "created_at",
        "started_at",
        "finished_at",
    )
    readonly_fields = ("problem",)
    inlines = (StageInline,)

    @admin.display(description=_("problem"))
    def problem(self, version: DocumentVersion) -> str:
        return str(explain(version.error_code).sentence) if version.error_code else "–"


class ChunkAdminForm(forms.ModelForm[Chunk]):
    text = forms.CharField(
        label=_("Text"),
        max_length=curating.MAX_CHUNK_CHARACTERS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 14}),
        help_text=_("What is searched and cited. The original text is kept below."),
    )

    class Meta:
        model = Chunk
        fields = ("text",)


@admin.register(Chunk)
class ChunkAdmin(CuratedAdmin):
    """Passages of the index that is searched now."""

    form = ChunkAdminForm
    list_display = ("preview", "document", "ordinal", "is_enabled", "is_edited", "token_count")
    list_filter = (
        "is_enabled",
        "is_edited",
        "language",
        ("knowledge_base", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("document",)
    search_fields = ("text", "document__title")
    ordering = ("document", "ordinal")
    fields = (
        "document",
        "ordinal",
        "text",
        "generated_text",
        "heading_path",
        "page_start",
        "page_end",
        "start",
        "end",
        "language",
        "token_count",
        "readability",
        "readability_inputs",
        "is_enabled",
        "is_edited",
    )
    readonly_fields = tuple(name for name in fields if name != "text")
    actions = ("enable", "disable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found = Chunk.objects.visible_to(actor_of(request)).values("pk")
        return (
            super()
            .get_queryset(request)
            .filter(pk__in=found)
            .defer("term_weights", "term_frequencies", "term_vector", "lines")
        )

    @admin.display(description=_("text"))
    def preview(self, chunk: Chunk) -> str:
        return Truncator(chunk.text).chars(PREVIEW_CHARACTERS)

    def save_model(self, request: HttpRequest, obj: Chunk, form: Any, change: Any) -> None:
        curating.edit_chunk(actor=actor_of(request), chunk=obj, text=form.cleaned_data["text"])

    @admin.action(description=_("Enable"))
    def enable(self, request: HttpRequest, chosen: QuerySet[Chunk]) -> None:
        self._set_enabled(request, chosen, enabled=True)

    @admin.action(description=_("Disable"))
    def disable(self, request: HttpRequest, chosen: QuerySet[Chunk]) -> None:
        self._set_enabled(request, chosen, enabled=False)

    def _set_enabled(self, request: HttpRequest, chosen: QuerySet[Chunk], *, enabled: bool) -> None:
        actor = actor_of(request)
        count = sum(
            curating.set_chunk_enabled(actor=actor, chunk=chunk, enabled=enabled)
            for chunk in chosen
        )
        said = ngettext("%(count)d passage changed.", "%(count)d passages changed.", count)
        self.message_user(request, said % {"count": count})
