"""The figures of an evaluation as values, as JSON, and as lines for a terminal. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING

from qa.metrics import ndcg_at_k, paired_bootstrap, recall_at_k, reciprocal_rank_at_k

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qa.metrics import Difference

MEASURES = ("ndcg@10", "recall@30", "mrr@10")
STAGES = (
    "dense",
    "lexical",
    "bm25s",
    "fused",
    "cross_encoder",
    "reranked",
    "blended",
    "relevance_only",
)
"""In the order printed. ``bm25s`` is the library's own ranking, measured for comparison."""

BASELINE = "fused"
COMPARED = ("cross_encoder", "reranked", "blended", "relevance_only")
"""What is held against the baseline, question by question."""

SINGLE = ("dense", "lexical")
FIRST = (*SINGLE, "fused")
"""What the first stage offers without a cross-encoder; ``SINGLE`` is one search alone."""

EXPLANATION = {
    "dense": "vector search alone",
    "lexical": "BM25 in Postgres alone",
    "bm25s": "the bm25s library on the same tokens, k1, b and chunks",
    "fused": "dense and lexical joined by reciprocal rank: the order without rerank",
    "cross_encoder": "the candidates by the cross-encoder's raw score",
    "reranked": "the candidates by calibrated relevance",
    "blended": 'the final order: four factors by the weights of "balanced", after the floor',
    "relevance_only": 'the final order with the preset "relevance only"',
}


@dataclass(frozen=True, slots=True)
class Figures:
    """One set, measured. A stage that did not run for any question is absent."""

    set_name: str
    language: str
    """Of most questions, ISO 639-1; ``""`` when it cannot be told."""
    questions: int
    stages: Mapping[str, Mapping[str, float]]
    """Stage -> measure -> mean over the questions, in [0, 1]."""
    intervals: Mapping[str, Difference]
    """Stage -> nDCG@10 minus that of ``fused``, with a 95% interval."""
    milliseconds: Mapping[str, float]
    """Step -> median over the questions."""
    reranked_questions: int
    """Questions for which the cross-encoder ran; for the others its stages keep the fused order."""
    meta: Mapping[str, object]
    over_time: int = 0
    """Questions whose rerank took longer than the product would wait, which would then have shown
    the fused order. They are waited for here: quality must not depend on what else is running."""
    ndcg: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Stage -> nDCG@10 of each question, in one order for all stages, so that they pair."""
    against: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict)
    """Another stage -> stage -> nDCG@10 minus that of the other stage, with a 95% interval."""

    def best_of(self, stages: Sequence[str]) -> str:
        """The stage of the highest mean nDCG@10 among ``stages`` that ran; ``""`` if none did.

        Chosen after the fact on the very questions it is compared on, which flatters it.
        """
        ran = [stage for stage in stages if stage in self.stages]
        return max(ran, key=lambda stage: self.stages[stage]["ndcg@10"], default="")

    def to_json(self) -> dict[str, object]:
        """Stages by name at the top level, then intervals, ``ms`` and ``meta``."""
        return {
            **{stage: dict(values) for stage, values in self.stages.items()},
            "intervals": _differences(self.intervals),
            "against": {other: _differences(found) for other, found in self.against.items()},
            "ms": dict(self.milliseconds),
            "meta": {
                **self.meta,
                "set": self.set_name,
                "language": self.language,
                "queries": self.questions,
                "reranked_queries": self.reranked_questions,
                "over_time_queries": self.over_time,
            },
        }


def measures_of(order: Sequence[str], grades: Mapping[str, float]) -> dict[str, float]:
    """Each of ``MEASURES`` of one question's documents, in the order given."""
    return {
        "ndcg@10": ndcg_at_k(order, grades, 10),
        "recall@30": recall_at_k(order, grades, 30),
        "mrr@10": reciprocal_rank_at_k(order, grades, 10),
    }


def compared(figures: Figures, *, seed: int) -> Figures:
    """The figures with their intervals: paired bootstraps over ``figures.ndcg``, by ``seed``."""

    def against(baseline: str) -> dict[str, Difference]:
        values = figures.ndcg
        return {s: paired_bootstrap(values[baseline], values[s], seed=seed) for s in COMPARED}

    return replace(
        figures,
        intervals=against(BASELINE),
        against={stage: against(stage) for stage in SINGLE if stage in figures.ndcg},
    )


def text_table(figures: Figures) -> str:
    """The figures of one set as lines for a terminal."""
    lines = [f"{figures.set_name}: {figures.questions} questions"]
    lines.append(
        f"{'':14}" + "".join(f"{measure:>11}" for measure in MEASURES) + "   against fused"
    )
    for stage in stages_of(figures):
        values = figures.stages[stage]
        row = f"{stage:14}" + "".join(f"{values[measure]:11.4f}" for measure in MEASURES)
        interval = figures.intervals.get(stage)
        lines.append(row + (f"   {interval_text(interval)}" if interval else ""))
    steps = (f"{step} {value:.1f}" for step, value in figures.milliseconds.items())
    lines.append("ms per question (median): " + ", ".join(steps))
    if figures.reranked_questions < figures.questions:
        left = figures.questions - figures.reranked_questions
        lines.append(f"not reranked: {left} of {figures.questions} questions")
    if figures.over_time:
        lines.append(f"over the time limit: {figures.over_time} of {figures.questions} questions")
    return "\n".join(lines)


def interval_text(interval: Difference) -> str:
    """``+0.012 [-0.003, +0.027]``."""
    return f"{interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"


def means(measured: Iterable[Figures], measure: str = "ndcg@10") -> dict[str, float]:
    """Mean of a measure over sets, for the stages that all of them have."""
    sets = list(measured)
    shared = [stage for stage in STAGES if sets and all(stage in each.stages for each in sets)]
    return {stage: fmean(each.stages[stage][measure] for each in sets) for stage in shared}


def stages_of(figures: Figures) -> list[str]:
    """Those that ran, in the order printed."""
    return [stage for stage in STAGES if stage in figures.stages]


def _differences(found: Mapping[str, Difference]) -> dict[str, dict[str, float]]:
    return {
        stage: {"mean": each.mean, "low": each.low, "high": each.high}
        for stage, each in found.items()
    }
