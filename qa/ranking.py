"""From recalled candidates to the final order: rerank where possible, score, explain.

A reranker that is off, cannot read the question, fails or is too slow leaves the fused order as it
was, with the reason beside it. The factors are computed all the same, so that the page can show
them, but without a cross-encoder they change no rank.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from documents.readability import reading_words
from inference.coverage import can_read
from inference.errors import (
    InvalidModelResponse,
    ModelBusy,
    ModelError,
    ModelKeyMissing,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
)
from inference.formatting import format_passage
from qa.aspects import asked_aspects
from qa.relevance import evidence, relevance
from qa.scoring import (
    blend,
    completeness,
    is_above_floor,
    readability,
    timeliness,
    weights_for,
)
from qa.time_intent import NO_WISH, time_intent
from qa.types import Factors, RankedCandidate, Ranking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from inference.ports import Reranker, RerankerCard
    from qa.aspects import Asked
    from qa.time_intent import TimeIntent
    from qa.types import Passage, PipelineConfig, Reason, Recalled


TRIED: frozenset[Reason] = frozenset(
    {
        "rerank_timeout",
        "rerank_busy",
        "rerank_unavailable",
        "rerank_invalid",
        "rerank_rate_limited",
        "rerank_refused",
    }
)
"""Reasons of a reranker that was asked, or would have been, and gave nothing of use."""


class _Scores(NamedTuple):
    """What the cross-encoder said, or why it said nothing. One score per passage when it ran."""

    values: list[float] | None
    reason: Reason


class _Asked(NamedTuple):
    """What is the same for all candidates of one question."""

    recalled: Recalled
    aspects: tuple[Asked, ...]
    intent: TimeIntent
    card: RerankerCard | None
    config: PipelineConfig
    """With the weights as raised by ``intent``."""
    today: date


def rank(
    question: str,
    recalled: Recalled,
    *,
    reranker: Reranker | None,
    config: PipelineConfig,
    today: date,
    clock: Callable[[], float] = time.monotonic,
) -> Ranking:
    """Rank the first ``config.candidates`` recalled passages; the rest is left out.

    With cross-encoder scores: passages whose evidence reaches the floor first, then by final score;
    ties keep the fused order. Without: the fused order. A question for the newest, or for a year,
    raises the weight of timeliness (``time_intent``) unless the configuration does not follow it.
    Never raises ``ModelError``.
    """
    passages = recalled.passages[: config.candidates]
    started = clock()
    scores = _rerank(question, passages, recalled.language, reranker, config)
    reranked_at = clock()
    card = reranker.card if reranker is not None and scores.values is not None else None
    intent = time_intent(question, today) if config.follow_time else NO_WISH
    weights = weights_for(intent, config.weights)
    asked = _Asked(
        recalled,
        asked_aspects(question),
        intent,
        card,
        replace(config, weights=weights),
        today,
    )
    candidates = [
        _candidate(passage, scores.values[index] if scores.values is not None else None, asked)
        for index, passage in enumerate(passages)
    ]
    ordered = _in_final_order(candidates) if scores.values is not None else tuple(candidates)
    timings_ms = {**recalled.timings_ms, "score": (clock() - reranked_at) * 1000}
    if scores.values is not None or scores.reason in TRIED:
        timings_ms["rerank"] = (reranked_at - started) * 1000
    return Ranking(
        candidates=tuple(
            replace(each, final_rank=rank) for rank, each in enumerate(ordered, start=1)
        ),
        weights=weights,
        floor=config.floor,
        reranked=scores.values is not None,
        reranker=card.name if card is not None else "",
        reranker_revision=card.revision if card is not None else "",
        reasons=(*recalled.reasons, *((scores.reason,) if scores.reason else ())),
        timings_ms=timings_ms,
        time_intent=intent.label,
        time_words=intent.words,
    )


def sources_of(ranking: Ranking, limit: int) -> tuple[RankedCandidate, ...]:
    """What an answer may draw on: the first ``limit`` candidates above the floor.

    Source ``n`` of an answer, the one that ``[n]`` cites, is item ``n - 1`` of this.
    """
    return tuple(each for each in ranking.candidates if each.above_floor)[:limit]


def _rerank(
    question: str,
    passages: Sequence[Passage],
    language: str,
    reranker: Reranker | None,
    config: PipelineConfig,
) -> _Scores:
    if not config.rerank:
        return _Scores(None, "rerank_off")
    if not passages:
        return _Scores(None, "")
    if reranker is None:
        return _Scores(None, "rerank_unavailable")
    try:
        if not can_read(reranker, reranker.card.languages, question, language):
            return _Scores(None, "rerank_language")
        texts = [format_passage(each.title, each.heading_path, each.text) for each in passages]
        values = reranker.score(question, texts, time_limit_s=config.rerank_time_limit_s)
    except ModelTimeout:
        return _Scores(None, "rerank_timeout")
    except ModelBusy:
        return _Scores(None, "rerank_busy")
    except InvalidModelResponse:
        return _Scores(None, "rerank_invalid")
    except ModelRateLimited:
        return _Scores(None, "rerank_rate_limited")
    except (ModelRefused, ModelKeyMissing):
        return _Scores(None, "rerank_refused")
    except ModelError:
        return _Scores(None, "rerank_unavailable")
    # The port promises this; a server behind an adapter may still break the promise.
    if len(values) != len(passages) or not all(math.isfinite(value) for value in values):
        return _Scores(None, "rerank_invalid")
    return _Scores([float(value) for value in values], "")


def _candidate(
    passage: Passage,
    rerank_score: float | None,
    asked: _Asked,
) -> RankedCandidate:
    evident, evidence_inputs = evidence(
        asked.card,
        rerank=rerank_score,
        cosine=passage.cosine,
        lexical=passage.lexical_share,
        language=asked.recalled.language,
    )
    factors = _factors(passage, rerank_score, asked)
    inputs = {**factors.inputs, "evidence": {"value": evident, **evidence_inputs}}
    return RankedCandidate(
        passage=passage,
        rerank_score=rerank_score,
        rerank_rank=None,
        factors=replace(factors, inputs=inputs),
        final_score=blend(factors, asked.config.weights),
        final_rank=0,
        above_floor=is_above_floor(evident, asked.config.floor),
    )


def _factors(
    passage: Passage,
    rerank_score: float | None,
    asked: _Asked,
) -> Factors:
    # Title and headings say what a passage is about, and the cross-encoder reads them too.
    full_text = format_passage(passage.title, passage.heading_path, passage.text)
    relevant, relevance_inputs = relevance(
        asked.card,
        rerank=rerank_score,
        cosine=passage.cosine,
        lexical=passage.lexical_share,
        fused_rank=passage.fused_rank,
        language=asked.recalled.language,
    )
    complete, completeness_inputs = completeness(
        asked.recalled.question_terms, full_text, asked.aspects
    )
    readable, readability_inputs = readability(
        passage.readability, passage.readability_inputs, reading_words(passage.text)
    )
    timely, timeliness_inputs = timeliness(
        passage.effective_date,
        passage.expires_at,
        superseded=passage.superseded,
        half_life_days=asked.config.half_life_days,
        today=asked.today,
        year=asked.intent.year,
    )
    return Factors(
        relevance=relevant,
        completeness=complete,
        readability=readable,
        timeliness=timely,
        inputs={
            "relevance": relevance_inputs,
            "completeness": completeness_inputs,
            "readability": readability_inputs,
            "timeliness": timeliness_inputs,
        },
    )


def _in_final_order(candidates: Sequence[RankedCandidate]) -> tuple[RankedCandidate, ...]:
    """Give each its rerank rank, then sort; Python's sort keeps the fused order among equals."""
    by_relevance = sorted(
        range(len(candidates)),
        key=lambda index: (
            -candidates[index].factors.relevance,
            -(candidates[index].rerank_score or 0.0),
        ),
    )
    rerank_ranks = {index: rank for rank, index in enumerate(by_relevance, start=1)}
    ranked = [
        replace(candidate, rerank_rank=rerank_ranks[index])
        for index, candidate in enumerate(candidates)
    ]
    return tuple(sorted(ranked, key=lambda each: (not each.above_floor, -each.final_score)))
