"""Figures of an evaluation under other calibrations, from the scores that it kept. Pure.

A calibration changes no raw score: what the cross-encoder said in an hour's reading stays, and only
the orders that rest on relevance are made again, by the product's own functions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from qa.figures import compared, measures_of
from qa.replay import evidences, orders, relevances

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.ports import RerankerCard
    from qa.figures import Figures
    from qa.score_dumps import ScoredQuestion

AGAIN = ("reranked", "blended", "relevance_only")
"""The stages that rest on relevance. The raw score's own order, and all before it, stay."""


class NotTheSame(ValueError):
    """Figures and scores are not of the same questions."""


def rescored(
    figures: Figures,
    questions: Sequence[ScoredQuestion],
    card: RerankerCard,
    *,
    floor: float,
    meta: Mapping[str, object],
    seed: int,
) -> Figures:
    """The figures as ``card``'s calibrations give them; ``meta`` takes the place of the old one.

    ``questions`` are those that ``figures`` were computed from, in that order. Raises
    ``NotTheSame`` where their number, or what the raw score made of them, differs.
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    raw: list[float] = []
    for question in questions:
        found = orders(question, card, floor=floor)
        raw.append(_measures(question, found["cross_encoder"])["ndcg@10"])
        for stage in AGAIN:
            for measure, value in _measures(question, found[stage]).items():
                values[stage][measure].append(value)
    if not _equal(raw, figures.ndcg.get("cross_encoder", ())):
        message = f"{figures.set_name}: the kept scores are not those of the kept figures"
        raise NotTheSame(message)
    again = replace(
        figures,
        meta=meta,
        stages={
            **figures.stages,
            **{s: {m: fmean(v) for m, v in values[s].items()} for s in AGAIN},
        },
        ndcg={**figures.ndcg, **{stage: tuple(values[stage]["ndcg@10"]) for stage in AGAIN}},
    )
    return compared(again, seed=seed)


def judged_again(question: ScoredQuestion, card: RerankerCard) -> ScoredQuestion:
    """The question with the relevance and the evidence that ``card`` gives its candidates."""
    return replace(
        question, relevance=relevances(question, card), evidence=evidences(question, card)
    )


def _measures(question: ScoredQuestion, order: Sequence[int]) -> dict[str, float]:
    # A document stands at the place of its best passage.
    documents = list(dict.fromkeys(question.documents[i] for i in order))
    return measures_of(documents, question.grades)


def _equal(left: Sequence[float], right: Sequence[float]) -> bool:
    return len(left) == len(right) and all(
        abs(a - b) < 1e-6 for a, b in zip(left, right, strict=True)
    )
