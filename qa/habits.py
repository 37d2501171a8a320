"""What is learned of a reader who agreed to it: their consent, and what they do since.

Opening a source writes no audit event: an audit event is never deleted, and what a reader has
deleted must be gone. Giving and withdrawing consent, and deleting, are audited.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.http import Http404
from django.utils import timezone

from accounts.audit import record
from documents.chunking import count_tokens
from documents.models import Document
from documents.querysets import DocumentQuerySet
from qa.fit import Evidence, Habits, Offered, lesson, topics_of
from qa.models import Answer, FitConsent, RankedPassage, SourceOpened
from qa.types import QuestionTerm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.models import User

RETENTION_DAYS = 180
"""An opening counts and is kept for so long."""
MAX_OPENINGS = 500
MAX_QUESTIONS = 200
"""Only the newest so many count."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was known of a reader at one time, and by which consent."""

    consent_id: int
    learns_since: datetime
    habits: Habits


def has_consented(user: User) -> bool:
    """Whether personal fit is on for the user."""
    return FitConsent.objects.filter(user=user.pk).exists()


def turn_on(actor: User) -> bool:
    """Begin to learn from what the actor does from now on. False: it was on."""
    with transaction.atomic():
        _consent, created = FitConsent.objects.get_or_create(user=actor)
        if created:
            record(actor, "fit.on", actor)
    return created


def turn_off(actor: User) -> bool:
    """Withdraw the consent, and delete all that was learned. False: it was off."""
    with transaction.atomic():
        consent = _locked_consent(actor)
        if consent is None:
            return False
        _take_off_answers(actor)
        consent.delete()
        record(actor, "fit.off", actor)
    return True


def forget(actor: User) -> bool:
    """Delete all that was learned, and begin anew. False: it is off, and nothing is known."""
    with transaction.atomic():
        consent = _locked_consent(actor)
        if consent is None:
            return False
        consent.opened.all().delete()
        consent.learns_since = timezone.now()
        consent.save(update_fields=["learns_since"])
        _take_off_answers(actor)
        record(actor, "fit.forget", actor)
    return True


def known_of(user: User) -> Known | None:
    """What the user's habits are, from what counts today; ``None`` without consent.

    What was opened counts while the user may read the document and keeps the conversation.
    """
    consent = FitConsent.objects.filter(user=user.pk).first()
    if consent is None:
        return None
    since = max(consent.learns_since, _kept_since(timezone.now()))
    leans = list(
        consent.opened.filter(
            opened_at__gte=since,
            document__in=_readable(user).values("pk"),
            passage__answer__question__conversation__deleted_at=None,
        )
        .order_by("-opened_at", "-pk")
        .values_list("plain", "recent", "short")[:MAX_OPENINGS]
    )
    plain, recent, short = ([row[column] for row in leans] for column in range(3))
    habits = Habits(
        plain=_evidence(plain),
        recent=_evidence(recent),
        short=_evidence(short),
        topics=topics_of(_questions_asked(user, since)),
    )
    return Known(consent.pk, consent.learns_since, habits)


def still_agreed(known: Known) -> bool:
    """Whether what is known may still be used: not withdrawn and not deleted meanwhile.

    Call it in the transaction that stores something learned; it holds off a deletion until then.
    """
    held = FitConsent.objects.select_for_update().filter(
        pk=known.consent_id, learns_since=known.learns_since
    )
    return held.first() is not None


def source_for(user: User, pk: int) -> RankedPassage:
    """A source of one of the user's own answers, of a document they may read; else ``Http404``."""
    found = RankedPassage.objects.filter(
        pk=pk,
        is_source=True,
        answer__question__conversation__user=user,
        answer__question__conversation__deleted_at=None,
        document__in=_readable(user).values("pk"),
    )
    passage: RankedPassage | None = found.select_related("answer").first()
    if passage is None:
        raise Http404
    return passage


def record_opening(actor: User, passage: RankedPassage) -> bool:
    """Learn from the actor's opening a cited source of their own answer, the first time only.

    Without consent nothing is stored. False when nothing was.
    """
    if passage.document_id is None or not passage.answer.is_personal:
        return False
    with transaction.atomic():
        consent = _locked_consent(actor)
        if consent is None:
            return False
        listed = _listed(actor, passage.answer)
        places = [each.pk for each in listed]
        if passage.pk not in places:
            return False
        opened = set(consent.opened.filter(passage__in=places).values_list("passage_id", flat=True))
        if passage.pk in opened:
            return False
        above = listed[: places.index(passage.pk)]
        learned = lesson(_offered(passage), [_offered(p) for p in above if p.pk not in opened])
        SourceOpened.objects.create(
            consent=consent,
            passage=passage,
            document_id=passage.document_id,
            plain=learned.plain,
            recent=learned.recent,
            short=learned.short,
        )
    return True


def delete_expired_openings() -> int:
    """Delete what is older than ``RETENTION_DAYS``; returns how many openings."""
    expired = SourceOpened.objects.filter(opened_at__lt=_kept_since(timezone.now()))
    return expired.delete()[0]


def shows_fit(answer: Answer, passages: Sequence[RankedPassage]) -> bool:
    """Whether the asker sees ``passages`` in the order of the fit rather than the neutral one."""
    return not answer.shows_neutral_order and any(each.personal_fit > 0 for each in passages)


def _listed(reader: User, answer: Answer) -> list[RankedPassage]:
    """The cited sources that the reader has before them, in the order shown."""
    passages = list(RankedPassage.objects.filter(answer=answer).defer("factor_inputs"))
    by_fit = shows_fit(answer, passages)
    cited = set(answer.citations.values_list("passage_id", flat=True))
    readable = set(
        _readable(reader)
        .filter(pk__in=[p.document_id for p in passages])
        .values_list("pk", flat=True)
    )
    listed = [p for p in passages if p.is_source and p.pk in cited and p.document_id in readable]
    return sorted(listed, key=lambda p: p.final_rank if by_fit else p.neutral_rank)


def _offered(passage: RankedPassage) -> Offered:
    return Offered(passage.readability, passage.effective_date, count_tokens(passage.text))


def _evidence(leans: Sequence[float | None]) -> Evidence:
    telling = [lean for lean in leans if lean is not None]
    return Evidence(len(telling), sum(telling) / len(telling)) if telling else Evidence()


def _questions_asked(user: User, since: datetime) -> list[list[QuestionTerm]]:
    """The terms of the user's newest questions in the chat, each question once."""
    answers = (
        Answer.objects.filter(
            is_personal=True,
            question__conversation__user=user,
            question__conversation__deleted_at=None,
            question__asked_at__gte=since,
        )
        .exclude(question_terms=[])
        .order_by("-question__asked_at", "-question", "-pk")
        .values_list("question_id", "question_terms")
    )
    by_question: dict[int, list[QuestionTerm]] = {}
    for question_id, terms in answers[: 2 * MAX_QUESTIONS]:
        by_question.setdefault(
            question_id, [QuestionTerm(t["token"], t["surface"], float(t["idf"])) for t in terms]
        )
    return list(by_question.values())[:MAX_QUESTIONS]


def _take_off_answers(user: User) -> None:
    """Erase what the user's answers hold of the fit; they are shown in the neutral order then."""
    RankedPassage.objects.filter(
        answer__question__conversation__user=user, personal_fit__gt=0
    ).update(personal_fit=0.0, fit_reasons=[], fit_inputs={})


def _locked_consent(user: User) -> FitConsent | None:
    return FitConsent.objects.select_for_update().filter(user=user.pk).first()


def _readable(user: User) -> DocumentQuerySet:
    return DocumentQuerySet(Document).visible_to(user)


def _kept_since(now: datetime) -> datetime:
    return now - timedelta(days=RETENTION_DAYS)
