"""The index: embedding spaces and generations, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from unfold.admin import ModelAdmin

from documents.admin.curated import CuratedAdmin
from documents.models import EmbeddingSpace, IndexBuild, IndexGeneration

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest


@admin.register(EmbeddingSpace)
class EmbeddingSpaceAdmin(ModelAdmin):  # type: ignore[misc]
    """What the installation embeds with. It belongs to no knowledge base: all staff may look."""

    list_display = ("model", "provider", "revision", "dimension", "languages", "created_at")
    ordering = ("-created_at",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(IndexGeneration)
class IndexGenerationAdmin(CuratedAdmin):
    readable_only = True
    list_display = ("knowledge_base", "number", "state", "space", "chunk_count", "created_at")
    list_filter = ("state", ("knowledge_base", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("knowledge_base", "space")
    ordering = ("-created_at",)


@admin.register(IndexBuild)
class IndexBuildAdmin(CuratedAdmin):
    readable_only = True
    list_display = (
        "knowledge_base",
        "kind",
        "state",
        "progress_done",
        "progress_total",
        "error_code",
        "created_at",
        "finished_at",
    )
    list_filter = ("state", "kind", ("knowledge_base", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("knowledge_base",)
    ordering = ("-created_at",)
