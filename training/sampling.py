"""The stream of training lists: one question, its positive, hard negatives, negatives from afar."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from training.prepare import Pair, PairSet, Passage

HARD_NEGATIVES = 3
FAR_NEGATIVES = 2


@dataclass(frozen=True, slots=True)
class Draft:
    """A pair with the hard negatives drawn for it, before it has negatives from other subjects."""

    question: str
    group: str
    near: tuple[Passage, ...]
    """The positive first, then hard negatives."""


@dataclass(frozen=True, slots=True)
class RankedList:
    """One training example; ``passages[0]`` is the positive."""

    question: str
    passages: tuple[Passage, ...]


class Sampler:
    """Draws batches so that each set has its share however large it is.

    Deterministic for a seed; ``state`` and ``restore`` let a stopped run go on where it was.
    Within a set, pairs come in a shuffled order and none comes twice before all have come once.
    """

    def __init__(self, sets: Sequence[PairSet], shares: Mapping[str, float], seed: int) -> None:
        self._sets = {s.name: s for s in sets if shares.get(s.name)}
        self._names = list(self._sets)
        self._shares = [shares[name] for name in self._names]
        self._random = random.Random(seed)
        self._waiting: dict[str, list[int]] = {name: [] for name in self._names}

    def state(self) -> dict[str, Any]:
        waiting = {name: list(left) for name, left in self._waiting.items()}
        return {"random": self._random.getstate(), "waiting": waiting}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._random.setstate(state["random"])
        self._waiting = {name: list(left) for name, left in state["waiting"].items()}

    def drafts(self, count: int) -> list[Draft]:
        names = self._random.choices(self._names, self._shares, k=count)
        return [self._draft(self._sets[name]) for name in names]

    def _draft(self, source: PairSet) -> Draft:
        waiting = self._waiting[source.name]
        while True:
            if not waiting:
                waiting.extend(range(len(source.training)))
                self._random.shuffle(waiting)
            pair: Pair = source.training[waiting.pop()]
            if len(pair.negatives) >= HARD_NEGATIVES:
                ids = self._random.sample(pair.negatives, HARD_NEGATIVES)
                near = tuple(source.passages[i] for i in (pair.positive, *ids))
                return Draft(pair.question, pair.group, near)

    def complete(
        self, drafts: Sequence[Draft], nearness: Sequence[Sequence[float]]
    ) -> list[RankedList]:
        """Give each draft its negatives of other subjects, out of the passages of the whole batch.

        ``nearness[d][k]`` is the cosine of draft ``d``'s question with the ``k``-th passage of
        ``pool_of(drafts)``. One negative is the nearest of another subject, the rest are any.
        """
        pool = pool_of(drafts)
        lists: list[RankedList] = []
        for draft, cosines in zip(drafts, nearness, strict=True):
            taken = {p.group for p in draft.near} | {draft.group}
            far = [k for k, p in enumerate(pool) if p.group not in taken]
            far.sort(key=lambda k: -cosines[k])
            chosen = [far[0], *self._random.sample(far[1:], FAR_NEGATIVES - 1)]
            lists.append(RankedList(draft.question, (*draft.near, *(pool[k] for k in chosen))))
        return lists


def pool_of(drafts: Sequence[Draft]) -> list[Passage]:
    """Every passage of a batch once, in a fixed order."""
    return list({p.id: p for draft in drafts for p in draft.near}.values())
