"""Knowledge bases, documents with their versions, and the index built from them."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField, SparseVectorField

from documents.deliveries import DeliveredFile as DeliveredFile
from documents.deliveries import Delivery as Delivery
from documents.index_builds import IndexBuild as IndexBuild
from documents.page_images import PageImage as PageImage
from documents.querysets import ChunkQuerySet, DocumentQuerySet, KnowledgeBaseQuerySet

TERM_DIMENSIONS = 1_000_000_000
"""Upper bound of term ids: pgvector's largest ``sparsevec`` dimension."""

UNIT = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class EmbeddingSpace(models.Model):
    """One way of embedding. Vectors are comparable only within a space."""

    provider = models.CharField(max_length=40)
    model = models.CharField(max_length=200)
    revision = models.CharField(max_length=100, blank=True)
    dimension = models.PositiveIntegerField()
    normalised = models.BooleanField(default=True)
    query_prefix = models.CharField(max_length=500, blank=True)
    passage_prefix = models.CharField(max_length=500, blank=True)
    languages = ArrayField(models.CharField(max_length=8), default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("embedding space")
        verbose_name_plural = _("embedding spaces")
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "provider",
                    "model",
                    "revision",
                    "dimension",
                    "normalised",
                    "query_prefix",
                    "passage_prefix",
                ],
                name="embedding_space_recipe_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model} ({self.dimension})"


class KnowledgeBase(models.Model):
    """Documents that are asked together, with the people who may and how to rank."""

    class Visibility(models.TextChoices):
        PRIVATE = "private", _("Members only")
        SIGNED_IN = "signed_in", _("Everyone signed in")

    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("address"), max_length=60, unique=True, allow_unicode=True)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    suggested_questions = ArrayField(
        models.CharField(max_length=200),
        verbose_name=_("example questions"),
        default=list,
        blank=True,
        help_text=_("Shown to people who have not asked yet."),
    )
    visibility = models.CharField(
        _("visibility"), max_length=12, choices=Visibility, default=Visibility.PRIVATE
    )
    active_generation = models.ForeignKey(
        "documents.IndexGeneration",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="active_for",
    )
    rerank_enabled = models.BooleanField(_("rerank"), default=True)
    reranker = models.CharField(
        max_length=80, blank=True, help_text=_("Name of the reranker; empty uses the default.")
    )
    candidates = models.PositiveSmallIntegerField(
        _("candidates"), default=30, validators=[MinValueValidator(5), MaxValueValidator(200)]
    )
    sources = models.PositiveSmallIntegerField(
        _("sources"), default=5, validators=[MinValueValidator(1), MaxValueValidator(20)]
    )
    relevance_weight = models.FloatField(_("relevance"), default=0.40, validators=UNIT)
    completeness_weight = models.FloatField(_("completeness"), default=0.30, validators=UNIT)
    readability_weight = models.FloatField(_("readability"), default=0.20, validators=UNIT)
    timeliness_weight = models.FloatField(_("timeliness"), default=0.10, validators=UNIT)
    relevance_floor = models.FloatField(_("relevance floor"), default=0.15, validators=UNIT)
    half_life_days = models.PositiveIntegerField(
        _("half-life in days"), default=1095, validators=[MinValueValidator(1)]
    )
    is_paused = models.BooleanField(_("paused"), default=False)
    embedder = models.CharField(max_length=200, blank=True, db_default="")
    """Name of the embedding model, as ``inference.conf`` knows it; empty for the default."""
    chunk_max_tokens = models.PositiveIntegerField(default=180, db_default=180)
    chunk_overlap_tokens = models.PositiveIntegerField(default=24, db_default=24)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = KnowledgeBaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("knowledge base")
        verbose_name_plural = _("knowledge bases")

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """What a user, or everyone in a group, may do in one knowledge base."""

    class Role(models.TextChoices):
        VIEWER = "viewer", _("Viewer")
        CURATOR = "curator", _("Curator")
        REVIEWER = "reviewer", _("Reviewer")
        OWNER = "owner", _("Owner")

    knowledge_base = models.ForeignKey(
        KnowledgeBase, on_delete=models.CASCADE, related_name="memberships"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="memberships",
    )
    group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.CASCADE, related_name="memberships"
    )
    roles = ArrayField(models.CharField(max_length=10, choices=Role))
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=True) ^ Q(group__isnull=True),
                name="membership_user_xor_group",
            ),
            models.UniqueConstraint(
                fields=["knowledge_base", "user"],
                condition=Q(user__isnull=False),
                name="membership_user_once",
            ),
            models.UniqueConstraint(
                fields=["knowledge_base", "group"],
                condition=Q(group__isnull=False),
                name="membership_group_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.group}: {', '.join(self.roles)}"


class IndexGeneration(models.Model):
    """One complete way of indexing a knowledge base: how text is cut, weighed and embedded.

    ``average_length`` (terms per chunk) is frozen here, so that term weights of one generation
    stay comparable; a task rebuilds them when the true average has drifted.
    """

    class State(models.TextChoices):
        BUILDING = "building", _("Building")
        ACTIVE = "active", _("Active")
        RETIRED = "retired", _("Retired")

    knowledge_base = models.ForeignKey(
        KnowledgeBase, on_delete=models.CASCADE, related_name="generations"
    )
    number = models.PositiveIntegerField()
    space = models.ForeignKey(
        EmbeddingSpace, null=True, blank=True, on_delete=models.PROTECT, related_name="generations"
    )
    embedder = models.CharField(max_length=200, blank=True, db_default="")
    """As ``KnowledgeBase.embedder``, when this generation was begun."""
    chunk_max_tokens = models.PositiveIntegerField()
    chunk_overlap_tokens = models.PositiveIntegerField()
    chunking_generation = models.PositiveIntegerField()
    term_generation = models.PositiveIntegerField()
    k1 = models.FloatField(default=0.9)
    b = models.FloatField(default=0.4)
    average_length = models.FloatField(default=0.0)
    chunk_count = models.PositiveIntegerField(default=0)
    statistics_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.BUILDING)
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True)
    """Since when it is kept only to go back to."""

    class Meta:
        verbose_name = _("index generation")
        verbose_name_plural = _("index generations")
        constraints = [
            models.UniqueConstraint(
                fields=["knowledge_base", "number"], name="index_generation_number_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.knowledge_base} #{self.number}"


class Document(models.Model):
    """One thing a curator uploaded, through all its versions, and what is said about it."""

    knowledge_base = models.ForeignKey(
        KnowledgeBase, on_delete=models.CASCADE, related_name="documents"
    )
    title = models.CharField(_("title"), max_length=300)
    current_version = models.ForeignKey(
        "documents.DocumentVersion",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="current_for",
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    visible_to_groups = models.ManyToManyField(
        Group,
        blank=True,
        related_name="+",
        help_text=_("Empty: everyone who may ask the knowledge base."),
    )
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    effective_date = models.DateField(_("effective date"), null=True, blank=True)
    expires_at = models.DateField(_("expires"), null=True, blank=True)
    superseded_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="supersedes"
    )
    source_url = models.URLField(max_length=1000, blank=True)
    licence = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)
    purged_at = models.DateTimeField(null=True, blank=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        indexes = [
            models.Index(fields=["knowledge_base", "-created_at"], name="document_kb_created")
        ]

    def __str__(self) -> str:
        return self.title


class DocumentVersion(models.Model):
    """The bytes of a document at one time, and how far their processing has come.

    A worker claims the row by a conditional UPDATE that raises ``attempt``; every later write
    names that attempt, so that a worker that was given up for dead cannot overwrite (``claims``).
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Queued")
        PARSING = "parsing", _("Parsing")
        CHUNKING = "chunking", _("Cutting")
        EMBEDDING = "embedding", _("Embedding")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    RUNNING = (State.PARSING, State.CHUNKING, State.EMBEDDING)
    FINAL = (State.READY, State.FAILED, State.CANCELLED)

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    knowledge_base = models.ForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="+")
    number = models.PositiveIntegerField(default=1)
    original = models.FileField(upload_to="originals/%Y/%m", max_length=300)
    filename = models.CharField(max_length=255)
    media_type = models.CharField(max_length=120)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    language = models.CharField(max_length=8, blank=True)
    page_count = models.PositiveIntegerField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    lost_attempts = models.PositiveIntegerField(default=0)
    postponements = models.PositiveIntegerField(default=0, db_default=0)
    queued_at = models.DateTimeField(default=timezone.now, db_default=Now())
    """Since when it waits: its place among those of its knowledge base."""
    not_before = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)
    indexed_fingerprint = models.CharField(max_length=64, blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("document version")
        verbose_name_plural = _("document versions")
        constraints = [
            models.UniqueConstraint(fields=["document", "number"], name="version_number_once")
        ]
        indexes = [
            models.Index(fields=["knowledge_base", "sha256"], name="version_kb_sha256"),
            models.Index(
                fields=["created_at"],
                condition=Q(state__in=["pending", "parsing", "chunking", "embedding"]),
                name="version_unfinished",
            ),
            models.Index(
                fields=["knowledge_base", "queued_at", "id"],
                condition=Q(state="pending"),
                name="version_waiting",
            ),
            models.Index(fields=["knowledge_base", "-started_at"], name="version_served"),
        ]

    def __str__(self) -> str:
        return f"{self.filename} v{self.number}"

    @property
    def is_final(self) -> bool:
        return self.state in self.FINAL


class ProcessingStage(models.Model):
    """One stage of one version's processing: when it ran, how far, and what stopped it."""

    class Stage(models.TextChoices):
        PARSE = "parse", _("Parse")
        CHUNK = "chunk", _("Cut")
        EMBED = "embed", _("Embed")
        INDEX = "index", _("Index")

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="stages")
    stage = models.CharField(max_length=10, choices=Stage)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    attempt = models.PositiveIntegerField()
    worker = models.CharField(max_length=120, blank=True, db_default="")
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error_detail = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("processing stage")
        verbose_name_plural = _("processing stages")
        constraints = [
            models.UniqueConstraint(
                fields=["version", "stage", "attempt"], name="stage_attempt_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.stage} {self.state}"


class ParsedText(models.Model):
    """What the parser found in a version: its text, and blocks and lines as spans of it."""

    version = models.OneToOneField(DocumentVersion, on_delete=models.CASCADE, related_name="parsed")
    text = models.TextField()
    blocks = models.JSONField(default=list)
    lines = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("parsed text")
        verbose_name_plural = _("parsed texts")

    def __str__(self) -> str:
        return f"text of version {self.version_id}"


class Chunk(models.Model):
    """A passage of one version in one index generation: the unit that is found and ranked.

    ``generated_text`` is what the chunker cut; ``text`` is what is searched and shown, which a
    curator may have edited (see ``ChunkCuration``). ``start`` and ``end`` are offsets of the
    generated text in ``ParsedText.text``.
    """

    generation = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE, related_name="chunks")
    knowledge_base = models.ForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="+")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="chunks")
    ordinal = models.PositiveIntegerField()
    generated_text = models.TextField()
    text = models.TextField(_("text"))
    text_sha256 = models.CharField(max_length=64)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    heading_path = ArrayField(models.CharField(max_length=300), default=list, blank=True)
    page_start = models.PositiveIntegerField(null=True, blank=True)
    page_end = models.PositiveIntegerField(null=True, blank=True)
    lines = models.JSONField(default=list, blank=True)
    language = models.CharField(max_length=8, blank=True)
    token_count = models.PositiveIntegerField()
    readability = models.FloatField(default=0.5)
    readability_inputs = models.JSONField(default=dict, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_edited = models.BooleanField(_("edited"), default=False)
    is_stale = models.BooleanField(default=False, db_default=False)
    """Whether the text was edited, and has not been weighed and embedded since."""
    term_count = models.PositiveIntegerField(default=0)
    term_weights = SparseVectorField(dimensions=TERM_DIMENSIONS, null=True, blank=True)
    term_frequencies = models.JSONField(default=dict, blank=True)
    term_vector = SearchVectorField(null=True)

    objects = ChunkQuerySet.as_manager()

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "version", "ordinal"], name="chunk_ordinal_once"
            )
        ]
        indexes = [
            GinIndex(fields=["term_vector"], name="chunk_term_vector_gin", fastupdate=False),
            models.Index(fields=["document", "generation"], name="chunk_document_generation"),
            models.Index(fields=["id"], condition=Q(is_stale=True), name="chunk_stale"),
        ]

    def __str__(self) -> str:
        return f"{self.document} [{self.ordinal}]"


class ChunkEmbedding(models.Model):
    """A chunk's vector in one space. The column has no dimension; each space has its own index."""

    chunk = models.ForeignKey(Chunk, on_delete=models.CASCADE, related_name="embeddings")
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.PROTECT, related_name="+")
    knowledge_base = models.ForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="+")
    generation = models.ForeignKey(IndexGeneration, on_delete=models.CASCADE, related_name="+")
    embedding = HalfVectorField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chunk", "space"], name="chunk_embedding_once")
        ]

    def __str__(self) -> str:
        return f"vector of chunk {self.chunk_id}"


class ChunkCuration(models.Model):
    """What a curator says about a passage, found again by the hash of the text it was said of."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="curations")
    text_sha256 = models.CharField(max_length=64)
    generated_text = models.TextField(blank=True, db_default="")
    """The passage as it was cut, so that the curator can be asked once it is cut no more."""
    edited_text = models.TextField(blank=True)
    is_disabled = models.BooleanField(default=False)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    updated_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True, blank=True)
    """When a curator said what becomes of it, its text being gone. It is not asked for again."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "text_sha256"], name="chunk_curation_once")
        ]

    def __str__(self) -> str:
        return f"curation of {self.text_sha256[:8]}"


class Term(models.Model):
    """A search token and its id, which is its place in ``Chunk.term_weights``."""

    token = models.CharField(max_length=100, unique=True)

    def __str__(self) -> str:
        return self.token


class TermStatistic(models.Model):
    """In how many chunks of a generation a term occurs: a snapshot that a task rebuilds."""

    # No index of their own: rows are many, replaced together, and read by both columns.
    generation = models.ForeignKey(
        IndexGeneration, on_delete=models.CASCADE, related_name="term_statistics", db_index=False
    )
    term = models.ForeignKey(Term, on_delete=models.CASCADE, related_name="+", db_index=False)
    document_frequency = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["generation", "term"], name="term_statistic_once")
        ]

    def __str__(self) -> str:
        return f"{self.term_id}: {self.document_frequency}"
