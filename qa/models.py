"""Questions, answers with their rankings and citations, and what people judge of them."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from documents.models import Chunk, Document, DocumentVersion, KnowledgeBase
from qa.consents import FitConsent as FitConsent
from qa.consents import SourceOpened as SourceOpened
from qa.querysets import AnswerQuerySet, ConversationQuerySet
from qa.reranker_measurements import RerankerMeasurement as RerankerMeasurement
from qa.reranker_profiles import RerankerProfile as RerankerProfile


class Conversation(models.Model):
    """One person's questions in a row, over one or more knowledge bases."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations"
    )
    knowledge_bases = models.ManyToManyField(KnowledgeBase, related_name="+")
    title = models.CharField(_("title"), max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        indexes = [models.Index(fields=["user", "-updated_at"], name="conversation_user_updated")]

    def __str__(self) -> str:
        return self.title


class Question(models.Model):
    """What was asked, and the standalone form that was searched for."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="questions"
    )
    text = models.TextField(_("question"), max_length=2000)
    search_text = models.TextField(blank=True)
    language = models.CharField(max_length=8, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        indexes = [models.Index(fields=["conversation", "asked_at"], name="question_conversation")]

    def __str__(self) -> str:
        return self.text[:80]


class Answer(models.Model):
    """One try at answering a question, with its whole configuration and its clock.

    The row is the job: it is claimed by a conditional UPDATE that raises ``attempt``.
    """

    class Kind(models.TextChoices):
        FIRST = "first", _("First answer")
        REGENERATED = "regenerated", _("Regenerated")
        TWIN = "twin", _("Twin without rerank")

    class State(models.TextChoices):
        PENDING = "pending", _("Queued")
        RUNNING = "running", _("Answering")
        DONE = "done", _("Answered")
        STOPPED = "stopped", _("Stopped")
        FAILED = "failed", _("Failed")

    FINAL = (State.DONE, State.STOPPED, State.FAILED)

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="answers")
    knowledge_bases = models.ManyToManyField(KnowledgeBase, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.FIRST)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    text = models.TextField(blank=True)
    with_rerank = models.BooleanField(default=True)
    is_personal = models.BooleanField(default=False, db_default=False)
    """Whether personal fit may order its sources: asked in the chat, and nowhere else."""
    shows_neutral_order = models.BooleanField(default=False, db_default=False)
    """Whether the asker took personal fit back for this answer."""
    no_evidence = models.BooleanField(default=False)
    configuration = models.JSONField(default=dict, blank=True)
    generator = models.CharField(max_length=200, blank=True)
    reranker = models.CharField(max_length=200, blank=True)
    reranker_revision = models.CharField(max_length=100, blank=True)
    embedding_model = models.CharField(max_length=300, blank=True)
    was_reranked = models.BooleanField(default=False)
    reasons = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    question_terms = models.JSONField(default=list, blank=True)
    timings_ms = models.JSONField(default=dict, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    ranked_at = models.DateTimeField(null=True, blank=True)
    first_token_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = AnswerQuerySet.as_manager()

    class Meta:
        verbose_name = _("answer")
        verbose_name_plural = _("answers")
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(state__in=["pending", "running"]),
                name="answer_unfinished",
            ),
            models.Index(fields=["question", "created_at"], name="answer_question_created"),
        ]

    def __str__(self) -> str:
        return f"answer {self.pk}"

    @property
    def is_final(self) -> bool:
        return self.state in self.FINAL


class RankedPassage(models.Model):
    """One candidate of one answer: every stage's rank and score under its own name.

    ``text`` is the passage as it was. It may be shown only to a viewer who may read ``document``
    now. The chunk may be gone; hash and position stay.
    """

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="passages")
    chunk = models.ForeignKey(Chunk, null=True, on_delete=models.SET_NULL, related_name="+")
    document = models.ForeignKey(
        Document, null=True, on_delete=models.SET_NULL, related_name="ranked_passages"
    )
    version = models.ForeignKey(
        DocumentVersion, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    knowledge_base = models.ForeignKey(
        KnowledgeBase, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    title = models.CharField(max_length=300)
    heading_path = ArrayField(models.CharField(max_length=300), default=list, blank=True)
    text = models.TextField()
    text_sha256 = models.CharField(max_length=64)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    page = models.PositiveIntegerField(null=True, blank=True)
    language = models.CharField(max_length=8, blank=True)
    effective_date = models.DateField(null=True, blank=True)
    dense_rank = models.PositiveIntegerField(null=True, blank=True)
    lexical_rank = models.PositiveIntegerField(null=True, blank=True)
    fused_rank = models.PositiveIntegerField()
    rerank_rank = models.PositiveIntegerField(null=True, blank=True)
    final_rank = models.PositiveIntegerField()
    """The order that the answer was made with; the numbers of its sources follow it."""
    neutral_rank = models.PositiveIntegerField()
    """The same without personal fit. Whoever is not the asker sees this one."""
    cosine = models.FloatField(null=True, blank=True)
    lexical_score = models.FloatField(null=True, blank=True)
    lexical_share = models.FloatField(null=True, blank=True)
    fused_score = models.FloatField(default=0.0)
    rerank_score = models.FloatField(null=True, blank=True)
    relevance = models.FloatField()
    completeness = models.FloatField()
    readability = models.FloatField()
    timeliness = models.FloatField()
    personal_fit = models.FloatField(default=0.0)
    """The bonus, apart from ``final_score``. It and what follows are shown to the asker alone."""
    fit_reasons = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    fit_inputs = models.JSONField(default=dict, blank=True)
    factor_inputs = models.JSONField(default=dict, blank=True)
    final_score = models.FloatField()
    above_floor = models.BooleanField(default=True)
    is_source = models.BooleanField(default=False)
    """Whether the passage was handed to the generator, i.e. may carry a number."""

    class Meta:
        verbose_name = _("ranked passage")
        verbose_name_plural = _("ranked passages")
        constraints = [
            models.UniqueConstraint(fields=["answer", "final_rank"], name="final_rank_once")
        ]

    def __str__(self) -> str:
        return f"{self.final_rank}. {self.title}"


class Citation(models.Model):
    """One sentence of an answer citing one passage, at a span of that passage's text."""

    class Verdict(models.TextChoices):
        SUPPORTED = "supported", _("Supported")
        PARTLY = "partly", _("Partly supported")
        UNSUPPORTED = "unsupported", _("Not supported")

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="citations")
    passage = models.ForeignKey(RankedPassage, on_delete=models.CASCADE, related_name="citations")
    marker = models.PositiveIntegerField()
    sentence_index = models.PositiveIntegerField()
    sentence = models.TextField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    support = models.FloatField()
    verdict = models.CharField(max_length=12, choices=Verdict)

    class Meta:
        verbose_name = _("citation")
        verbose_name_plural = _("citations")
        constraints = [
            models.UniqueConstraint(
                fields=["answer", "sentence_index", "marker"], name="citation_once"
            )
        ]

    def __str__(self) -> str:
        return f"[{self.marker}] {self.sentence[:60]}"


class Judgement(models.Model):
    """Base of what people judge. Append-only: the newest by one person counts, all are kept."""

    judged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    judged_at = models.DateTimeField(default=timezone.now)
    is_withdrawn = models.BooleanField(default=False, db_default=False)
    """Set on the newer row that takes a judgement back; no row is ever changed."""

    class Meta:
        abstract = True


class SourceJudgement(Judgement):
    """How well a passage answers the question: 0 not at all to 3 completely."""

    class Grade(models.IntegerChoices):
        IRRELEVANT = 0, _("0 – beside the point")
        RELATED = 1, _("1 – related")
        USEFUL = 2, _("2 – useful")
        ANSWERS = 3, _("3 – answers it")

    passage = models.ForeignKey(RankedPassage, on_delete=models.CASCADE, related_name="judgements")
    grade = models.PositiveSmallIntegerField(choices=Grade)

    def __str__(self) -> str:
        return f"{self.passage_id}: {self.grade}"


class SentenceJudgement(Judgement):
    """Whether the cited passage supports the sentence."""

    citation = models.ForeignKey(Citation, on_delete=models.CASCADE, related_name="judgements")
    verdict = models.CharField(max_length=12, choices=Citation.Verdict)

    def __str__(self) -> str:
        return f"{self.citation_id}: {self.verdict}"


class AnswerJudgement(Judgement):
    """What a reviewer says of the whole answer."""

    class Verdict(models.TextChoices):
        CORRECT = "correct", _("Correct")
        INCOMPLETE = "incomplete", _("Incomplete")
        WRONG = "wrong", _("Wrong")
        NOT_ANSWERABLE = "not_answerable", _("Should not be answered")

    answer = models.ForeignKey(Answer, on_delete=models.CASCADE, related_name="judgements")
    verdict = models.CharField(max_length=16, choices=Verdict)
    comment = models.TextField(_("comment"), blank=True, max_length=4000)

    def __str__(self) -> str:
        return f"{self.answer_id}: {self.verdict}"


class EvaluationQuestion(models.Model):
    """A question with known good documents, by which a knowledge base is measured."""

    knowledge_base = models.ForeignKey(
        KnowledgeBase, on_delete=models.CASCADE, related_name="evaluation_questions"
    )
    text = models.TextField()
    from_answer = models.ForeignKey(
        Answer, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    grades = models.JSONField(default=dict, blank=True)
    """Document id and text hash of a passage -> grade 0 to 3."""
    is_holdout = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("evaluation question")
        verbose_name_plural = _("evaluation questions")

    def __str__(self) -> str:
        return self.text[:80]


class EvaluationRun(models.Model):
    """Figures of one measurement, with everything needed to make it again."""

    knowledge_base = models.ForeignKey(
        KnowledgeBase,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="evaluation_runs",
    )
    set_name = models.CharField(max_length=120)
    configuration = models.JSONField(default=dict, blank=True)
    figures = models.JSONField(default=dict, blank=True)
    commit = models.CharField(max_length=40, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("evaluation run")
        verbose_name_plural = _("evaluation runs")

    def __str__(self) -> str:
        return f"{self.set_name} {self.started_at:%Y-%m-%d %H:%M}"
