"""Archives and web pages on their way in, to look at; they are changed on the pages."""

from __future__ import annotations

from django.contrib import admin

from documents.admin.curated import CuratedAdmin, ReadOnlyInline
from documents.deliveries import DeliveredFile, Delivery


class DeliveredFileInline(ReadOnlyInline):
    model = DeliveredFile
    fields = ("name", "size", "outcome", "code", "document")
    readonly_fields = fields
    ordering = ("position",)


@admin.register(Delivery)
class DeliveryAdmin(CuratedAdmin):
    readable_only = True
    list_display = (
        "name",
        "knowledge_base",
        "kind",
        "state",
        "progress_done",
        "progress_total",
        "error_code",
        "requested_by",
        "created_at",
    )
    list_filter = ("kind", "state", ("knowledge_base", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("knowledge_base", "requested_by")
    search_fields = ("name", "address")
    ordering = ("-created_at",)
    exclude = ("original",)
    readonly_fields = ("address",)
    inlines = (DeliveredFileInline,)
