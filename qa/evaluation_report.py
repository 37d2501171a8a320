"""An evaluation written down as Markdown: every set, losses too, and the figures to reach. Pure."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from qa.figures import EXPLANATION, FIRST, MEASURES, STAGES, interval_text, means, stages_of
from qa.first_sources import count_verdicts, counts_section
from qa.metrics import mean_difference, mean_loss_ratio
from qa.recommendation import MATERIAL, recommend
from qa.targets import best_first, best_single, dense, fused, lexical, pairs, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from qa.figures import Figures
    from qa.first_sources import FirstSources
    from qa.metrics import Difference
    from qa.recommendation import Because
    from qa.targets import Verdict

LANGUAGES = {"en": "English", "zh": "Chinese"}

_BASELINES: Sequence[tuple[str, Callable[[Figures], str]]] = (
    ("dense", dense),
    ("lexical", lexical),
    ("fused", fused),
    ("best single search", best_single),
    ("best first stage", best_first),
)

_BECAUSE: dict[Because, str] = {
    "gains": "",
    "balanced_loses": "the blend is below the fused order",
    "balanced_costs": f"the blend costs at least {MATERIAL} against relevance alone",
    "no_gain": "no preset is above the fused order",
    "not_reranked": "the reranker does not read these questions",
}


def markdown_report(
    measured: Sequence[Figures], *, command: str, counted: Sequence[FirstSources] = ()
) -> str:
    """The whole document. ``counted`` are the first sources of the sample questions."""
    reached = [*verdicts(measured), *(each for found in counted for each in count_verdicts(found))]
    parts = [*_head(measured, command), *_verdict_table(reached)]
    parts += ["", "## nDCG@10 by set", "", *_overview(measured)]
    parts += ["", "## What rerank is worth", "", *_worth(measured)]
    parts += ["", "## The blend, and the preset to choose", "", *_blend(measured)]
    for found in counted:
        parts += ["", *counts_section(found)]
    for figures in measured:
        parts += ["", f"## {figures.set_name}", "", *_set_section(figures)]
    return "\n".join(parts) + "\n"


def _verdict_table(found: Sequence[Verdict]) -> list[str]:
    """Lines of a section, empty when there is nothing to hold against a target."""
    if not found:
        return []
    rows = [
        f"| {each.figure} | {each.target} | {each.measured} | "
        f"{'reached' if each.reached else '**not reached**'} |"
        for each in found
    ]
    return [
        "",
        "## Figures to reach",
        "",
        "| figure | target | measured | |",
        "|---|---|---|---|",
        *rows,
    ]


def _head(measured: Sequence[Figures], command: str) -> list[str]:
    first = measured[0].meta
    commits = list(dict.fromkeys(str(each.meta.get("commit") or "unknown") for each in measured))
    models = list(dict.fromkeys(str(each.meta.get("reranker") or "none") for each in measured))
    sampled = [each.set_name for each in measured if each.meta.get("sampled")]
    return [
        "# Evaluation",
        "",
        "Made by a command; do not edit by hand:",
        "",
        "```",
        command,
        "```",
        "",
        f"Commit {', '.join(commits)}; embedder {first.get('embedder') or 'none'}; reranker "
        f"{', '.join(models)}; seed {first.get('seed')}; the first {first.get('candidates')} fused "
        "candidates are reranked. Each set is loaded as a knowledge base of its own, asked through "
        "the product's own recall and ranking, and removed. A document's rank is that of its best "
        "passage. Intervals are 95% paired bootstrap intervals of nDCG@10; those of means over "
        "sets draw the questions inside each set, and every set counts alike. "
        + (
            f"Only a sample of the questions was asked of {', '.join(sampled)}; the figures to "
            "reach are meant for all of them."
            if sampled
            else "All questions of each set were asked."
        ),
        "",
        *(f"- `{name}`: {words}" for name, words in EXPLANATION.items() if _any(measured, name)),
    ]


def _overview(measured: Sequence[Figures]) -> list[str]:
    stages = [stage for stage in STAGES if _any(measured, stage)]
    rows = [
        "| set | questions | " + " | ".join(stages) + " |",
        "|---|---:|" + "---:|" * len(stages),
    ]
    for each in measured:
        cells = (_cell(each.stages.get(stage, {}).get("ndcg@10")) for stage in stages)
        rows.append(f"| {each.set_name} | {each.questions} | " + " | ".join(cells) + " |")
    for words, sets in _by_language(measured):
        mean = means(sets)
        cells = (f"**{mean[stage]:.4f}**" if stage in mean else "" for stage in stages)
        total = sum(each.questions for each in sets)
        rows.append(
            f"| **mean of {len(sets)} {words} sets** | {total} | " + " | ".join(cells) + " |"
        )
    return rows


def _worth(measured: Sequence[Figures]) -> list[str]:
    """``reranked`` against each baseline, per set and as a mean of each language."""
    rows = [
        "nDCG@10 of `reranked` minus that of each first stage. The best single search is the "
        "better of `dense` and `lexical`, the best first stage the best of these and `fused`; each "
        "is chosen per set on the same questions, which flatters it. Where there is no dense "
        "search, `lexical` is all of them.",
        "",
        "| set | " + " | ".join(words for words, _ in _BASELINES) + " |",
        "|---|" + "---|" * len(_BASELINES),
    ]
    for each in measured:
        cells = (_against(each, baseline(each)) for _, baseline in _BASELINES)
        rows.append(f"| {each.set_name} | " + " | ".join(cells) + " |")
    for words, sets in _by_language(measured):
        if all(each.ndcg for each in sets):
            cells = (_mean_against(sets, baseline) for _, baseline in _BASELINES)
            rows.append(f"| **mean of {len(sets)} {words} sets** | " + " | ".join(cells) + " |")
    return rows + _losses(measured)


def _mean_against(sets: Sequence[Figures], baseline: Callable[[Figures], str]) -> str:
    if any(baseline(each) not in each.ndcg for each in sets):
        return ""
    return f"**{interval_text(mean_difference(pairs(sets, baseline, 'reranked')))}**"


def _losses(measured: Sequence[Figures]) -> list[str]:
    """What is left to gain, as a share of what lexical search leaves, for each language."""
    lines: list[str] = []
    for words, sets in _by_language(measured):
        if all(each.ndcg for each in sets):
            ratio = mean_loss_ratio(pairs(sets, lexical, "reranked"))
            before = fmean(1 - fmean(each.ndcg["lexical"]) for each in sets)
            after = fmean(1 - fmean(each.ndcg["reranked"]) for each in sets)
            lines += [
                "",
                f"{words}: the mean of 1 - nDCG@10 is {after:.4f} after rerank and {before:.4f} "
                f"by lexical search alone, a ratio of {ratio.value:.3f} "
                f"[{ratio.low:.3f}, {ratio.high:.3f}].",
            ]
    return lines


def _blend(measured: Sequence[Figures]) -> list[str]:
    rows = [
        "The judges of these sets looked at relevance alone, so readability and timeliness can "
        'only cost here; what "balanced" buys is counted on the sample questions.',
        "",
        "| set | balanced against fused | against relevance only | recommended | because |",
        "|---|---|---|---|---|",
    ]
    for each in measured:
        if "relevance_only" not in each.ndcg:
            continue
        advice = recommend(each.ndcg, reranked=each.reranked_questions > 0)
        cost = mean_difference([(each.ndcg["relevance_only"], each.ndcg["blended"])])
        rows.append(
            f"| {each.set_name} | {_against(each, 'fused', 'blended')} | {interval_text(cost)} | "
            f"{advice.preset.replace('_', ' ')} | {_BECAUSE[advice.because]} |"
        )
    for words, sets in _by_language(measured):
        if all("relevance_only" in each.ndcg for each in sets):
            over_fused = mean_difference(pairs(sets, fused, "blended"))
            cost = mean_difference(pairs(sets, lambda _: "relevance_only", "blended"))
            rows.append(
                f"| **mean of {len(sets)} {words} sets** | **{interval_text(over_fused)}** | "
                f"**{interval_text(cost)}** | | |"
            )
    return rows


def _set_section(figures: Figures) -> list[str]:
    baseline = figures.best_of(FIRST)
    rows = [
        "| stage | "
        + " | ".join(MEASURES)
        + f" | nDCG@10 against fused | against {baseline}, the best first stage |",
        "|---|" + "---:|" * len(MEASURES) + "---|---|",
    ]
    for stage in stages_of(figures):
        values = " | ".join(f"{figures.stages[stage][measure]:.4f}" for measure in MEASURES)
        against = [
            interval_text(found[stage]) if stage in found else ""
            for found in (figures.intervals, _found_against(figures, baseline))
        ]
        rows.append(f"| {stage} | {values} | {' | '.join(against)} |")
    steps = ", ".join(f"{step} {value:.1f}" for step, value in figures.milliseconds.items())
    rows += ["", f"Median milliseconds per question: {steps}."]
    if figures.reranked_questions < figures.questions:
        left = figures.questions - figures.reranked_questions
        rows.append(f"Not reranked, hence in fused order: {left} of {figures.questions} questions.")
    if figures.over_time:
        rows.append(
            f"Reranked in more than the time limit, which is waited for here and not in the "
            f"product: {figures.over_time} of {figures.questions} questions."
        )
    return rows


def _found_against(figures: Figures, baseline: str) -> Mapping[str, Difference]:
    return figures.intervals if baseline == "fused" else figures.against.get(baseline, {})


def _against(figures: Figures, baseline: str, stage: str = "reranked") -> str:
    found = _found_against(figures, baseline)
    return interval_text(found[stage]) if stage in found else ""


def _by_language(measured: Iterable[Figures]) -> list[tuple[str, list[Figures]]]:
    """Languages of which several sets were measured, in words, each with its sets."""
    sets = list(measured)
    found = [
        (words, [each for each in sets if each.language == code])
        for code, words in LANGUAGES.items()
    ]
    return [(words, each) for words, each in found if len(each) > 1]


def _any(measured: Iterable[Figures], stage: str) -> bool:
    return any(stage in each.stages for each in measured)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
