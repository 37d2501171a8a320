"""Named weights of the four factors. Pure.

- ``balanced``: as the product is meant; lay readers' collections, handbooks, guidelines.
- ``relevance_only``: the order of the cross-encoder; where all texts read alike, for specialists,
  and where an evaluation shows that the other factors cost more than they give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FACTORS = ("relevance", "completeness", "readability", "timeliness")

PRESETS: Mapping[str, Mapping[str, float]] = {
    "balanced": {"relevance": 0.4, "completeness": 0.3, "readability": 0.2, "timeliness": 0.1},
    "relevance_only": {
        "relevance": 1.0,
        "completeness": 0.0,
        "readability": 0.0,
        "timeliness": 0.0,
    },
}

_TOLERANCE = 1e-6


def preset_of(weights: Mapping[str, float]) -> str:
    """The name of the preset with the same proportions; ``""`` when there is none.

    ``weights`` holds one number for each of ``FACTORS``.
    """
    given = _shares(weights)
    for name, preset in PRESETS.items():
        wanted = _shares(preset)
        if all(abs(given[factor] - wanted[factor]) <= _TOLERANCE for factor in FACTORS):
            return name
    return ""


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights[factor] for factor in FACTORS)
    return {factor: weights[factor] / total if total > 0 else 0.0 for factor in FACTORS}
