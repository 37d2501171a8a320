"""How good a checkpoint is, on groups and domains it never saw. ``eval/`` sets are never used."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.network import Runner
    from training.prepare import Pair, PairSet, Passage
    from training.similarity import FrozenCosine

HARD = 7
FAR = 8


@dataclass(frozen=True, slots=True)
class HeldOutList:
    """One held-out question; its positive first, then hard negatives, then passages from afar."""

    set_name: str
    question: str
    passages: tuple[Passage, ...]
    cosines: tuple[float, ...]


def held_out_lists(
    sets: Sequence[PairSet], cosine: FrozenCosine, *, per_set: int, seed: int
) -> list[HeldOutList]:
    """``per_set`` questions of each set. Of a set that is never trained on, any pair may serve."""
    chance = random.Random(seed)
    lists: list[HeldOutList] = []
    for source in sets:
        every = list(source.passages.values())
        pairs: list[Pair] = list(source.held_out)
        chance.shuffle(pairs)
        for pair in pairs[:per_set]:
            hard = [source.passages[i] for i in pair.negatives[:HARD]]
            taken = {p.group for p in hard} | {pair.group}
            others = [p for p in chance.sample(every, 8 * FAR) if p.group not in taken]
            passages = (source.passages[pair.positive], *hard, *others[: HARD + FAR - len(hard)])
            cosines = cosine.between([pair.question], passages)[0].tolist()
            lists.append(HeldOutList(source.name, pair.question, passages, tuple(cosines)))
    return lists


def reciprocal_rank(scores: Sequence[float]) -> float:
    """1 / rank of the first score; equal scores count against it."""
    return 1 / (1 + sum(other >= scores[0] for other in scores[1:]))


@torch.no_grad()
def mean_reciprocal_ranks(
    runner: Runner, lists: Sequence[HeldOutList], *, cosine_weight: float
) -> dict[str, dict[str, float]]:
    """MRR per set and over all (``mean`` of the sets) of three orders: cross, cosine, their sum."""
    runner.network.eval()
    logits: list[float] = []
    for start in range(0, len(lists), 16):
        some = lists[start : start + 16]
        questions = [item.question for item in some for _ in item.passages]
        logits += runner.scores(
            questions, [p.text for item in some for p in item.passages]
        ).tolist()
    runner.network.train()
    found: dict[str, dict[str, list[float]]] = {}
    position = 0
    for item in lists:
        cross = logits[position : position + len(item.passages)]
        position += len(item.passages)
        both = [s + cosine_weight * c for s, c in zip(cross, item.cosines, strict=True)]
        for order, scores in (("cross", cross), ("cosine", item.cosines), ("both", both)):
            ranks = found.setdefault(item.set_name, {}).setdefault(order, [])
            ranks.append(reciprocal_rank(scores))
    means = {
        name: {order: sum(ranks) / len(ranks) for order, ranks in orders.items()}
        for name, orders in found.items()
    }
    orders = ("cross", "cosine", "both")
    means["mean"] = {o: sum(m[o] for m in means.values()) / len(means) for o in orders}
    return means
