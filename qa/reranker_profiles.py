"""The row of a reranker: which one, where it is, and what it is given."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from inference.conf import may_hold_key


class RerankerProfile(models.Model):
    """A reranker that may be chosen, and what it is given: data, not code.

    ``key_variable`` names the environment variable or file that holds a key; a key is never here.
    ``probe`` is what a trial on this installation said: ``candidates`` within the time limit,
    ``ms_for_30``, ``device``, ``at`` (ISO 8601), and ``error``, a reason or empty; ``{}`` before
    the first one. A row that ``wants_default`` becomes the default when its trial is good enough.
    """

    class Kind(models.TextChoices):
        BUNDLED = "bundled", _("Bundled")
        LOCAL = "local", _("sentence-transformers cross-encoder")
        COHERE = "cohere", _("Cohere API")
        SERVER = "server", _("Rerank server")
        FAKE = "fake", _("Word overlap (tests)")

    class Dialect(models.TextChoices):
        COHERE_V2 = "cohere_v2", _("Cohere v2")
        COHERE_V1 = "cohere_v1", _("Cohere v1")
        JINA = "jina", _("Jina")
        TEI = "tei", _("Text Embeddings Inference")
        VLLM = "vllm", _("vLLM")

    class ScoreScale(models.TextChoices):
        UNIT = "unit", _("from 0 to 1")
        LOGIT = "logit", _("unbounded")

    name = models.SlugField(
        _("name"), max_length=80, unique=True, help_text=_("Knowledge bases choose it by this.")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    model = models.CharField(
        _("model"),
        max_length=300,
        blank=True,
        help_text=_("Name or path of a cross-encoder, or the name that the server knows it by."),
    )
    revision = models.CharField(
        _("revision"),
        max_length=100,
        blank=True,
        help_text=_("Pins a cross-encoder; of a server, what it is known to run."),
    )
    url = models.CharField(
        _("server address"),
        max_length=500,
        blank=True,
        help_text=_("http or https. The worker will call it, also inside your network."),
    )
    dialect = models.CharField(_("dialect"), max_length=20, choices=Dialect, blank=True)
    key_variable = models.CharField(
        _("key"),
        max_length=200,
        blank=True,
        help_text=_(
            "Not the key: the name of the variable that holds it, ending in _API_KEY, or the path "
            "of a file in the folder of secrets."
        ),
    )
    languages = ArrayField(
        models.CharField(max_length=8),
        verbose_name=_("languages"),
        default=list,
        blank=True,
        help_text=_("Two-letter codes with commas between them; empty means any language."),
    )
    time_limit_ms = models.PositiveIntegerField(
        _("time limit in milliseconds"),
        default=10_000,
        validators=[MinValueValidator(100), MaxValueValidator(120_000)],
        help_text=_("For one question. When it passes, the answer keeps the fused order."),
    )
    candidates = models.PositiveSmallIntegerField(
        _("candidates"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(200)],
        help_text=_("At most so many passages are read for one question."),
    )
    batch_tokens = models.PositiveIntegerField(
        _("tokens in a batch"),
        default=4096,
        validators=[MinValueValidator(64), MaxValueValidator(1_000_000)],
        help_text=_("Of a model in this process; the time limit is checked between batches."),
    )
    max_length = models.PositiveIntegerField(
        _("tokens of question and passage"),
        default=256,
        validators=[MinValueValidator(16), MaxValueValidator(32_768)],
        help_text=_("Of a model in this process; the rest is not read."),
    )
    documents_per_request = models.PositiveSmallIntegerField(
        _("passages in a request"),
        default=32,
        db_default=32,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_("Of a server."),
    )
    score_scale = models.CharField(
        _("scores"),
        max_length=8,
        choices=ScoreScale,
        blank=True,
        default="",
        db_default="",
        help_text=_("Of a server; empty takes what its dialect documents."),
    )
    price_note = models.TextField(_("price"), blank=True, default="", db_default="", max_length=500)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_default = models.BooleanField(_("is the default"), default=False)
    wants_default = models.BooleanField(
        _("use as the default"),
        default=False,
        db_default=False,
        help_text=_("It takes effect when the trial says that it is fast enough."),
    )
    probe = models.JSONField(_("trial"), default=dict, blank=True)
    probe_wanted_at = models.DateTimeField(null=True, blank=True)
    probe_started_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("reranker")
        verbose_name_plural = _("rerankers")
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="reranker_one_default"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raise ``ValidationError`` by field for a row that could not be used, or must not be."""
        problems: dict[str, str] = {}
        if not self.model and self._needs_model():
            problems["model"] = gettext("Name the model.")
        if self.kind == self.Kind.SERVER and not self.url:
            problems["url"] = gettext("Give the address of the server.")
        if self.kind == self.Kind.SERVER and not self.dialect:
            problems["dialect"] = gettext("Choose how the server is spoken to.")
        if self.url and not is_address(self.url):
            problems["url"] = gettext(
                "An http or https address without user name, password, query or fragment, please."
            )
        if problem := self._key_problem():
            problems["key_variable"] = problem
        if any(not (2 <= len(code) <= 3 and code.islower()) for code in self.languages):
            problems["languages"] = gettext("Two-letter codes such as en or zh, please.")
        if problems:
            raise ValidationError(problems)

    def _needs_model(self) -> bool:
        if self.kind == self.Kind.SERVER:
            return self.dialect != self.Dialect.TEI
        return self.kind in (self.Kind.LOCAL, self.Kind.COHERE)

    def _key_problem(self) -> str:
        if not self.key_variable:
            return gettext("Say where the key is.") if self.kind == self.Kind.COHERE else ""
        if self.kind not in (self.Kind.COHERE, self.Kind.SERVER):
            return gettext("Only a server needs a key.")
        if not may_hold_key(self.key_variable):
            return gettext(
                "Not the key itself: the name of a variable that ends in _API_KEY, or the path of "
                "a file in the folder of secrets (RAGSITE_KEY_FOLDER)."
            )
        return ""


def is_address(url: str) -> bool:
    """Whether this is the plain http or https address of a host, without anything secret in it."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    clean = url.isascii() and url.isprintable() and " " not in url
    return parts.scheme in ("http", "https") and bool(host) and plain and clean
