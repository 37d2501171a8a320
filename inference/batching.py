"""Batches that waste little on padding and never outgrow a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def batches_by_length(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Positions of ``lengths`` in batches, longest first.

    Every position comes exactly once. A batch costs its size times its longest length, as padding
    makes it, and stays within ``token_budget`` unless a single item alone is longer.
    """
    batches: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= token_budget:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches
