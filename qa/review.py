"""The review queue and what reviewers judge. Judgements are appended, never changed.

The newest judgement of a person counts. Undoing one appends a newer row that says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.paginator import Paginator
from django.db import models, transaction
from django.http import Http404
from django.utils.translation import gettext as _

from accounts.audit import record
from documents.models import Document
from documents.querysets import DocumentQuerySet
from qa.models import (
    Answer,
    AnswerJudgement,
    Citation,
    EvaluationQuestion,
    RankedPassage,
    SentenceJudgement,
    SourceJudgement,
)
from qa.querysets import AnswerQuerySet, bases_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.core.paginator import Page

    from accounts.models import User
    from documents.models import KnowledgeBase

PAGE_SIZE = 20
UNJUDGED = "unjudged"
"""The queue's filter for answers that nobody has judged, or whose judgement was taken back."""

Row = TypeVar("Row", AnswerJudgement, SentenceJudgement, SourceJudgement)


class ReviewRefused(Exception):
    """The judgement cannot be made; ``str(error)`` is a translated sentence for the reviewer."""


@dataclass(frozen=True, slots=True)
class Judgements:
    """What one person says of an answer now. Absent keys and ``None`` mean not judged."""

    verdict: str | None
    comment: str
    citations: dict[int, str]
    """Citation id -> verdict."""
    grades: dict[int, int]
    """Passage id -> grade 0 to 3."""


def reviewed_bases(viewer: User) -> list[KnowledgeBase]:
    """Knowledge bases whose answers the viewer may review, by name; empty for most people."""
    return list(bases_of(viewer, "reviewer").order_by("name", "pk"))


def queue(
    viewer: User,
    *,
    verdict: str = "",
    knowledge_base: KnowledgeBase | None = None,
    page: int | str = 1,
) -> Page[Answer]:
    """Finished answers that the viewer may review, newest first, ``PAGE_SIZE`` on a page.

    ``verdict`` is a value of ``AnswerJudgement.Verdict``, ``UNJUDGED`` or empty for all; it is
    compared with the newest judgement by anyone, which each answer carries as
    ``latest_verdict`` (a string, or ``None``). A page out of range gives the nearest.
    """
    answers = AnswerQuerySet(Answer).reviewable_by(viewer).filter(state__in=Answer.FINAL)
    if knowledge_base is not None:
        answers = answers.filter(knowledge_bases=knowledge_base)
    newest = AnswerJudgement.objects.filter(answer=models.OuterRef("pk")).order_by("-pk")
    standing = models.Case(
        models.When(is_withdrawn=True, then=models.Value(None)), default=models.F("verdict")
    )
    latest = models.Subquery(newest.annotate(standing=standing).values("standing")[:1])
    judged = answers.annotate(latest_verdict=latest)
    if verdict == UNJUDGED:
        judged = judged.filter(latest_verdict=None)
    elif verdict:
        judged = judged.filter(latest_verdict=verdict)
    ordered = (
        judged.select_related("question__conversation__user")
        .prefetch_related("knowledge_bases")
        .order_by("-created_at", "-pk")
    )
    return Paginator(ordered, PAGE_SIZE).get_page(page)


def reviewable_answer_for(user: User, pk: int) -> Answer:
    """An answer from knowledge bases all of which the user reviews, else ``Http404``."""
    answers = AnswerQuerySet(Answer).reviewable_by(user).filter(pk=pk)
    answer: Answer | None = answers.select_related("question__conversation__user").first()
    if answer is None:
        raise Http404
    return answer


def judgements_by(viewer: User, answer: Answer) -> Judgements:
    """The viewer's own judgements of the answer that count now."""
    whole = _standing(AnswerJudgement.objects.filter(answer=answer, judged_by=viewer), "answer_id")
    verdict = whole.get(answer.pk)
    sentences = _standing(
        SentenceJudgement.objects.filter(citation__answer=answer, judged_by=viewer), "citation_id"
    )
    sources = _standing(
        SourceJudgement.objects.filter(passage__answer=answer, judged_by=viewer), "passage_id"
    )
    return Judgements(
        verdict=verdict.verdict if verdict else None,
        comment=verdict.comment if verdict else "",
        citations={key: row.verdict for key, row in sentences.items()},
        grades={key: row.grade for key, row in sources.items()},
    )


def judge_answer(actor: User, answer: Answer, verdict: str, comment: str = "") -> AnswerJudgement:
    """Say what the whole answer is worth. Raises ``ReviewRefused`` for an unknown verdict."""
    _require_reviewer(actor, answer)
    _require_choice(verdict, AnswerJudgement.Verdict.values)
    cleaned = comment.replace("\0", "").strip()
    if len(cleaned) > 4000:
        raise ReviewRefused(_("A comment may have at most 4000 characters."))
    with transaction.atomic():
        row = AnswerJudgement.objects.create(
            judged_by=actor, answer=answer, verdict=verdict, comment=cleaned
        )
        record(actor, "answer.judge", answer, verdict=verdict)
    return row


def judge_citation(actor: User, citation: Citation, verdict: str) -> SentenceJudgement:
    """Say whether the cited passage supports the sentence."""
    _require_reviewer(actor, citation.answer)
    _require_choice(verdict, Citation.Verdict.values)
    with transaction.atomic():
        row = SentenceJudgement.objects.create(judged_by=actor, citation=citation, verdict=verdict)
        record(actor, "citation.judge", citation, verdict=verdict)
    return row


def judge_source(actor: User, passage: RankedPassage, grade: int) -> SourceJudgement:
    """Grade how well a passage answers the question, 0 to 3."""
    _require_reviewer(actor, passage.answer)
    _require_choice(grade, SourceJudgement.Grade.values)
    with transaction.atomic():
        row = SourceJudgement.objects.create(judged_by=actor, passage=passage, grade=grade)
        record(actor, "source.judge", passage, grade=grade)
    return row


def withdraw_answer_judgement(actor: User, answer: Answer) -> bool:
    """Take the actor's standing judgement of the answer back; False when there is none."""
    _require_reviewer(actor, answer)
    rows = AnswerJudgement.objects.filter(answer=answer, judged_by=actor)
    standing = _standing(rows, "answer_id").get(answer.pk)
    if standing is None:
        return False
    with transaction.atomic():
        AnswerJudgement.objects.create(
            judged_by=actor, answer=answer, verdict=standing.verdict, is_withdrawn=True
        )
        record(actor, "answer.withdraw_judgement", answer)
    return True


def withdraw_citation_judgement(actor: User, citation: Citation) -> bool:
    """Take the actor's standing judgement of the citation back; False when there is none."""
    _require_reviewer(actor, citation.answer)
    rows = SentenceJudgement.objects.filter(citation=citation, judged_by=actor)
    standing = _standing(rows, "citation_id").get(citation.pk)
    if standing is None:
        return False
    with transaction.atomic():
        SentenceJudgement.objects.create(
            judged_by=actor, citation=citation, verdict=standing.verdict, is_withdrawn=True
        )
        record(actor, "citation.withdraw_judgement", citation)
    return True


def withdraw_source_judgement(actor: User, passage: RankedPassage) -> bool:
    """Take the actor's standing grade of the passage back; False when there is none."""
    _require_reviewer(actor, passage.answer)
    rows = SourceJudgement.objects.filter(passage=passage, judged_by=actor)
    standing = _standing(rows, "passage_id").get(passage.pk)
    if standing is None:
        return False
    with transaction.atomic():
        SourceJudgement.objects.create(
            judged_by=actor, passage=passage, grade=standing.grade, is_withdrawn=True
        )
        record(actor, "source.withdraw_judgement", passage)
    return True


def citation_for(user: User, pk: int) -> Citation:
    """A citation that the user may review and whose document they may read, else ``Http404``."""
    citation = Citation.objects.filter(pk=pk).select_related("answer", "passage").first()
    if citation is None:
        raise Http404
    _require_reviewer(user, citation.answer)
    _require_reader(user, citation.passage)
    return citation


def passage_for(user: User, pk: int) -> RankedPassage:
    """A passage that the user may review and whose document they may read, else ``Http404``."""
    passage = RankedPassage.objects.filter(pk=pk).select_related("answer").first()
    if passage is None:
        raise Http404
    _require_reviewer(user, passage.answer)
    _require_reader(user, passage)
    return passage


def save_as_evaluation_question(actor: User, answer: Answer) -> EvaluationQuestion:
    """Keep the question with the graded sources as a test case of its first knowledge base.

    The newest standing grade of each passage counts, whoever gave it. Saving again replaces the
    grades of the same answer's test case. Raises ``ReviewRefused`` when no source is graded.
    """
    _require_reviewer(actor, answer)
    newest: dict[int, SourceJudgement] = {}
    rows = SourceJudgement.objects.filter(passage__answer=answer).select_related("passage")
    for row in rows.order_by("pk"):
        newest[row.passage_id] = row
    grades = {
        f"{row.passage.document_id}:{row.passage.text_sha256}": int(row.grade)
        for row in newest.values()
        if not row.is_withdrawn and row.passage.document_id is not None
    }
    if not grades:
        raise ReviewRefused(_("Grade at least one source first."))
    order = answer.configuration.get("knowledge_bases", [])
    bases = list(answer.knowledge_bases.all())
    first = next((base for base in bases if order and base.pk == order[0]), bases[0])
    with transaction.atomic():
        saved, _created = EvaluationQuestion.objects.update_or_create(
            from_answer=answer,
            defaults={"grades": grades},
            create_defaults={
                "knowledge_base": first,
                "text": answer.question.search_text or answer.question.text,
                "grades": grades,
                "created_by": actor,
            },
        )
        record(actor, "evaluation_question.save", saved, answer=answer.pk, grades=len(grades))
    return saved


def _standing(rows: models.QuerySet[Row], key: str) -> dict[int, Row]:
    newest: dict[int, Row] = {getattr(row, key): row for row in rows.order_by("pk")}
    return {pk: row for pk, row in newest.items() if not row.is_withdrawn}


def _require_choice(value: Any, allowed: Collection[Any]) -> None:
    if value not in allowed:
        raise ReviewRefused(_("That is not one of the choices."))


def _require_reviewer(actor: User, answer: Answer) -> None:
    if not AnswerQuerySet(Answer).reviewable_by(actor).filter(pk=answer.pk).exists():
        raise Http404


def _require_reader(user: User, passage: RankedPassage) -> None:
    documents = DocumentQuerySet(Document).visible_to(user)
    if passage.document_id is None or not documents.filter(pk=passage.document_id).exists():
        raise Http404
