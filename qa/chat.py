"""What an asker does: ask, stop, ask again, and keep conversations. Each change is audited."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError as BrokerUnavailable
from redis.exceptions import RedisError

from accounts.audit import record
from qa import streams
from qa.answering import TASK_EXPIRES_S, ordered_bases
from qa.configuration import wishes_of
from qa.events import Stopped
from qa.models import Answer, Conversation, Question
from qa.querysets import AnswerQuerySet, ConversationQuerySet, bases_of
from qa.tasks import generate_answer
from qa.types import NO_WISHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from accounts.models import User
    from documents.models import KnowledgeBase
    from qa.types import Wishes

logger = logging.getLogger(__name__)

MAX_QUESTION_LENGTH = 2000
TITLE_LENGTH = 80


class QuestionRefused(Exception):
    """The question cannot be asked; ``str(error)`` is a translated sentence for the asker."""


def conversation_for(user: User, pk: int, *, deleted: bool = False) -> Conversation:
    """The user's own conversation, with ``deleted`` one that can be restored; else ``Http404``."""
    own = Conversation.objects.filter(user=user, pk=pk, deleted_at__isnull=not deleted)
    conversation = own.first()
    if conversation is None:
        raise Http404
    return conversation


def conversations_of(user: User) -> ConversationQuerySet:
    """The user's conversations, the one last asked in first."""
    return ConversationQuerySet(Conversation).of(user).order_by("-updated_at", "-pk")


def answer_for(user: User, pk: int) -> Answer:
    """An answer that the user may read: the asker's own, or one to review. Else ``Http404``.

    What of it may be shown is decided by ``presentation``, which asks for each cited document.
    """
    answers = AnswerQuerySet(Answer).readable_by(user).filter(pk=pk)
    answer: Answer | None = answers.select_related("question__conversation").first()
    if answer is None:
        raise Http404
    return answer


def own_answer_for(user: User, pk: int) -> Answer:
    """An answer to one of the user's own questions, which they may change; else ``Http404``."""
    answer = answer_for(user, pk)
    _require_asker(user, answer)
    return answer


def ask(
    *,
    actor: User,
    conversation: Conversation | None,
    knowledge_bases: Sequence[KnowledgeBase],
    text: str,
    with_rerank: bool = True,
    is_personal: bool = False,
    enqueue: bool = True,
) -> Answer:
    """Store the question with an empty answer and have a worker answer it.

    With ``enqueue`` false no worker is told, for a caller that makes the answer itself, at once.
    With ``is_personal``, for the chat page alone, the actor's habits may order the sources, if
    they agreed to that.

    Without a conversation a new one begins, titled after the question. The knowledge bases are
    asked in the order given, the first decides how to rank; without any, those of the conversation.
    Those that the actor may not ask are left out. Raises ``QuestionRefused``; ``Http404`` for a
    conversation of someone else. When the broker is away the row waits for the watchdog.
    """
    if conversation is not None and conversation.user_id != actor.pk:
        raise Http404
    question_text = _checked_text(text)
    chosen = _askable(actor, conversation, knowledge_bases)
    with transaction.atomic():
        now = timezone.now()
        if conversation is None:
            conversation = Conversation.objects.create(
                user=actor, title=_title_of(question_text), created_at=now, updated_at=now
            )
        else:
            Conversation.objects.filter(pk=conversation.pk).update(updated_at=now)
        conversation.knowledge_bases.set(chosen)
        question = Question.objects.create(conversation=conversation, text=question_text)
        answer = _create_answer(
            question,
            chosen,
            kind=Answer.Kind.FIRST,
            with_rerank=with_rerank,
            is_personal=is_personal,
            enqueue=enqueue,
        )
        record(actor, "question.ask", question, answer=answer.pk)
    return answer


def regenerate(actor: User, answer: Answer, *, wishes: Wishes | None = None) -> Answer:
    """Answer the same question once more, as it was asked for; the old answer stays.

    ``wishes`` take the place of those that the answer was asked with.
    """
    return _answer_again(
        actor,
        answer,
        kind=Answer.Kind.REGENERATED,
        with_rerank=answer.with_rerank,
        wishes=wishes,
    )


def answer_twin(actor: User, answer: Answer) -> Answer:
    """The answer to the same question without rerank: the one there is, else a new one."""
    _require_asker(actor, answer)
    twins = Answer.objects.filter(question=answer.question_id, kind=Answer.Kind.TWIN)
    standing = (
        twins.exclude(state__in=[Answer.State.FAILED, Answer.State.STOPPED])
        .order_by("-created_at")
        .first()
    )
    if standing is not None:
        return standing
    return _answer_again(actor, answer, kind=Answer.Kind.TWIN, with_rerank=False)


def stop(actor: User, answer: Answer) -> bool:
    """Ask the worker to stop; an answer not begun is stopped at once. False: it had ended."""
    _require_asker(actor, answer)
    now = timezone.now()
    with transaction.atomic():
        unclaimed = Answer.objects.filter(pk=answer.pk, state=Answer.State.PENDING).update(
            state=Answer.State.STOPPED, stop_requested_at=now, finished_at=now
        )
        running = streams.request_stop(answer.pk)
        if unclaimed or running:
            record(actor, "answer.stop", answer)
    if unclaimed:
        streams.publish(answer.pk, Stopped())
    answer.refresh_from_db()
    return bool(unclaimed or running)


def set_order(actor: User, answer: Answer, *, neutral: bool) -> None:
    """Show the answer's sources without personal fit, or with it again. Nothing is made anew."""
    _require_asker(actor, answer)
    with transaction.atomic():
        answer.shows_neutral_order = neutral
        answer.save(update_fields=["shows_neutral_order"])
        record(actor, "answer.set_order", answer, neutral=neutral)


def rename_conversation(actor: User, conversation: Conversation, title: str) -> None:
    """Give the conversation another title, cut to its column; an empty one is refused."""
    _require_owner(actor, conversation)
    cleaned = " ".join(title.split())[:200]
    if not cleaned:
        raise QuestionRefused(_("A title needs at least one character."))
    with transaction.atomic():
        conversation.title = cleaned
        conversation.save(update_fields=["title"])
        record(actor, "conversation.rename", conversation)


def delete_conversation(actor: User, conversation: Conversation) -> None:
    """Take the conversation and its answers out of sight; ``restore_conversation`` undoes it."""
    _require_owner(actor, conversation)
    with transaction.atomic():
        conversation.deleted_at = timezone.now()
        conversation.save(update_fields=["deleted_at"])
        record(actor, "conversation.delete", conversation)


def restore_conversation(actor: User, conversation: Conversation) -> None:
    """Undo ``delete_conversation``."""
    _require_owner(actor, conversation)
    with transaction.atomic():
        conversation.deleted_at = None
        conversation.save(update_fields=["deleted_at"])
        record(actor, "conversation.restore", conversation)


def _answer_again(
    actor: User,
    answer: Answer,
    *,
    kind: Answer.Kind,
    with_rerank: bool,
    wishes: Wishes | None = None,
) -> Answer:
    _require_asker(actor, answer)
    chosen = _askable(actor, None, ordered_bases(answer))
    wishes = wishes_of(answer.configuration) if wishes is None else wishes
    with transaction.atomic():
        again = _create_answer(
            answer.question,
            chosen,
            kind=kind,
            with_rerank=with_rerank,
            is_personal=answer.is_personal,
            wishes=wishes,
        )
        record(
            actor,
            "answer.again",
            again,
            of=answer.pk,
            kind=kind.value,
            follow_time=wishes.follow_time,
            preset=wishes.preset,
        )
    return again


def _create_answer(
    question: Question,
    knowledge_bases: Sequence[KnowledgeBase],
    *,
    kind: Answer.Kind,
    with_rerank: bool,
    is_personal: bool,
    enqueue: bool = True,
    wishes: Wishes = NO_WISHES,
) -> Answer:
    # A many-to-many relation keeps no order, and the first knowledge base decides the ranking.
    order = [base.pk for base in knowledge_bases]
    answer = Answer.objects.create(
        question=question,
        kind=kind,
        with_rerank=with_rerank,
        is_personal=is_personal,
        configuration={"knowledge_bases": order, "wishes": asdict(wishes)},
    )
    answer.knowledge_bases.set(knowledge_bases)
    if enqueue:
        transaction.on_commit(partial(_enqueue, answer.pk))
    return answer


def _enqueue(answer_id: int) -> None:
    try:
        generate_answer.apply_async((answer_id,), expires=TASK_EXPIRES_S)
    except (BrokerUnavailable, RedisError, OSError):
        logger.warning("answer.enqueue.failed", extra={"answer_id": answer_id})


def _checked_text(text: str) -> str:
    # Postgres stores no NUL and no half of a surrogate pair, and a pasted one is never meant.
    cleaned = text.encode("utf-8", "replace").decode().replace("\0", " ").strip()
    if not cleaned:
        raise QuestionRefused(_("Please type a question."))
    if len(cleaned) > MAX_QUESTION_LENGTH:
        raise QuestionRefused(
            _("A question may have at most %(limit)d characters; this one has %(length)d.")
            % {"limit": MAX_QUESTION_LENGTH, "length": len(cleaned)}
        )
    return cleaned


def _askable(
    actor: User, conversation: Conversation | None, chosen: Iterable[KnowledgeBase]
) -> list[KnowledgeBase]:
    wanted = list(dict.fromkeys(base.pk for base in chosen))
    if not wanted and conversation is not None:
        wanted = list(conversation.knowledge_bases.order_by("pk").values_list("pk", flat=True))
    visible = bases_of(actor).in_bulk(wanted)
    bases = [visible[pk] for pk in wanted if pk in visible]
    if not bases:
        raise QuestionRefused(_("Choose at least one knowledge base that you may ask."))
    return bases


def _title_of(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


def _require_owner(actor: User, conversation: Conversation) -> None:
    if conversation.user_id != actor.pk:
        raise Http404


def _require_asker(actor: User, answer: Answer) -> None:
    if answer.question.conversation.user_id != actor.pk:
        raise Http404
