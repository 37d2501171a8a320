"""The figures to reach, each held against what was measured. Pure: nothing here is typed by hand.

They are set for all questions of twelve public sets and the sample questions; on a sample of the
questions they are an indication, and the report says so.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from qa.figures import FIRST, SINGLE, interval_text
from qa.metrics import mean_difference, mean_loss_ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from qa.figures import Figures
    from qa.metrics import Difference, Pair

ENGLISH = (
    "squad_dev",
    "clapnq_dev",
    "nq_qed_dev",
    "mediqa_gov",
    "medquad_heldout",
    "cranfield",
    "vaswani_npl",
    "pubmedqa_sections",
)
CHINESE = ("cmrc_dev", "drcd_test", "xquad_zh", "cmrc_xquad_chunks")

OVER_FUSED = 0.05
OVER_BEST = 0.03
SQUAD = 0.93
XQUAD_ZH = 0.97
LOSS_RATIO = 2 / 3
"""A third less than lexical search leaves to gain."""


class Verdict(NamedTuple):
    """One figure to reach, in words, with what was measured."""

    figure: str
    target: str
    measured: str
    reached: bool


def verdicts(measured: Sequence[Figures]) -> list[Verdict]:
    """The figures that can be told from these sets; one that needs an absent set is left out."""
    sets = {figures.set_name: figures for figures in measured if figures.ndcg}
    english = [sets[name] for name in ENGLISH if name in sets]
    chinese = [sets[name] for name in CHINESE if name in sets]
    return [
        *(_english(english) if len(english) == len(ENGLISH) else ()),
        *_level(sets, "squad_dev", SQUAD),
        *(_chinese(chinese) if len(chinese) == len(CHINESE) else ()),
        *_level(sets, "xquad_zh", XQUAD_ZH),
        *_above(sets, "xquad_zh"),
        *_above(sets, "cmrc_xquad_chunks"),
        *(_blend(english, "English") if len(english) == len(ENGLISH) else ()),
        *(_blend(chinese, "Chinese") if len(chinese) == len(CHINESE) else ()),
    ]


def pairs(
    measured: Sequence[Figures], baseline: Callable[[Figures], str], stage: str
) -> list[Pair]:
    """Per set the values of its baseline and of ``stage``, question by question."""
    return [(figures.ndcg[baseline(figures)], figures.ndcg[stage]) for figures in measured]


def fused(figures: Figures) -> str:
    del figures
    return "fused"


def dense(figures: Figures) -> str:
    del figures
    return "dense"


def lexical(figures: Figures) -> str:
    del figures
    return "lexical"


def best_single(figures: Figures) -> str:
    """The better of the two searches of this set."""
    return figures.best_of(SINGLE)


def best_first(figures: Figures) -> str:
    """The best of the two searches and their fusion, of this set."""
    return figures.best_of(FIRST)


def _english(sets: Sequence[Figures]) -> Iterator[Verdict]:
    baselines = (
        ("fused", fused, OVER_FUSED),
        ("the better search of each set", best_single, OVER_BEST),
        ("the best first stage of each set", best_first, OVER_BEST),
    )
    for words, baseline, target in baselines:
        found = mean_difference(pairs(sets, baseline, "reranked"))
        yield Verdict(
            f"English, mean over {len(sets)} sets against {words}",
            f"at least {target:+.2f}",
            interval_text(found),
            found.mean >= target,
        )
    yield _no_loss("English", sets, "fused", {each.set_name: each.intervals for each in sets})


def _chinese(sets: Sequence[Figures]) -> Iterator[Verdict]:
    against = {each.set_name: each.against.get("lexical", {}) for each in sets}
    yield _no_loss("Chinese", sets, "lexical", against)
    ratio = mean_loss_ratio(pairs(sets, lexical, "reranked"))
    yield Verdict(
        f"Chinese, mean of 1 - nDCG@10 over {len(sets)} sets, as a share of that of lexical",
        f"at most {LOSS_RATIO:.3f}",
        f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]",
        ratio.value <= LOSS_RATIO,
    )


def _no_loss(
    language: str,
    sets: Sequence[Figures],
    baseline: str,
    intervals: Mapping[str, Mapping[str, Difference]],
) -> Verdict:
    lost = [
        f"{each.set_name} {interval_text(found)}"
        for each in sets
        if (found := intervals[each.set_name].get("reranked")) is not None and found.high < 0
    ]
    return Verdict(
        f"{language}, sets whose interval lies wholly below {baseline}",
        "none",
        ", ".join(lost) or "none",
        not lost,
    )


def _level(sets: Mapping[str, Figures], name: str, target: float) -> Iterator[Verdict]:
    if name in sets:
        value = fmean(sets[name].ndcg["reranked"])
        yield Verdict(f"{name}, reranked", f"at least {target}", f"{value:.4f}", value >= target)


def _above(sets: Mapping[str, Figures], name: str) -> Iterator[Verdict]:
    if name in sets:
        found = mean_difference(pairs([sets[name]], lexical, "reranked"))
        base = fmean(sets[name].ndcg["lexical"])
        yield Verdict(
            f"{name}, reranked against lexical alone",
            f"above {base:.4f}",
            f"{base + found.mean:.4f}, {interval_text(found)}",
            found.mean > 0,
        )


def _blend(sets: Sequence[Figures], language: str) -> Iterator[Verdict]:
    found = mean_difference(pairs(sets, fused, "blended"))
    yield Verdict(
        f"{language}, the blend with default weights, mean over {len(sets)} sets against fused",
        "not below",
        interval_text(found),
        found.mean >= 0,
    )
