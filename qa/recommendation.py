"""Which preset the product recommends, from what was measured on judged questions. Pure.

Judges of these questions looked at relevance alone: that an easy or a recent text was preferred
earns "balanced" nothing here. So it is not held to be as good as "relevance only" to the last
thousandth, but it must not cost what rerank gains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from qa.metrics import paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Recommended = Literal["balanced", "relevance_only", "off"]
Because = Literal["gains", "balanced_loses", "balanced_costs", "no_gain", "not_reranked"]

MATERIAL = 0.02
"""nDCG@10 that "balanced" may cost against "relevance only" before it is advised against."""


class Recommendation(NamedTuple):
    """A preset, or ``off`` for the fused order, and why."""

    preset: Recommended
    because: Because


def recommend(
    ndcg: Mapping[str, Sequence[float]], *, reranked: bool = True, seed: int = 0
) -> Recommendation:
    """What to set for documents like these, from nDCG@10 per question of ``fused``, ``blended``
    and ``relevance_only``.

    - ``off`` where no preset has a higher mean than the fused order, or no question was reranked;
    - ``relevance_only`` where the blend's mean is below that of the fused order, or below that of
      ``relevance_only`` by at least ``MATERIAL`` with a 95% interval wholly below 0;
    - else ``balanced``.
    """
    if not reranked or not ndcg["fused"]:
        return Recommendation("off", "not_reranked")
    fused, balanced, relevance_only = (
        sum(ndcg[stage]) / len(ndcg[stage]) for stage in ("fused", "blended", "relevance_only")
    )
    if max(balanced, relevance_only) <= fused:
        return Recommendation("off", "no_gain")
    if balanced < fused:
        return Recommendation("relevance_only", "balanced_loses")
    cost = paired_bootstrap(ndcg["relevance_only"], ndcg["blended"], seed=seed)
    if cost.mean <= -MATERIAL and cost.high < 0:
        return Recommendation("relevance_only", "balanced_costs")
    return Recommendation("balanced", "gains")
