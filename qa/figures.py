"""The figures of an evaluation, and how they are written down: as JSON, as text, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from qa.metrics import Difference

MEASURES = ("ndcg@10", "recall@30", "mrr@10")
STAGES = ("dense", "lexical", "bm25s", "fused", "cross_encoder", "reranked", "blended")
"""In the order printed. ``bm25s`` is the library's own ranking, measured for comparison."""

_EXPLANATION = {
    "dense": "vector search alone",
    "lexical": "BM25 in Postgres alone",
    "bm25s": "the bm25s library on the same tokens, k1, b and chunks",
    "fused": "dense and lexical joined by reciprocal rank: the order without rerank",
    "cross_encoder": "the candidates by the cross-encoder's raw score",
    "reranked": "the candidates by calibrated relevance",
    "blended": "the final order: four factors with the default weights, after the floor",
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

    def to_json(self) -> dict[str, object]:
        """Stages by name at the top level, then ``intervals``, ``ms`` and ``meta``."""
        return {
            **{stage: dict(values) for stage, values in self.stages.items()},
            "intervals": {
                stage: {"mean": each.mean, "low": each.low, "high": each.high}
                for stage, each in self.intervals.items()
            },
            "ms": dict(self.milliseconds),
            "meta": {
                **self.meta,
                "set": self.set_name,
                "language": self.language,
                "queries": self.questions,
                "reranked_queries": self.reranked_questions,
            },
        }


def text_table(figures: Figures) -> str:
    """The figures of one set as lines for a terminal."""
    lines = [f"{figures.set_name}: {figures.questions} questions"]
    lines.append(
        f"{'':14}" + "".join(f"{measure:>11}" for measure in MEASURES) + "   against fused"
    )
    for stage in _stages_of(figures):
        values = figures.stages[stage]
        row = f"{stage:14}" + "".join(f"{values[measure]:11.4f}" for measure in MEASURES)
        interval = figures.intervals.get(stage)
        lines.append(row + (f"   {interval_text(interval)}" if interval else ""))
    steps = (f"{step} {value:.1f}" for step, value in figures.milliseconds.items())
    lines.append("ms per question (median): " + ", ".join(steps))
    if figures.reranked_questions < figures.questions:
        left = figures.questions - figures.reranked_questions
        lines.append(f"not reranked: {left} of {figures.questions} questions")
    return "\n".join(lines)


def interval_text(interval: Difference) -> str:
    """``+0.012 [-0.003, +0.027]``."""
    return f"{interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"


def markdown_report(measured: Sequence[Figures], *, command: str) -> str:
    """A document with every set's figures, losses too, and the means over the English sets."""
    first = measured[0].meta
    parts = [
        "# Evaluation",
        "",
        "Made by a command; do not edit by hand:",
        "",
        "```",
        command,
        "```",
        "",
        f"Commit {first.get('commit') or 'unknown'}; embedder {first.get('embedder') or 'none'}; "
        f"reranker {first.get('reranker') or 'none'}; seed {first.get('seed')}. Each set is loaded "
        "as a knowledge base of its own, asked through the product's own recall and ranking, and "
        "removed. A document's rank is that of its best passage. Intervals are 95% paired "
        "bootstrap intervals of nDCG@10 against `fused`.",
        "",
        *(
            f"- `{stage}`: {words}"
            for stage, words in _EXPLANATION.items()
            if _any(measured, stage)
        ),
        "",
        "## nDCG@10 by set",
        "",
        *_overview(measured),
    ]
    for figures in measured:
        parts += ["", f"## {figures.set_name}", "", *_set_section(figures)]
    return "\n".join(parts) + "\n"


def means(measured: Iterable[Figures], measure: str = "ndcg@10") -> dict[str, float]:
    """Mean of a measure over sets, for the stages that all of them have."""
    sets = list(measured)
    shared = [stage for stage in STAGES if sets and all(stage in each.stages for each in sets)]
    return {stage: fmean(each.stages[stage][measure] for each in sets) for stage in shared}


def _overview(measured: Sequence[Figures]) -> list[str]:
    stages = [stage for stage in STAGES if _any(measured, stage)]
    rows = [
        "| set | questions | " + " | ".join(stages) + " |",
        "|---|---:|" + "---:|" * len(stages),
    ]
    for each in measured:
        cells = (_cell(each.stages.get(stage, {}).get("ndcg@10")) for stage in stages)
        rows.append(f"| {each.set_name} | {each.questions} | " + " | ".join(cells) + " |")
    english = [each for each in measured if each.language == "en"]
    if len(english) > 1:
        mean = means(english)
        cells = (f"**{mean[stage]:.4f}**" if stage in mean else "" for stage in stages)
        total = sum(each.questions for each in english)
        rows.append(
            f"| **mean of {len(english)} English sets** | {total} | " + " | ".join(cells) + " |"
        )
    return rows


def _set_section(figures: Figures) -> list[str]:
    rows = [
        "| stage | " + " | ".join(MEASURES) + " | nDCG@10 against fused |",
        "|---|" + "---:|" * len(MEASURES) + "---|",
    ]
    for stage in _stages_of(figures):
        values = " | ".join(f"{figures.stages[stage][measure]:.4f}" for measure in MEASURES)
        interval = figures.intervals.get(stage)
        rows.append(f"| {stage} | {values} | {interval_text(interval) if interval else ''} |")
    steps = ", ".join(f"{step} {value:.1f}" for step, value in figures.milliseconds.items())
    rows += ["", f"Median milliseconds per question: {steps}."]
    if figures.reranked_questions < figures.questions:
        left = figures.questions - figures.reranked_questions
        rows.append(f"Not reranked, hence in fused order: {left} of {figures.questions} questions.")
    return rows


def _stages_of(figures: Figures) -> list[str]:
    return [stage for stage in STAGES if stage in figures.stages]


def _any(measured: Iterable[Figures], stage: str) -> bool:
    return any(stage in each.stages for each in measured)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
