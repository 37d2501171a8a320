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


def even_batches(lengths: Sequence[int], token_budget: int, lanes: int) -> list[list[int]]:
    """Positions of ``lengths`` in batches of about equal sums, for batches without padding.

    Every position comes exactly once, and no batch is empty. A batch's sum stays within
    ``token_budget`` unless a single item alone is longer. Batches come in multiples of ``lanes``
    as far as there are items, so that all lanes are done at about the same time.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    rounds = max(1, -(-sum(lengths) // (token_budget * lanes)))
    while True:
        batches: list[list[int]] = [[] for _ in range(min(rounds * lanes, len(lengths)))]
        sums = [0] * len(batches)
        for position in order:
            smallest = min(range(len(batches)), key=lambda b: (sums[b], len(batches[b])))
            batches[smallest].append(position)
            sums[smallest] += lengths[position]
        fits = all(
            total <= token_budget or len(batch) == 1
            for total, batch in zip(sums, batches, strict=True)
        )
        if fits or len(batches) == len(lengths):
            return batches
        rounds += 1
