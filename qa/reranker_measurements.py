"""The rows of measured rerankers: what was asked for, how far it is, and what came of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from documents.jobs import Job
from documents.models import KnowledgeBase
from qa.querysets import MeasurementQuerySet
from qa.reranker_profiles import RerankerProfile


class RerankerMeasurement(Job):
    """One reranker measured on this installation. The row is the job, as an answer's is.

    Claimed by a conditional UPDATE that raises ``attempt``; at most one runs at a time, and each
    reranker waits at most once for each set of questions.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Queued")
        RUNNING = "running", _("Measuring")
        DONE = "done", _("Measured")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Stage(models.TextChoices):
        LOAD = "load", _("Loading the models")
        INDEX = "index", _("Indexing the sample documents")
        ASK = "ask", _("Asking the questions")
        TIME = "time", _("Taking the time for 30 passages")

    UNFINISHED = (State.PENDING, State.RUNNING)

    profile = models.ForeignKey(
        RerankerProfile, on_delete=models.CASCADE, related_name="measurements"
    )
    knowledge_base = models.ForeignKey(
        KnowledgeBase, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    """Whose own questions were asked; without one, those of the sample documents."""
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    stage = models.CharField(max_length=10, choices=Stage, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    figures = models.JSONField(default=dict, blank=True)
    """What the page shows (``qa.measured.figures_of``)."""
    inputs = models.JSONField(default=dict, blank=True)
    """What the figures were computed from, a value per question; no text."""
    origin = models.JSONField(default=dict, blank=True)
    """Where they come from: version, commit, machine, models, settings."""

    objects = MeasurementQuerySet.as_manager()

    class Meta:
        verbose_name = _("measurement of a reranker")
        verbose_name_plural = _("measurements of rerankers")
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="running"), name="measurement_one_running"
            ),
            models.UniqueConstraint(
                fields=["profile"],
                condition=Q(state__in=["pending", "running"], knowledge_base=None),
                name="measurement_samples_once",
            ),
            models.UniqueConstraint(
                fields=["profile", "knowledge_base"],
                condition=Q(state__in=["pending", "running"]),
                name="measurement_base_once",
            ),
        ]
        indexes = [models.Index(fields=["profile", "-created_at"], name="measurement_newest")]

    def __str__(self) -> str:
        return f"measurement {self.pk}"

    @property
    def is_final(self) -> bool:
        return self.state not in self.UNFINISHED
