"""Figures of sets that nobody measured, for the tests of what is made of figures."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from qa.figures import MEASURES, SINGLE, Figures
from qa.metrics import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPARED = ("cross_encoder", "reranked", "blended", "relevance_only")


def measured_set(name: str = "health", language: str = "en", **ndcg: Sequence[float]) -> Figures:
    """A set by its nDCG@10 per question; stages that are not given are those of ``reranked``."""
    values = {"lexical": (0.5, 0.6), "fused": (0.6, 0.7), "reranked": (0.8, 0.9)} | ndcg
    for stage in ("cross_encoder", "blended", "relevance_only"):
        values.setdefault(stage, values["reranked"])
    figures = Figures(
        set_name=name,
        language=language,
        questions=len(values["fused"]),
        stages={stage: dict.fromkeys(MEASURES, fmean(found)) for stage, found in values.items()},
        intervals={},
        milliseconds={"lexical": 1.84, "rerank": 550.0},
        reranked_questions=len(values["fused"]),
        meta={"commit": "abc123", "embedder": "MiniLM", "reranker": "mini"},
        ndcg={stage: tuple(found) for stage, found in values.items()},
    )
    against = {
        other: {
            stage: paired_bootstrap(figures.ndcg[other], figures.ndcg[stage], samples=100)
            for stage in COMPARED
        }
        for other in (*SINGLE, "fused")
        if other in values
    }
    intervals = against.pop("fused")
    return replace(figures, intervals=intervals, against=against)
