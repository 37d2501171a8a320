"""The rows of work on a whole index."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from documents.jobs import Job


class IndexBuild(Job):
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
    lost_attempts = models.PositiveIntegerField(default=0)
    postponements = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    """As ``workers.worker_name``."""

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
