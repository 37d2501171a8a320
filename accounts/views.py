"""Pages around signing in, and the management of people by administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language, get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.i18n import set_language as django_set_language

from accounts import people as services
from accounts import setup as first_run
from accounts.forms import (
    OwnPasswordForm,
    PersonForm,
    RolesForm,
    SetupForm,
    SignInForm,
    add_errors,
    sent,
    status_of,
)
from accounts.models import User
from accounts.people import LastAdministratorError
from accounts.sign_in import TooManyAttempts, WrongCredentials
from accounts.sign_in import sign_in as sign_person_in

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from accounts.http import AuthenticatedRequest

PEOPLE_PER_PAGE = 50
BACKEND = "django.contrib.auth.backends.ModelBackend"


# ---- signing in -----------------------------------------------------------------------------
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Open to everyone. A page that asked to be signed in first is gone to afterwards."""
    target = _safe_target(request)
    if request.user.is_authenticated:
        return redirect(target)
    form = SignInForm(sent(request))
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                user = sign_person_in(request, **form.cleaned_data)
            except WrongCredentials:
                form.add_error(None, _("This name and password do not go together."))
            except TooManyAttempts as error:
                status = 429
                form.add_error(None, _wait_sentence(error.wait_s))
            else:
                return _in_language(redirect(target), user.language)
    context = {"form": form, "next": request.GET.get("next") or request.POST.get("next") or ""}
    return render(request, "accounts/sign_in.html", context, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.success(request, _("You are signed out."))
    return redirect(settings.LOGOUT_REDIRECT_URL)


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "POST"])
def password(request: AuthenticatedRequest) -> HttpResponse:
    """One's own password; other sessions of the person end when it changes."""
    form = OwnPasswordForm(request.user, sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            services.change_password(
                actor=request.user, password=form.cleaned_data["new_password1"]
            )
        except ValidationError as error:
            form.add_error("new_password1", error)
        else:
            update_session_auth_hash(request, request.user)
            messages.success(request, _("Your password is changed."))
            return redirect(settings.LOGIN_REDIRECT_URL)
    return render(
        request, "accounts/password.html", {"form": form}, status=status_of(request, form)
    )


@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Switch the language of the pages, for the person's next visits too. Open to everyone."""
    language = request.POST.get("language", "")
    if request.user.is_authenticated and check_for_language(language):
        services.set_language(actor=request.user, language=language)
    return django_set_language(request)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """The first administrator. Open only while nobody exists, and then only with the token."""
    if first_run.users_exist():
        return redirect(settings.LOGIN_URL)
    form = SetupForm(sent(request), initial={"token": request.GET.get("token", "")})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            person = first_run.create_first_administrator(
                token=given["token"],
                username=given["username"],
                email=given["email"],
                password=given["password"],
            )
        except first_run.SetupRefused as error:
            form.add_error("token", str(error))
        except ValidationError as error:
            add_errors(form, error, otherwise="password")
        else:
            login(request, person, backend=BACKEND)
            messages.success(request, _("Welcome. Now create your first knowledge base."))
            return redirect("documents:base_create")
    return render(request, "accounts/setup.html", {"form": form}, status=status_of(request, form))


# ---- people ---------------------------------------------------------------------------------
@login_required
@require_safe
def people(request: AuthenticatedRequest) -> HttpResponse:
    _require_administrator(request)
    search = request.GET.get("q", "").strip()
    found = User.objects.prefetch_related("groups").order_by("-is_active", "username")
    if search:
        found = found.filter(
            Q(username__icontains=search)
            | Q(first_name__icontains=search)
            | Q(last_name__icontains=search)
            | Q(email__icontains=search)
        )
    page = Paginator(found, PEOPLE_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/people.html", {"page": page, "search": search})


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def person_create(request: AuthenticatedRequest) -> HttpResponse:
    _require_administrator(request)
    form = PersonForm(sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            made, temporary = services.create_person(actor=request.user, **form.cleaned_data)
        except ValidationError as error:
            add_errors(form, error, otherwise="username")
        else:
            return _show_once(request, made, temporary)
    return render(
        request, "accounts/person_create.html", {"form": form}, status=status_of(request, form)
    )


@login_required
@require_http_methods(["GET", "POST"])
def person(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    """One person: their roles, and what can be done about their account."""
    someone = _person(request, pk)
    form = RolesForm(sent(request), initial={"roles": services.roles_of(someone)})
    if request.method == "POST" and form.is_valid():
        try:
            services.set_roles(actor=request.user, person=someone, roles=form.cleaned_data["roles"])
        except LastAdministratorError as error:
            form.add_error("roles", str(error))
        else:
            messages.success(request, _("The roles are saved."))
            return redirect("accounts:person", pk=pk)
    return render(
        request,
        "accounts/person.html",
        {"person": someone, "form": form, "is_self": someone.pk == request.user.pk},
        status=status_of(request, form),
    )


@login_required
@require_POST
def person_active(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    someone = _person(request, pk)
    active = request.POST.get("active") == "1"
    try:
        services.set_active(actor=request.user, person=someone, active=active)
    except (LastAdministratorError, ValidationError) as error:
        text = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        messages.error(request, text)
    else:
        done = _("%(name)s may sign in.") if active else _("%(name)s can no longer sign in.")
        messages.success(request, done % {"name": someone})
    return redirect("accounts:person", pk=pk)


@never_cache
@login_required
@require_POST
def person_password(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    someone = _person(request, pk)
    return _show_once(request, someone, services.reset_password(actor=request.user, person=someone))


# ---- parts ----------------------------------------------------------------------------------
def _require_administrator(request: AuthenticatedRequest) -> None:
    if not request.user.is_superuser:
        raise Http404


def _person(request: AuthenticatedRequest, pk: int) -> User:
    _require_administrator(request)
    return get_object_or_404(User, pk=pk)


def _show_once(request: AuthenticatedRequest, someone: User, temporary: str) -> HttpResponse:
    """The page that shows a temporary password; it is in no session, message or log."""
    context = {"person": someone, "password": temporary}
    return render(request, "accounts/temporary_password.html", context)


def _safe_target(request: HttpRequest) -> str:
    """Where to go after signing in: ``next`` if it leads to this site, else home."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return target
    return settings.LOGIN_REDIRECT_URL


def _in_language(response: HttpResponse, language: str) -> HttpResponse:
    if language and language != get_language():
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            path=settings.LANGUAGE_COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE,
            samesite="Lax",
        )
    return response


def _wait_sentence(wait_s: int) -> str:
    minutes = -(-wait_s // 60)
    return ngettext(
        "Too many failed sign-ins. Try again in %(minutes)d minute.",
        "Too many failed sign-ins. Try again in %(minutes)d minutes.",
        minutes,
    ) % {"minutes": minutes}
