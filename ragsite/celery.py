"""The Celery application: two queues, ``ingest`` for documents and ``answers`` for questions."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")

app = Celery("ragsite", include=["ragsite.workers"])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["documents"], related_name="delivery_tasks")
