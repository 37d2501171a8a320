"""Who sees what in the admin: staff, and of each table the rows of knowledge bases they curate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.core.exceptions import PermissionDenied
from unfold.admin import ModelAdmin, TabularInline

from accounts.models import User
from documents import access

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest


def actor_of(request: HttpRequest) -> User:
    """The signed-in person, for services. Raises ``PermissionDenied`` for nobody."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


class CuratedAdmin(ModelAdmin):  # type: ignore[misc]
    """Rights come from membership, not from Django's permissions; nothing is added or erased."""

    base_path: ClassVar[str] = "knowledge_base"
    """The lookup from the model to its knowledge base."""
    readable_only: ClassVar[bool] = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        curated = access.knowledge_bases_for(actor_of(request), role="curator")
        found: QuerySet[Any] = super().get_queryset(request)
        return found.filter(**{f"{self.base_path}__in": curated.values("pk")})

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        if obj is None:
            return self.has_module_permission(request)
        return (
            self.has_module_permission(request)
            and self.get_queryset(request).filter(pk=obj.pk).exists()
        )

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return not self.readable_only and self.has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):  # type: ignore[misc]
    """Rows of an object that may be seen; who sees the object sees them."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
