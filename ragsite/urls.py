"""All URLs: each app's own, the admin, language switch and health."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

from accounts.views import set_language
from ragsite.health import healthz

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("i18n/setlang/", set_language, name="set_language"),
    *(
        path("", include(module))
        for module in ("accounts.urls", "documents.urls", "qa.urls")
        if find_spec(module)
    ),
]
