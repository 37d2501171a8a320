"""What people type into the pages of this app, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.people import Role

if TYPE_CHECKING:
    from django.http import HttpRequest, QueryDict

    from accounts.models import User

NAME_LENGTH = 150


class SignInForm(forms.Form):
    username = forms.CharField(
        label=_("Name"),
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class OwnPasswordForm(PasswordChangeForm):
    """The old password, and the new one twice. The service stores it; ``save`` is not called."""

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["new_password1"].help_text = _(
            "At least 8 characters. A few random words are easier to keep than a short riddle."
        )
        self.fields["new_password2"].help_text = ""


class SetupForm(forms.Form):
    token = forms.CharField(
        label=_("One-time token"),
        max_length=200,
        help_text=_("The server printed it when it started."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    username = forms.CharField(
        label=_("Your name to sign in with"),
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "username"}),
    )
    email = forms.EmailField(label=_("Email address"), required=False)
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_(
            "At least 8 characters. A few random words are easier to keep than a short riddle."
        ),
    )
    password_again = forms.CharField(
        label=_("Password again"),
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        password, again = cleaned.get("password"), cleaned.get("password_again")
        if password and again and password != again:
            self.add_error("password_again", _("The two passwords are not the same."))
        return cleaned


class RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        choices=Role.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Everyone may ask the knowledge bases that are open to them."),
    )


class PersonForm(RolesForm):
    username = forms.CharField(
        label=_("Name to sign in with"),
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    full_name = forms.CharField(label=_("Full name"), max_length=NAME_LENGTH, required=False)
    email = forms.EmailField(label=_("Email address"), required=False)

    field_order = ("username", "full_name", "email", "roles")


def add_errors(form: forms.BaseForm, error: ValidationError, *, otherwise: str | None) -> None:
    """Show what a service refused at the fields it names, and the rest at ``otherwise``.

    ``otherwise`` None is the top of the form; a field that the form lacks counts as the rest.
    """
    if not hasattr(error, "error_dict"):
        form.add_error(otherwise, error)
        return
    for name, errors in error.error_dict.items():
        known = name in form.fields and name != NON_FIELD_ERRORS
        form.add_error(name if known else otherwise, ValidationError(errors))


def sent(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: what was posted, even nothing; None when it is only shown."""
    return request.POST if request.method == "POST" else None


def status_of(request: HttpRequest, form: forms.BaseForm) -> int:
    """422 for a form that was sent and is shown again with errors, else 200."""
    return 422 if request.method == "POST" and form.is_bound and form.errors else 200
