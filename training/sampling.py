"""The stream of training lists: one question, its answer, what recall confuses with it, others."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from training.variation import vary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NEAR_TOP = 8
"""Hard negatives come first of all from this far down the fused list."""
HARD_FROM_TOP, HARD_FROM_REST, FAR = 2, 1, 2
LIST_SIZE = 1 + HARD_FROM_TOP + HARD_FROM_REST + FAR


@dataclass(frozen=True, slots=True)
class MinedQuestion:
    """A question with what the product recalls for it, best first (see ``training.mining``)."""

    question: str
    group: str
    candidates: tuple[int, ...]
    """Positions in ``MinedSet.texts``: the recalled ones, then answers that recall missed."""
    recalled: int
    cosine: tuple[float, ...] | None
    lexical: tuple[float, ...]
    answers: frozenset[int]
    doubtful: frozenset[int]


@dataclass(frozen=True, slots=True)
class MinedSet:
    """One data set in one language."""

    name: str
    language: str
    texts: list[str]
    groups: list[str]
    training: list[MinedQuestion] = field(default_factory=list)
    held_out: list[MinedQuestion] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.name}.{self.language}"


@dataclass(frozen=True, slots=True)
class TrainingList:
    """One example; passage 0 answers. Scores of the first stage stand beside each passage."""

    question: str
    passages: tuple[str, ...]
    cosine: tuple[float, ...]
    """0 throughout where the bi-encoder does not read the language."""
    lexical: tuple[float, ...]
    language: str


def read_mined(path: Path) -> MinedSet:
    """The set that ``training.mining`` wrote to ``path``, ``NAME.LANGUAGE.jsonl.gz``."""
    name, language = path.name.split(".")[:2]
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        corpus = json.loads(next(lines))
        mined = MinedSet(name, language, corpus["texts"], corpus["groups"])
        for line in lines:
            record: dict[str, Any] = json.loads(line)
            question = MinedQuestion(
                record["question"],
                record["group"],
                tuple(record["candidates"]),
                record["recalled"],
                tuple(record["cosine"]) if record["cosine"] else None,
                tuple(record["lexical"]),
                frozenset(record["answers"]),
                frozenset(record["doubtful"]),
            )
            (mined.held_out if record["held_out"] else mined.training).append(question)
    return mined


class Sampler:
    """Draws lists so that each set has its share however large it is.

    Deterministic for a seed; ``state`` and ``restore`` let a stopped run go on where it was.
    Within a set, questions come in a shuffled order and none comes twice before all came once.
    With ``varied``, some lists come in another form (``training.variation``).
    """

    def __init__(
        self,
        sets: Sequence[MinedSet],
        shares: Mapping[str, float],
        seed: int,
        *,
        varied: bool = False,
    ) -> None:
        self._varied = varied
        self._sets = {s.key: s for s in sets if shares.get(s.key) and s.training}
        self._keys = list(self._sets)
        self._shares = [shares[key] for key in self._keys]
        self._random = random.Random(seed)
        self._waiting: dict[str, list[int]] = {key: [] for key in self._keys}

    def state(self) -> dict[str, Any]:
        waiting = {name: list(left) for name, left in self._waiting.items()}
        return {"random": self._random.getstate(), "waiting": waiting}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._random.setstate(state["random"])
        self._waiting = {name: list(left) for name, left in state["waiting"].items()}

    def draw(self, count: int) -> list[TrainingList]:
        keys = self._random.choices(self._keys, self._shares, k=count)
        lists = [self._list_of(self._sets[key]) for key in keys]
        return [vary(item, self._random) for item in lists] if self._varied else lists

    def _list_of(self, source: MinedSet) -> TrainingList:
        waiting = self._waiting[source.key]
        if not waiting:
            waiting.extend(range(len(source.training)))
            self._random.shuffle(waiting)
        return self._complete(source, source.training[waiting.pop()])

    def _complete(self, source: MinedSet, question: MinedQuestion) -> TrainingList:
        """The answer, hard negatives, and passages of other subjects from the same set."""
        place = {k: number for number, k in enumerate(question.candidates)}
        answer = self._random.choice(sorted(question.answers))
        recalled = question.candidates[: question.recalled]
        usable = [k for k in recalled if k not in question.answers | question.doubtful]
        hard = self._some(usable[:NEAR_TOP], HARD_FROM_TOP)
        hard += self._some([k for k in usable if k not in hard], HARD_FROM_REST)
        taken = set(question.candidates)
        chosen = [answer, *hard]
        while len(chosen) < LIST_SIZE:
            far = self._random.randrange(len(source.texts))
            if far not in taken and source.groups[far] != question.group:
                chosen.append(far)
                taken.add(far)
        lowest = min(question.cosine) if question.cosine else 0.0
        return TrainingList(
            question.question,
            tuple(source.texts[k] for k in chosen),
            # A passage from afar was not scored: it counts as somewhat worse than the recalled.
            tuple(
                question.cosine[place[k]] if k in place else max(lowest - 0.15, 0.0) for k in chosen
            )
            if question.cosine
            else (0.0,) * len(chosen),
            tuple(question.lexical[place[k]] if k in place else 0.0 for k in chosen),
            source.language,
        )

    def _some(self, positions: Sequence[int], count: int) -> list[int]:
        return self._random.sample(list(positions), min(count, len(positions)))
