"""The rows of personal fit: who agreed to it, and which sources they have opened since.

There is no row without consent, and withdrawing it takes all of them along.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class FitConsent(models.Model):
    """A reader's consent to personal fit. No row: off, as it is for everyone at first."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="fit_consent"
    )
    given_at = models.DateTimeField(default=timezone.now)
    learns_since = models.DateTimeField(default=timezone.now)
    """Nothing from before counts; moved to now when the reader has what was learned deleted."""

    class Meta:
        verbose_name = _("consent to personal order")
        verbose_name_plural = _("consents to personal order")

    def __str__(self) -> str:
        return f"consent of user {self.user_id}"


class SourceOpened(models.Model):
    """One cited source that a consenting reader opened, once, and what it teaches.

    ``plain``, ``recent`` and ``short`` are a ``fit.Lesson``. The row goes with the consent, with
    the document and with the answer, and counts only while the reader may read the document.
    """

    consent = models.ForeignKey(FitConsent, on_delete=models.CASCADE, related_name="opened")
    passage = models.ForeignKey("qa.RankedPassage", on_delete=models.CASCADE, related_name="+")
    document = models.ForeignKey("documents.Document", on_delete=models.CASCADE, related_name="+")
    plain = models.FloatField(null=True)
    recent = models.FloatField(null=True)
    short = models.FloatField(null=True)
    opened_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("opened source")
        verbose_name_plural = _("opened sources")
        constraints = [
            models.UniqueConstraint(fields=["consent", "passage"], name="source_opened_once")
        ]
        indexes = [models.Index(fields=["opened_at"], name="source_opened_at")]

    def __str__(self) -> str:
        return f"passage {self.passage_id}"
