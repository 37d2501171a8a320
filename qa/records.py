"""From what the pipeline computed to rows: the ranking, then the text with its citations."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from documents.models import Chunk
from qa.models import Answer, Citation, Question, RankedPassage
from qa.ranking import sources_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from qa.claims import Claim
    from qa.types import AnswerDraft, RankedCandidate, Ranking, Recalled

MAX_REASON = 120
"""Characters of a reason of personal fit, which may hold a word of the reader's."""


def save_ranking(
    claim: Claim,
    ranking: Ranking,
    recalled: Recalled,
    *,
    search_text: str,
    sources: int,
    configuration: Mapping[str, object],
    embedding_model: str,
) -> dict[int, int]:
    """Store every candidate with all its scores; returns chunk id -> passage row id.

    An earlier attempt's ranking is replaced. Raises ``ClaimLost``.
    """
    with transaction.atomic():
        claim.write(
            ranked_at=timezone.now(),
            heartbeat_at=timezone.now(),
            configuration={
                **configuration,
                # As used: the question may have raised one of those configured.
                "weights": asdict(ranking.weights),
                "configured_weights": configuration.get("weights"),
                "time_intent": ranking.time_intent,
                "time_words": ranking.time_words,
            },
            question_terms=[asdict(term) for term in recalled.question_terms],
            reasons=list(ranking.reasons),
            reranker=ranking.reranker,
            reranker_revision=ranking.reranker_revision,
            was_reranked=ranking.reranked,
            embedding_model=embedding_model,
            timings_ms=_rounded(ranking.timings_ms),
        )
        Question.objects.filter(answers=claim.answer_id).update(
            search_text=search_text, language=recalled.language[:8]
        )
        return _store_passages(claim.answer_id, ranking, sources)


def save_draft(
    claim: Claim,
    draft: AnswerDraft,
    state: Answer.State,
    *,
    passages: Mapping[int, int],
    first_token_at: datetime | None,
    extra_timings_ms: Mapping[str, float],
    error_code: str = "",
    reasons: Sequence[str] = (),
) -> None:
    """Store the finished text and its citations. Raises ``ClaimLost``."""
    with transaction.atomic():
        claim.write(
            state=state,
            text=draft.text.replace("\0", ""),
            no_evidence=draft.no_evidence,
            generator=draft.generator,
            reasons=list(dict.fromkeys([*draft.reasons, *reasons])),
            timings_ms=_rounded({**draft.timings_ms, **extra_timings_ms}),
            first_token_at=first_token_at,
            finished_at=timezone.now(),
            error_code=error_code,
        )
        Citation.objects.filter(answer=claim.answer_id).delete()
        Citation.objects.bulk_create(
            Citation(
                answer_id=claim.answer_id,
                passage_id=passages[citation.chunk_id],
                marker=citation.marker,
                sentence_index=citation.sentence_index,
                sentence=citation.sentence.replace("\0", ""),
                start=citation.start,
                end=citation.end,
                support=citation.support,
                verdict=citation.verdict,
            )
            for citation in draft.citations
        )


def _store_passages(answer_id: int, ranking: Ranking, sources: int) -> dict[int, int]:
    chosen = {each.passage.chunk_id for each in sources_of(ranking, sources)}
    wanted = [each.passage.chunk_id for each in ranking.candidates]
    # A passage may have been re-indexed since the search: what was ranked is kept without it. The
    # lock keeps the others until the commit; it stops nobody from reading or searching them.
    held = Chunk.objects.filter(pk__in=wanted).order_by("pk").select_for_update(no_key=True)
    present = set(held.values_list("pk", flat=True))
    RankedPassage.objects.filter(answer=answer_id).delete()
    rows = RankedPassage.objects.bulk_create(
        _row(
            answer_id,
            candidate,
            is_source=candidate.passage.chunk_id in chosen,
            has_chunk=candidate.passage.chunk_id in present,
        )
        for candidate in ranking.candidates
    )
    return {
        candidate.passage.chunk_id: row.pk
        for candidate, row in zip(ranking.candidates, rows, strict=True)
    }


def _row(
    answer_id: int, candidate: RankedCandidate, *, is_source: bool, has_chunk: bool
) -> RankedPassage:
    passage, factors = candidate.passage, candidate.factors
    return RankedPassage(
        answer_id=answer_id,
        chunk_id=passage.chunk_id if has_chunk else None,
        document_id=passage.document_id,
        version_id=passage.version_id,
        knowledge_base_id=passage.knowledge_base_id,
        title=passage.title[:300],
        heading_path=[heading[:300] for heading in passage.heading_path],
        text=passage.text,
        text_sha256=hashlib.sha256(passage.text.encode()).hexdigest(),
        start=passage.start,
        end=passage.end,
        page=passage.page,
        language=passage.language,
        effective_date=passage.effective_date,
        dense_rank=passage.dense_rank,
        lexical_rank=passage.lexical_rank,
        fused_rank=passage.fused_rank or candidate.final_rank,
        rerank_rank=candidate.rerank_rank,
        final_rank=candidate.final_rank,
        neutral_rank=candidate.neutral_rank or candidate.final_rank,
        cosine=passage.cosine,
        lexical_score=passage.lexical_score,
        lexical_share=passage.lexical_share,
        fused_score=passage.fused_score,
        rerank_score=candidate.rerank_score,
        relevance=factors.relevance,
        completeness=factors.completeness,
        readability=factors.readability,
        timeliness=factors.timeliness,
        personal_fit=candidate.fit_bonus,
        fit_reasons=[reason[:MAX_REASON] for reason in candidate.fit_reasons],
        fit_inputs=dict(candidate.fit_inputs),
        factor_inputs={name: dict(inputs) for name, inputs in factors.inputs.items()},
        final_score=candidate.final_score,
        above_floor=candidate.above_floor,
        is_source=is_source,
    )


def _rounded(timings_ms: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in timings_ms.items()}
