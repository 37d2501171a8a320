"""One question from beginning to end. Knows no framework, no database and no queue.

    recall -> rank -> (save) -> enough evidence? -> generate -> cite

The caller brings what touches the world (retriever, models, clock, stop flag) and gets events as
they happen; the finished answer is the generator's return value, see ``drive``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from qa.citations import cite
from qa.events import Event, Ranked, Stage, Stopped
from qa.fit import NO_HABITS
from qa.fit import apply as fit_to
from qa.generate import generate
from qa.prompts import standalone_question
from qa.ranking import rank, sources_of
from qa.types import AnswerDraft

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from datetime import date

    from inference.ports import ChatMessage, ChatModel, Reranker
    from qa.fit import Habits
    from qa.types import PipelineConfig, Ranking, Reason, Recalled


class Retriever(Protocol):
    """Finds what the viewer may read: permission is settled before it returns anything."""

    def recall(self, question: str, limit: int) -> Recalled:
        """At most ``limit`` passages for ``question``, fused, best first."""
        ...


def answer(
    question: str,
    history: Sequence[ChatMessage],
    *,
    retriever: Retriever,
    reranker: Reranker | None,
    chat_model: ChatModel | None,
    config: PipelineConfig,
    today: date,
    on_ranked: Callable[[Ranking], None],
    habits: Habits = NO_HABITS,
    should_stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Event, None, AnswerDraft]:
    """Answer ``question``; yields ``Stage``, ``Ranked``, ``Token`` and perhaps ``Stopped``.

    ``history`` holds earlier questions and answers, oldest first, without this question. The
    search and the reranker get ``standalone_question(history, question)``. ``habits`` are those of
    a reader who agreed; without them the order is neutral. ``on_ranked`` is called once with the
    ranking before anything is generated, and before the ``Ranked`` event, so that a
    crash in generation loses no ranking; it is not called when the reader stops before. When
    ``Stopped`` is yielded it is the last event, and the draft holds what came until then. ``Done``
    and ``Failed`` are the caller's to publish, once the draft is saved. No ``ModelError`` leaves
    this function but one that ``retriever`` raises.
    """
    started = clock()
    search_question = standalone_question(history, question)
    yield Stage("recall")
    if should_stop():
        return (yield from _stopped_before_writing((), {}))
    recalled = retriever.recall(search_question, config.candidates)
    recall_ms = (clock() - started) * 1000
    yield Stage("rank")
    if should_stop():
        return (yield from _stopped_before_writing(recalled.reasons, recalled.timings_ms))
    ranking = rank(
        search_question, recalled, reranker=reranker, config=config, today=today, clock=clock
    )
    ranking = fit_to(ranking, habits, recalled.question_terms)
    on_ranked(ranking)
    yield Ranked(_summary(ranking, config))
    timings_ms = {**ranking.timings_ms, "recall": recall_ms}
    if should_stop():
        return (yield from _stopped_before_writing(ranking.reasons, timings_ms))
    draft = yield from _write(
        question,
        history,
        ranking,
        recalled,
        chat_model=chat_model,
        config=config,
        should_stop=should_stop,
        clock=clock,
        timings_ms=timings_ms,
    )
    return draft


def drive(
    run: Generator[Event, None, AnswerDraft], on_event: Callable[[Event], None]
) -> AnswerDraft:
    """Run ``answer`` to its end, hand each event on, and return the draft."""
    while True:
        try:
            event = next(run)
        except StopIteration as end:
            draft: AnswerDraft = end.value
            return draft
        on_event(event)


def _write(
    question: str,
    history: Sequence[ChatMessage],
    ranking: Ranking,
    recalled: Recalled,
    *,
    chat_model: ChatModel | None,
    config: PipelineConfig,
    should_stop: Callable[[], bool],
    clock: Callable[[], float],
    timings_ms: dict[str, float],
) -> Generator[Event, None, AnswerDraft]:
    sources = sources_of(ranking, config.sources)
    if not sources:
        return _no_evidence(ranking.reasons, timings_ms)
    yield Stage("generate")
    writing_from = clock()
    written = yield from generate(
        question,
        history,
        sources,
        question_terms=recalled.question_terms,
        chat_model=chat_model,
        config=config,
        should_stop=should_stop,
        clock=clock,
    )
    timings_ms["generate"] = (clock() - writing_from) * 1000
    if written.first_token_ms is not None:
        timings_ms["first_token"] = written.first_token_ms
    reasons = (*ranking.reasons, *written.reasons)
    if not written.text and not written.stopped:
        # Relevant passages, but no statement in them that can stand in an answer.
        return _no_evidence(reasons, timings_ms)
    if not written.stopped:
        yield Stage("cite")
    citing_from = clock()
    cited = cite(
        written.text,
        [each.passage for each in sources[: written.source_count]],
        {term.token: term.idf for term in recalled.question_terms},
    )
    timings_ms["cite"] = (clock() - citing_from) * 1000
    if written.stopped:
        yield Stopped()
    return AnswerDraft(
        text=cited.text,
        citations=cited.citations,
        generator=written.generator,
        reasons=reasons,
        timings_ms=timings_ms,
    )


def _no_evidence(reasons: Sequence[Reason], timings_ms: Mapping[str, float]) -> AnswerDraft:
    """No words of ours: the page says it in the reader's language and shows what came nearest."""
    return AnswerDraft(
        text="",
        citations=(),
        generator="",
        no_evidence=True,
        reasons=(*reasons, "no_evidence"),
        timings_ms=timings_ms,
    )


def _stopped_before_writing(
    reasons: Sequence[Reason], timings_ms: Mapping[str, float]
) -> Generator[Event, None, AnswerDraft]:
    yield Stopped()
    return AnswerDraft(
        text="", citations=(), generator="", reasons=tuple(reasons), timings_ms=timings_ms
    )


def _summary(ranking: Ranking, config: PipelineConfig) -> dict[str, object]:
    """Ids and counts for the ``Ranked`` event; whoever shows text asks for permission again."""
    return {
        "candidates": len(ranking.candidates),
        "above_floor": sum(each.above_floor for each in ranking.candidates),
        "sources": [each.passage.chunk_id for each in sources_of(ranking, config.sources)],
        "reranked": ranking.reranked,
        "reasons": list(ranking.reasons),
        "timings_ms": dict(ranking.timings_ms),
    }
