"""A blend in which relevance stays in charge. Proposed, to be measured by replay. Pure.

The product's score is a weighted mean: a passage may make up for relevance by being easy. Read the
factors otherwise: relevance ``r`` is the probability that the passage answers; if it does, it is
worth the more the more complete, readable and timely it is; if it does not, it is worth nothing.
Then the expected worth is

    r * (w_relevance + w_completeness * c + w_readability * d + w_timeliness * t) / sum of weights

with the same weights, and the same four parts of a bar: each factor's part of the mean, times
``r``. Among passages of equal relevance the order is the product's; where relevance differs by a
factor larger than what the others can make up for, it decides alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qa.scoring import Contribution, explain

if TYPE_CHECKING:
    from qa.types import Factors, FactorWeights


def expected_worth(factors: Factors, weights: FactorWeights) -> float:
    """The score above, in [0, 1] and at most the relevance."""
    return sum(part.contribution for part in explain_worth(factors, weights))


def explain_worth(factors: Factors, weights: FactorWeights) -> tuple[Contribution, ...]:
    """What each factor adds, in the order of ``scoring.FACTORS``. Raises as ``explain``.

    Relevance itself is worth its whole weight once the passage answers: its part is ``r`` times
    its share, not ``r * r``.
    """
    return tuple(
        part
        if part.factor == "relevance"
        else part._replace(contribution=part.contribution * factors.relevance)
        for part in explain(factors, weights)
    )
