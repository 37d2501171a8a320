"""The admin of people, groups and the audit trail; for administrators only.

It calls the same services as the pages. People are added, and given roles and temporary passwords,
on the page ``/people/``, where a password can be shown once and kept nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin

from accounts import people
from accounts.audit import record
from accounts.models import AuditEvent, User

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.forms import ModelForm
    from django.http import HttpRequest, HttpResponse


def sign_in(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """The admin has no sign-in of its own: it would know nothing of the brake on guessing."""
    target = request.GET.get("next") or reverse("admin:index")
    if not request.user.is_authenticated:
        return redirect_to_login(target, settings.LOGIN_URL)
    if admin.site.has_permission(request):
        return redirect("admin:index")
    raise PermissionDenied(_("Only staff may open the admin."))


def change_password(
    request: HttpRequest, extra_context: dict[str, Any] | None = None
) -> HttpResponse:
    return redirect("accounts:password")


admin.site.login = sign_in  # type: ignore[method-assign]
admin.site.password_change = change_password  # type: ignore[method-assign, assignment]
admin.site.unregister(Group)


class AdministratorsOnly(ModelAdmin):
    """Superusers look and change; nobody deletes."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(AdministratorsOnly):
    list_display = ("username", "email", "roles", "is_active", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    fields = (
        "username",
        "first_name",
        "last_name",
        "email",
        "language",
        "groups",
        "roles",
        "is_active",
        "must_change_password",
        "date_joined",
        "last_login",
    )
    readonly_fields = (
        "username",
        "roles",
        "is_active",
        "must_change_password",
        "date_joined",
        "last_login",
    )
    filter_horizontal = ("groups",)
    actions = ("deactivate", "reactivate")

    def view_on_site(self, obj: User) -> str:
        return reverse("accounts:person", args=[obj.pk])

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        found: QuerySet[User] = super().get_queryset(request)
        return found.prefetch_related("groups")

    @admin.display(description=gettext_lazy("roles"))
    def roles(self, person: User) -> str:
        return ", ".join(people.roles_of(person)) or "–"

    def save_model(
        self, request: HttpRequest, obj: User, form: ModelForm[User], change: Any
    ) -> None:
        changed = [name for name in form.changed_data if name != "groups"]
        if changed:
            obj.save(update_fields=changed)
            record(_actor(request), "person.update", obj, fields=changed)

    def save_related(
        self, request: HttpRequest, form: ModelForm[User], formsets: Any, change: Any
    ) -> None:
        people.set_groups(
            actor=_actor(request), person=form.instance, groups=form.cleaned_data["groups"]
        )

    @admin.action(description=gettext_lazy("Deactivate: end their sessions, no sign-in"))
    def deactivate(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        self._set_active(request, chosen, active=False)

    @admin.action(description=gettext_lazy("Reactivate"))
    def reactivate(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        self._set_active(request, chosen, active=True)

    def _set_active(self, request: HttpRequest, chosen: QuerySet[User], *, active: bool) -> None:
        count = 0
        for person in chosen:
            try:
                count += people.set_active(actor=_actor(request), person=person, active=active)
            except ValidationError as error:
                self.message_user(request, " ".join(error.messages), messages.ERROR)
            except people.LastAdministratorError as error:
                self.message_user(request, str(error), messages.ERROR)
        said = ngettext("%(count)d person changed.", "%(count)d people changed.", count)
        self.message_user(request, said % {"count": count})


@admin.register(Group)
class GroupAdmin(AdministratorsOnly):
    """Groups, to give knowledge bases and documents to several people at once."""

    list_display = ("name",)
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """The groups behind roles keep their names: roles are found by them."""
        is_role = isinstance(obj, Group) and obj.name in people.GROUP_OF.values()
        return self.has_module_permission(request) and not is_role

    def save_model(
        self, request: HttpRequest, obj: Group, form: ModelForm[Group], change: Any
    ) -> None:
        super().save_model(request, obj, form, change)
        record(_actor(request), "group.rename" if change else "group.create", obj, name=obj.name)


@admin.register(AuditEvent)
class AuditEventAdmin(AdministratorsOnly):
    """Who did what. Nothing here can be changed by anyone."""

    list_display = ("at", "actor_name", "action", "target_type", "target_id")
    list_filter = ("action", "target_type")
    search_fields = ("actor_name", "action", "target_id")
    ordering = ("-at",)
    date_hierarchy = "at"

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _actor(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
