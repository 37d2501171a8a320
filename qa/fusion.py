"""Joining the rankings of several recall legs by rank alone, never by adding raw scores."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

K = TypeVar("K", bound="Hashable")
T = TypeVar("T")

RRF_K = 60
"""The constant of Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet
and individual Rank Learning Methods", SIGIR 2009."""


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[K]], *, k: int = RRF_K
) -> list[tuple[K, float]]:
    """Fuse rankings (best first) into one list of (key, score), best first.

    The score is the sum over rankings of ``1 / (k + rank)`` with 1-based ranks; a key that a
    ranking does not hold gets nothing from it. Ties go to the key with the better single rank,
    then to the one that the earlier ranking places first, so equal input gives equal output.
    A key that a ranking repeats counts at its first place only.
    """
    if k < 0:
        message = "k must not be negative"
        raise ValueError(message)
    scores: dict[K, float] = {}
    best_rank: dict[K, int] = {}
    for ranking in rankings:
        for rank, key in enumerate(dict.fromkeys(ranking), start=1):
            scores[key] = scores.get(key, 0.0) + 1.0 / (k + rank)
            best_rank[key] = min(rank, best_rank.get(key, rank))
    # dicts keep insertion order and sorting is stable: the last tie-break is the order of first
    # appearance, which is the order of the first ranking that holds the key.
    order = sorted(scores, key=lambda key: (-scores[key], best_rank[key]))
    return [(key, scores[key]) for key in order]


def place_share(rank: int, *, k: int = RRF_K) -> float:
    """What a 1-based ``rank`` earns beside the first by reciprocal rank: in (0, 1], 1 the first."""
    return (k + 1) / (k + rank)


def cap_per_document(
    items: Sequence[T], document_of: Callable[[T], Hashable], limit: int
) -> list[T]:
    """Keep at most ``limit`` items of each document, the first ones, in the order given."""
    if limit < 1:
        message = "limit must be at least 1"
        raise ValueError(message)
    taken: Counter[Hashable] = Counter()
    kept: list[T] = []
    for item in items:
        document = document_of(item)
        if taken[document] < limit:
            taken[document] += 1
            kept.append(item)
    return kept
