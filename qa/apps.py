"""The question answering app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class QaConfig(AppConfig):
    name = "qa"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("questions and answers")

    def ready(self) -> None:
        """Listen for documents that are erased for good; the models must be there first."""
        import_module("qa.erasing")
