"""The project: settings, URLs, the Celery application, and the embedded stack."""

from __future__ import annotations

from ragsite.celery import app as celery_app

__all__ = ["celery_app"]
