"""Ranks the candidates of a dump again, under another calibration or other weights. Pure.

By the product's own functions, so that what comes out is what the product would have done; only
the models stay out of it. Orders are of the candidates alone, where ``fused`` in an evaluation
ranks all that recall found: below the tenth document the two may differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.metrics import ndcg_at_k
from qa.relevance import evidence, relevance
from qa.scoring import PRESETS, blend, is_above_floor
from qa.types import Factors, PipelineConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from inference.ports import RerankerCard
    from qa.score_dumps import ScoredQuestion
    from qa.types import FactorWeights

FLOOR = PipelineConfig().floor
REPLAYED = ("fused", "cross_encoder", "reranked", "blended", "relevance_only")


def relevances(question: ScoredQuestion, card: RerankerCard | None) -> list[float]:
    """Each candidate's relevance under ``card``'s calibrations; ``None`` takes the stored ones."""
    if card is None:
        return list(question.relevance)
    used = card if question.reranked else None
    return [
        relevance(
            used,
            rerank=rerank,
            cosine=cosine,
            lexical=lexical,
            fused_rank=fused_rank,
            language=question.language,
        )[0]
        for fused_rank, (rerank, cosine, lexical) in enumerate(
            zip(question.rerank, question.cosine, question.lexical, strict=True), start=1
        )
    ]


def evidences(question: ScoredQuestion, card: RerankerCard | None) -> list[float]:
    """What each candidate's ``relevance`` is without its place; see ``relevances``."""
    if card is None:
        return list(question.evidence)
    used = card if question.reranked else None
    return [
        evidence(used, rerank=rerank, cosine=cosine, lexical=lexical, language=question.language)[0]
        for rerank, cosine, lexical in zip(
            question.rerank, question.cosine, question.lexical, strict=True
        )
    ]


def orders(
    question: ScoredQuestion,
    card: RerankerCard | None = None,
    *,
    weights: FactorWeights = PRESETS["balanced"],
    floor: float = FLOOR,
) -> dict[str, list[int]]:
    """Stage -> candidates by their place in fused order, best first, under ``card``'s calibrations.

    Without scores of a cross-encoder every stage keeps the fused order, as in the product.
    """
    fused = list(range(len(question.documents)))
    if not question.reranked:
        return dict.fromkeys(REPLAYED, fused)
    raw = [score or 0.0 for score in question.rerank]
    relevant = relevances(question, card)
    admitted = [is_above_floor(each, floor) for each in evidences(question, card)]
    return {
        "fused": fused,
        "cross_encoder": sorted(fused, key=lambda i: -raw[i]),
        "reranked": sorted(fused, key=lambda i: (-relevant[i], -raw[i])),
        "blended": _blended(question, relevant, admitted, weights),
        "relevance_only": _blended(question, relevant, admitted, PRESETS["relevance_only"]),
    }


def replay(
    questions: Iterable[ScoredQuestion],
    card: RerankerCard | None = None,
    *,
    weights: FactorWeights = PRESETS["balanced"],
    floor: float = FLOOR,
) -> dict[str, list[float]]:
    """Stage -> nDCG@10 of each question, under ``card``'s calibrations (see ``relevances``)."""
    values: dict[str, list[float]] = {stage: [] for stage in REPLAYED}
    for question in questions:
        found = orders(question, card, weights=weights, floor=floor)
        for stage, order in found.items():
            values[stage].append(_ndcg(question.documents, question.grades, order))
    return values


def _ndcg(documents: Sequence[str], grades: Mapping[str, float], order: Sequence[int]) -> float:
    return ndcg_at_k([documents[i] for i in order], grades, 10)


def _blended(
    question: ScoredQuestion,
    relevant: Sequence[float],
    admitted: Sequence[bool],
    weights: FactorWeights,
) -> list[int]:
    scores = [
        blend(Factors(*factors), weights)
        for factors in zip(
            relevant,
            question.completeness,
            question.readability,
            question.timeliness,
            strict=True,
        )
    ]
    return sorted(range(len(scores)), key=lambda i: (not admitted[i], -scores[i]))
