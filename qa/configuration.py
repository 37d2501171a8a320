"""How an answer is made: read from the knowledge bases asked, once, and stored with it whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from qa.scoring import PRESETS
from qa.types import NO_WISHES, FactorWeights, PipelineConfig, Wishes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from documents.models import KnowledgeBase
    from qa.models import RerankerProfile


def pipeline_config(
    knowledge_bases: Sequence[KnowledgeBase],
    profile: RerankerProfile | None,
    *,
    with_rerank: bool = True,
    wishes: Wishes = NO_WISHES,
) -> PipelineConfig:
    """The configuration of the first knowledge base, with the strictest floor of all of them.

    The reranker's profile limits its time and its candidates; the asker's wishes go before the
    weights of the knowledge base. At least one knowledge base.
    """
    first = knowledge_bases[0]
    weights = FactorWeights(
        relevance=first.relevance_weight,
        completeness=first.completeness_weight,
        readability=first.readability_weight,
        timeliness=first.timeliness_weight,
    )
    has_weight = any(asdict(weights).values())
    rerank = with_rerank and first.rerank_enabled
    candidates = first.candidates
    if rerank and profile is not None:
        candidates = min(candidates, profile.candidates)
    return PipelineConfig(
        candidates=candidates,
        sources=first.sources,
        rerank=rerank,
        rerank_time_limit_s=profile.time_limit_ms / 1000 if profile is not None else 10.0,
        # All weights 0 means nothing; the blend refuses it, so the balanced weights stand in.
        weights=PRESETS.get(wishes.preset, weights if has_weight else FactorWeights()),
        follow_time=wishes.follow_time,
        floor=max(base.relevance_floor for base in knowledge_bases),
        half_life_days=first.half_life_days,
    )


def stored_form(
    config: PipelineConfig,
    knowledge_bases: Sequence[KnowledgeBase],
    profile: RerankerProfile | None,
    wishes: Wishes = NO_WISHES,
) -> dict[str, object]:
    """Ready for JSON: everything needed to make the answer again."""
    return {
        **asdict(config),
        "wishes": asdict(wishes),
        "knowledge_bases": [base.pk for base in knowledge_bases],
        "reranker_profile": profile.name if profile is not None else "",
        "generations": {
            str(base.pk): base.active_generation_id
            for base in knowledge_bases
            if base.active_generation_id is not None
        },
    }


def wishes_of(configuration: Mapping[str, object]) -> Wishes:
    """What the asker wanted of an answer stored like this; unknown presets are none."""
    stored = configuration.get("wishes")
    if not isinstance(stored, dict):
        return NO_WISHES
    preset = stored.get("preset", "")
    return Wishes(
        follow_time=stored.get("follow_time") is not False,
        preset=preset if preset in PRESETS else "",
    )
