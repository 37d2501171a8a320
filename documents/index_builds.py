"""The rows of work on a whole index."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class IndexBuild(models.Model):
    """The work of making a generation complete and searching it: a new one, or the one before.

    A worker claims the row by a conditional UPDATE that raises ``attempt``, works for a while, and
    gives it back, so that a large knowledge base does not hold up what others upload.
    """

    class Kind(models.TextChoices):
        REBUILD = "rebuild", _("New index")
        RETURN = "return", _("Back to the index before")

    class State(models.TextChoices):
        WAITING = "waiting", _("Queued")
        RUNNING = "running", _("Building")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    UNFINISHED = (State.WAITING, State.RUNNING)

    knowledge_base = models.ForeignKey(
        "documents.KnowledgeBase", on_delete=models.CASCADE, related_name="index_builds"
    )
    generation = models.ForeignKey(
        "documents.IndexGeneration", null=True, on_delete=models.SET_NULL, related_name="builds"
    )
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.REBUILD)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempt = models.PositiveIntegerField(default=0)
    lost_attempts = models.PositiveIntegerField(default=0)
    postponements = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    """As ``workers.worker_name``."""
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("index build")
        verbose_name_plural = _("index builds")
        constraints = [
            models.UniqueConstraint(
                fields=["knowledge_base"],
                condition=Q(state__in=["waiting", "running"]),
                name="index_build_one_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"

    @property
    def is_final(self) -> bool:
        return self.state not in self.UNFINISHED
