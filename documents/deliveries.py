"""The rows of what documents come out of by a worker: an archive, or a page on the web."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from documents.jobs import Job


class Delivery(Job):
    """Something that a worker takes documents out of. The row is the job, as a version's is.

    Claimed by a conditional UPDATE that raises ``attempt``; each file of it is settled once, so
    that another worker goes on where one was lost.
    """

    class Kind(models.TextChoices):
        ARCHIVE = "archive", _("Archive")
        WEB_PAGE = "web_page", _("Web page")

    class State(models.TextChoices):
        PENDING = "pending", _("Queued")
        RUNNING = "running", _("In progress")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    UNFINISHED = (State.PENDING, State.RUNNING)
    FINAL = (State.DONE, State.FAILED, State.CANCELLED)

    knowledge_base = models.ForeignKey(
        "documents.KnowledgeBase", on_delete=models.CASCADE, related_name="deliveries"
    )
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=255)
    """The archive's file name, or what the page's address is in short."""
    address = models.URLField(max_length=1000, blank=True)
    document = models.ForeignKey(
        "documents.Document", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    """The document that a page is fetched again for; without one, a new one is made."""
    original = models.FileField(upload_to="deliveries/%Y/%m", max_length=300, blank=True)
    """The archive until its files are taken out of it."""
    size = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    lost_attempts = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True, db_default="")

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            models.Index(fields=["knowledge_base", "-created_at"], name="delivery_kb_created")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_final(self) -> bool:
        return self.state in self.FINAL


class DeliveredFile(models.Model):
    """One file of a delivery, and what became of it."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        STORED = "stored", _("Received")
        KNOWN = "known", _("Here already")
        UNCHANGED = "unchanged", _("Unchanged")
        REFUSED = "refused", _("Not taken")

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="files")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=1000)
    size = models.PositiveBigIntegerField(default=0)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.WAITING)
    code = models.CharField(max_length=40, blank=True)
    """Why it was not taken, as in ``documents.problems``."""
    document = models.ForeignKey(
        "documents.Document", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = _("delivered file")
        verbose_name_plural = _("delivered files")
        constraints = [
            models.UniqueConstraint(fields=["delivery", "position"], name="delivered_file_once")
        ]

    def __str__(self) -> str:
        return self.name
