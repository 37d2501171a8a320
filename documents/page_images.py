"""Pictures of printed pages, drawn when somebody opens the page in the source viewer."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PageImage(models.Model):
    """One page of a version as a picture. The file lies beside the original, named by the page.

    A cache: every row may be deleted with its file, and is made anew when it is asked for.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Queued")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    version = models.ForeignKey(
        "documents.DocumentVersion", on_delete=models.CASCADE, related_name="page_images"
    )
    page = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    error_code = models.CharField(max_length=40, blank=True)
    width = models.FloatField(default=0.0)
    """In points, as the boxes of the page's lines; 0 until it is ready."""
    height = models.FloatField(default=0.0)
    asked_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("page image")
        verbose_name_plural = _("page images")
        constraints = [models.UniqueConstraint(fields=["version", "page"], name="page_image_once")]
        indexes = [
            models.Index(
                fields=["finished_at"],
                condition=Q(state__in=["ready", "failed"]),
                name="page_image_finished",
            )
        ]

    def __str__(self) -> str:
        return f"page {self.page} of version {self.version_id}"
