"""The documents app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from documents.checks import guards_of_parsers


class DocumentsConfig(AppConfig):
    name = "documents"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("documents")

    def ready(self) -> None:
        register(guards_of_parsers, Tags.security)
