"""The project as an app: it holds the management commands of the whole."""

from __future__ import annotations

from django.apps import AppConfig


class RagsiteConfig(AppConfig):
    name = "ragsite"
