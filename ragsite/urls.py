"""All URLs: each app's own, the admin, language switch and health."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

from ragsite.health import healthz

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("i18n/", include("django.conf.urls.i18n")),
    *(
        path("", include(module))
        for module in ("accounts.urls", "documents.urls", "qa.urls")
        if find_spec(module)
    ),
]
