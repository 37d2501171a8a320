"""The admin of answers and of what is judged of them: to look at, not to type.

Copies obey the originals here too: a passage's text is shown only where its document may be read.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.postgres.fields import ArrayField
from django.db.models import Exists, OuterRef
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget

from documents.admin.curated import actor_of
from documents.models import Document
from qa import reranker_settings
from qa.guidance import language_names
from qa.models import (
    Answer,
    AnswerJudgement,
    Citation,
    EvaluationQuestion,
    EvaluationRun,
    RankedPassage,
    RerankerProfile,
)
from qa.presentation import present_answer
from qa.querysets import bases_of
from qa.rerank_notes import slow_words, trial_words
from qa.rerankers import languages_for

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

CLOSED = _("a source you may not open")


class _LookOnly:
    """No adding, changing or deleting."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class RankedPassageInline(_LookOnly, TabularInline):
    """The rankings of an answer, one candidate a row."""

    model = RankedPassage
    extra = 0
    ordering = ("neutral_rank",)
    # The order without personal fit: what the asker's habits did to it is theirs to see.
    fields = (
        "neutral_rank",
        "fused_rank",
        "rerank_rank",
        "dense_rank",
        "lexical_rank",
        "shown_title",
        "shown_text",
        "relevance",
        "completeness",
        "readability",
        "timeliness",
        "final_score",
        "above_floor",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        readable = Document.objects.visible_to(request.user).filter(pk=OuterRef("document"))  # type: ignore[arg-type]
        return super().get_queryset(request).annotate(may_read=Exists(readable))  # type: ignore[no-any-return]

    @admin.display(description=_("title"))
    def shown_title(self, passage: RankedPassage) -> str:
        return passage.title if passage.may_read else str(CLOSED)  # type: ignore[attr-defined]

    @admin.display(description=_("text"))
    def shown_text(self, passage: RankedPassage) -> str:
        return passage.text[:300] if passage.may_read else str(CLOSED)  # type: ignore[attr-defined]


class CitationInline(_LookOnly, TabularInline):
    """Which passage bears which sentence, without the sentence where the document is closed."""

    model = Citation
    extra = 0
    fields = ("sentence_index", "marker", "shown_sentence", "support", "verdict")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        readable = Document.objects.visible_to(request.user).filter(  # type: ignore[arg-type]
            pk=OuterRef("passage__document")
        )
        return super().get_queryset(request).annotate(may_read=Exists(readable))  # type: ignore[no-any-return]

    @admin.display(description=_("sentence"))
    def shown_sentence(self, citation: Citation) -> str:
        return citation.sentence if citation.may_read else str(CLOSED)  # type: ignore[attr-defined]


@admin.register(Answer)
class AnswerAdmin(_LookOnly, ModelAdmin):
    """Answers of the knowledge bases that the viewer reviews."""

    list_display = ("id", "question_text", "state", "kind", "was_reranked", "created_at")
    list_filter = ("state", "kind", "was_reranked", "no_evidence")
    search_fields = ("question__text",)
    ordering = ("-created_at",)
    inlines = (RankedPassageInline, CitationInline)
    fields = (
        "question_text",
        "shown_answer",
        "state",
        "kind",
        "with_rerank",
        "was_reranked",
        "no_evidence",
        "generator",
        "reranker",
        "reranker_revision",
        "embedding_model",
        "reasons",
        "timings_ms",
        "configuration",
        "error_code",
        "attempt",
        "created_at",
        "started_at",
        "ranked_at",
        "first_token_at",
        "finished_at",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        reviewable = Answer.objects.reviewable_by(request.user).values("pk")  # type: ignore[arg-type]
        found = super().get_queryset(request).filter(pk__in=reviewable)
        return found.select_related("question")  # type: ignore[no-any-return]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Answer | None:
        answer: Answer | None = super().get_object(request, object_id, from_field)
        if answer is not None:
            # The page's methods get the row only; what may be shown depends on who looks.
            answer.shown = present_answer(request.user, answer).text  # type: ignore[attr-defined, arg-type]
        return answer

    @admin.display(description=_("question"))
    def question_text(self, answer: Answer) -> str:
        return answer.question.text[:200]

    @admin.display(description=_("answer"))
    def shown_answer(self, answer: Answer) -> str:
        return str(answer.shown)  # type: ignore[attr-defined]


@admin.register(AnswerJudgement)
class AnswerJudgementAdmin(_LookOnly, ModelAdmin):
    """What reviewers said, append-only."""

    list_display = ("answer", "verdict", "is_withdrawn", "judged_by", "judged_at")
    list_filter = ("verdict",)
    ordering = ("-judged_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        reviewable = Answer.objects.reviewable_by(request.user).values("pk")  # type: ignore[arg-type]
        return super().get_queryset(request).filter(answer__in=reviewable)  # type: ignore[no-any-return]


@admin.register(EvaluationQuestion)
class EvaluationQuestionAdmin(_LookOnly, ModelAdmin):
    """Test questions kept from reviews."""

    list_display = ("text", "knowledge_base", "created_by", "created_at")
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        reviewed = bases_of(request.user, "reviewer", "curator").values("pk")  # type: ignore[arg-type]
        return super().get_queryset(request).filter(knowledge_base__in=reviewed)  # type: ignore[no-any-return]


@admin.register(EvaluationRun)
class EvaluationRunAdmin(_LookOnly, ModelAdmin):
    """Measurements that were made."""

    list_display = ("set_name", "commit", "started_at", "finished_at")
    ordering = ("-started_at",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(RerankerProfile)
class RerankerProfileAdmin(ModelAdmin):
    """Rerankers to choose from. Keys are named here, never held.

    A row makes the worker call an address and send a key there, so it takes an administrator, not
    only Django's permissions. A row that answers name is switched off, not erased.
    """

    list_display = (
        "name",
        "kind",
        "model",
        "shown_languages",
        "is_default",
        "is_enabled",
        "shown_trial",
    )
    list_filter = ("kind", "is_enabled")
    search_fields = ("name", "model")
    ordering = ("name",)
    formfield_overrides = {ArrayField: {"widget": UnfoldAdminTextInputWidget}}
    readonly_fields = ("is_default", "shown_languages", "shown_trial", "tried_at")
    actions = ("try_again",)
    fieldsets = (
        (None, {"fields": ("name", "kind", "model", "revision", "languages", "shown_languages")}),
        (
            _("Server"),
            {
                "fields": (
                    "url",
                    "dialect",
                    "key_variable",
                    "documents_per_request",
                    "score_scale",
                ),
                "description": _(
                    "The worker calls this address for every question, also one inside your "
                    "network, and sends it the question and the passages."
                ),
            },
        ),
        (
            _("Limits"),
            {"fields": ("time_limit_ms", "candidates", "batch_tokens", "max_length")},
        ),
        (
            _("Use"),
            {
                "fields": (
                    "is_enabled",
                    "wants_default",
                    "is_default",
                    "price_note",
                    "shown_trial",
                    "tried_at",
                ),
                "description": _(
                    "Saving has it tried by a worker; reload this page to see what it said."
                ),
            },
        ),
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: RerankerProfile, form: Any, change: Any
    ) -> None:
        actor = actor_of(request)
        if change:
            values = {name: form.cleaned_data[name] for name in form.changed_data}
            stored = reranker_settings.update_profile(actor=actor, profile=obj, changes=values)
        else:
            stored = reranker_settings.create_profile(actor=actor, values=form.cleaned_data)
        # The admin goes on with the object it built: it becomes the one that was stored.
        obj.__dict__.update(stored.__dict__)
        if stored.probe_wanted_at is not None:
            self.message_user(request, trial_words(stored))
        elif slow := slow_words(stored):
            self.message_user(request, slow, messages.WARNING)

    @admin.action(description=_("Try again how many candidates it reads"))
    def try_again(self, request: HttpRequest, chosen: QuerySet[RerankerProfile]) -> None:
        for profile in chosen:
            reranker_settings.request_trial(actor=actor_of(request), profile=profile)
        self.message_user(request, _("The trials are queued; reload to see what they said."))

    @admin.display(description=_("languages it reads"))
    def shown_languages(self, profile: RerankerProfile) -> str:
        return language_names(languages_for(profile)) or str(_("any language"))

    @admin.display(description=_("trial"))
    def shown_trial(self, profile: RerankerProfile) -> str:
        return " ".join(filter(None, (trial_words(profile), slow_words(profile))))

    @admin.display(description=_("tried"))
    def tried_at(self, profile: RerankerProfile) -> str:
        probe = profile.probe or {}
        if not probe.get("at"):
            return "–"
        at = localtime(datetime.fromisoformat(probe["at"]))
        milliseconds = round(float(probe.get("ms_for_30") or 0))
        return f"{date_format(at, 'SHORT_DATETIME_FORMAT')}, {probe.get('device', '')}" + (
            f", {milliseconds} ms / 30" if milliseconds else ""
        )
