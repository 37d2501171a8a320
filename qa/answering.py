"""Makes one answer, from its waiting row to its finished one, and tells the stream on the way.

The ranking is saved before anything is written, and the text before ``Done`` is published: who
sees an event finds its row. No transaction is open while a model works.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from inference.conf import get_chat_model, get_embedder
from inference.errors import ModelError
from inference.ports import ChatMessage
from qa import claims, habits, streams
from qa.claims import Claim, ClaimLost, Watch
from qa.configuration import pipeline_config, stored_form, wishes_of
from qa.events import Done, Failed, Stopped, Token
from qa.fit import NO_HABITS, forgotten
from qa.models import Answer, Question
from qa.pipeline import answer as run_pipeline
from qa.pipeline import drive
from qa.prompts import HISTORY_TURNS, standalone_question
from qa.querysets import bases_of
from qa.recall import PostgresRetriever
from qa.records import save_draft, save_ranking
from qa.rerankers import reranker_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from accounts.models import User
    from documents.models import KnowledgeBase
    from inference.ports import ChatModel, Embedder
    from qa.events import Event
    from qa.habits import Known
    from qa.types import AnswerDraft, PipelineConfig, Ranking, Reason, Recalled

logger = logging.getLogger(__name__)

TASK_EXPIRES_S = 600
"""An answer that no worker took in this time is enqueued anew by the watchdog, if still wanted."""
TOKEN_BATCH_S = 0.05
OVERHEAD_S = 60.0
"""Allowed for recall, loading and saving, on top of the time limits of rerank and generation."""


def generate_answer(answer_id: int) -> None:
    """Answer a waiting answer's question and save it. Does nothing when it is not waiting.

    What fails is stored on the row and published; an unforeseen error is raised as well.
    """
    claim = claims.claim(answer_id)
    if claim is None:
        return
    try:
        with _failing(claim):
            _Run(claim).run()
    except ClaimLost:
        logger.info("answer.claim.lost", extra={"answer_id": answer_id})


def release_expired_answers() -> list[int]:
    """Give up answers whose worker fell silent; returns the ids of those to enqueue again."""
    for answer_id in claims.give_up_lost():
        streams.publish(answer_id, Failed("worker_lost"))
        logger.warning("answer.worker.lost", extra={"answer_id": answer_id})
    return claims.unheard()


def ordered_bases(answer: Answer) -> list[KnowledgeBase]:
    """The answer's knowledge bases, in the order in which the asker chose them."""
    order = answer.configuration.get("knowledge_bases", [])
    place = {pk: index for index, pk in enumerate(order)}
    return sorted(
        answer.knowledge_bases.all(), key=lambda base: (place.get(base.pk, len(place)), base.pk)
    )


def history_of(question: Question) -> list[ChatMessage]:
    """The last questions before this one, oldest first, without their answers.

    An earlier answer holds text of documents that this one does not cite: whoever may read this
    one's sources, a reviewer say, could read the others through it.
    """
    earlier = Question.objects.filter(
        conversation=question.conversation_id, asked_at__lt=question.asked_at
    )
    latest = earlier.order_by("-asked_at", "-pk").values_list("text", flat=True)[:HISTORY_TURNS]
    return [ChatMessage("user", text) for text in reversed(latest)]


@dataclass(slots=True)
class _Setting:
    """What one answer is made with."""

    viewer: User
    bases: list[KnowledgeBase]
    config: PipelineConfig
    configuration: dict[str, object]
    embedder: Embedder | None
    chat_model: ChatModel | None
    known: Known | None
    """What is known of the asker; ``None`` without their consent, and outside the chat."""
    reasons: list[Reason] = field(default_factory=list)


class _Run:
    """One claimed answer on its way."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.answer = Answer.objects.select_related("question__conversation__user").get(
            pk=claim.answer_id
        )
        self.began = time.monotonic()
        self.passages: dict[int, int] = {}
        self.first_token_at: datetime | None = None
        self.publisher = _Publisher(claim.answer_id)

    def run(self) -> None:
        if self.claim.attempt > 1:
            streams.forget(self.claim.answer_id)
        viewer = self.answer.question.conversation.user
        bases = _still_askable(viewer, ordered_bases(self.answer))
        if not bases:
            _fail(self.claim, "no_knowledge_base")
            return
        reranker, profile = reranker_for(bases[0])
        wishes = wishes_of(self.answer.configuration)
        config = pipeline_config(bases, profile, with_rerank=self.answer.with_rerank, wishes=wishes)
        setting = _Setting(
            viewer=viewer,
            bases=bases,
            config=config,
            configuration=stored_form(config, bases, profile, wishes),
            embedder=_embedder(),
            chat_model=None,
            known=habits.known_of(viewer) if self.answer.is_personal else None,
        )
        setting.chat_model = _chat_model(setting.reasons)
        history = history_of(self.answer.question)
        retriever = _Remembering(PostgresRetriever(viewer, bases, setting.embedder))
        watch = Watch(
            self.claim,
            time_limit_s=config.rerank_time_limit_s + config.answer_time_limit_s + OVERHEAD_S,
        )
        question = self.answer.question.text

        def on_ranked(ranking: Ranking) -> None:
            if retriever.recalled is None:
                raise ClaimLost
            self.save_ranking(
                ranking, retriever.recalled, setting, standalone_question(history, question)
            )

        with watch:
            draft = drive(
                run_pipeline(
                    question,
                    history,
                    retriever=retriever,
                    reranker=reranker,
                    chat_model=setting.chat_model,
                    config=config,
                    today=timezone.localdate(),
                    on_ranked=on_ranked,
                    habits=setting.known.habits if setting.known is not None else NO_HABITS,
                    should_stop=watch.should_stop,
                ),
                self.on_event,
            )
        self.publisher.flush()
        self.save(draft, watch, setting)

    def save_ranking(
        self, ranking: Ranking, recalled: Recalled, setting: _Setting, search_text: str
    ) -> None:
        """Store the ranking, without what was learned of a reader who has it deleted meanwhile."""
        with transaction.atomic():
            agreed = setting.known is None or habits.still_agreed(setting.known)
            self.passages = save_ranking(
                self.claim,
                ranking if agreed else forgotten(ranking),
                recalled,
                search_text=search_text,
                sources=setting.config.sources,
                configuration=setting.configuration,
                embedding_model=_name_of(setting.embedder),
            )

    def on_event(self, event: Event) -> None:
        """Hand an event on; ``Stopped`` waits until the row is saved."""
        if isinstance(event, Stopped):
            return
        if isinstance(event, Token) and self.first_token_at is None:
            self.first_token_at = timezone.now()
        self.publisher.add(event)

    def save(self, draft: AnswerDraft, watch: Watch, setting: _Setting) -> None:
        if watch.is_late and not draft.text:
            _fail(self.claim, "deadline")
            return
        stopped = watch.is_stopped or watch.is_late
        state = Answer.State.STOPPED if stopped else Answer.State.DONE
        waited = (self.answer.started_at or timezone.now()) - self.answer.created_at
        save_draft(
            self.claim,
            draft,
            state,
            passages=self.passages,
            first_token_at=self.first_token_at,
            extra_timings_ms={
                "queue": waited.total_seconds() * 1000,
                "total": (time.monotonic() - self.began) * 1000,
            },
            reasons=setting.reasons,
        )
        streams.publish(self.claim.answer_id, Stopped() if stopped else Done(state.value))


class _Publisher:
    """Joins tokens that come within ``TOKEN_BATCH_S``, so that a fast writer is not slowed."""

    def __init__(self, answer_id: int) -> None:
        self._answer_id = answer_id
        self._pieces: list[str] = []
        self._flushed_at = float("-inf")

    def add(self, event: Event) -> None:
        if not isinstance(event, Token):
            self.flush()
            streams.publish(self._answer_id, event)
            return
        self._pieces.append(event.text)
        if time.monotonic() - self._flushed_at >= TOKEN_BATCH_S:
            self.flush()

    def flush(self) -> None:
        if self._pieces:
            streams.publish(self._answer_id, Token("".join(self._pieces)))
            self._pieces.clear()
            self._flushed_at = time.monotonic()


class _Remembering:
    """A retriever that keeps what it recalled, for the row that the ranking is saved to."""

    def __init__(self, retriever: PostgresRetriever) -> None:
        self._retriever = retriever
        self.recalled: Recalled | None = None

    def recall(self, question: str, limit: int) -> Recalled:
        self.recalled = self._retriever.recall(question, limit)
        return self.recalled


@contextmanager
def _failing(claim: Claim) -> Iterator[None]:
    """Mark the answer as failed when the block does not reach its end, whatever the reason."""
    is_done = False
    try:
        yield
        is_done = True
    except ClaimLost:
        is_done = True
        raise
    finally:
        if not is_done:
            _fail(claim, "internal")


def _fail(claim: Claim, error_code: str) -> None:
    claim.write(state=Answer.State.FAILED, error_code=error_code, finished_at=timezone.now())
    streams.publish(claim.answer_id, Failed(error_code))
    logger.warning("answer.failed", extra={"answer_id": claim.answer_id, "error_code": error_code})


def _still_askable(viewer: User, bases: list[KnowledgeBase]) -> list[KnowledgeBase]:
    visible = bases_of(viewer).in_bulk([base.pk for base in bases])
    return [visible[base.pk] for base in bases if base.pk in visible]


def _embedder() -> Embedder | None:
    try:
        return get_embedder()
    except ModelError:
        logger.warning("answer.embedder.unavailable")
        return None


def _chat_model(reasons: list[Reason]) -> ChatModel | None:
    try:
        return get_chat_model()
    except ModelError:
        logger.warning("answer.chat_model.unavailable")
        reasons.append("chat_model_unavailable")
        return None


def _name_of(embedder: Embedder | None) -> str:
    if embedder is None:
        return ""
    recipe = embedder.recipe
    return f"{recipe.model} {recipe.revision}".strip()[:300]
