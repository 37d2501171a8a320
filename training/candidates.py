"""Held-out questions with the candidates that the product would hand to the cross-encoder."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bm25s
import numpy as np

from documents.analysis import analyze
from qa.fusion import reciprocal_rank_fusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inference.ports import Embedder
    from training.prepare import Pair, PairSet, Passage

K1, B = 0.9, 0.4
LEG_LIMIT = 100
CANDIDATES = 30


@dataclass(frozen=True, slots=True)
class CandidateList:
    """The fused first stage's best passages for one question, best first."""

    set_name: str
    question: str
    passages: tuple[Passage, ...]
    cosine: NDArray[np.float64]
    lexical: NDArray[np.float64]
    """BM25 over the highest BM25 that the question could reach."""
    answers: NDArray[np.float64]
    """1 where the passage is the known answer, which the list may lack."""


class LexicalIndex:
    """BM25 over a pool of passages with the product's tokens and formula."""

    def __init__(self, texts: Sequence[str]) -> None:
        tokens = [analyze(text) for text in texts]
        self._count = len(tokens)
        self._frequency = Counter(token for passage in tokens for token in set(passage))
        # Its "lucene" scores lack the factor k1 + 1, as does ``highest`` below: the share is equal.
        self._index = bm25s.BM25(method="lucene", k1=K1, b=B)
        self._index.index(tokens, show_progress=False)

    def shares(self, question: str) -> NDArray[np.float64]:
        """Each passage's score over the highest that the question could reach, in [0, 1]."""
        tokens = analyze(question)
        highest = sum(self._idf(token) for token in tokens)
        known = [token for token in tokens if token in self._frequency]
        if not known:
            return np.zeros(self._count)
        scores = self._index.get_scores(known)
        return np.asarray(scores, np.float64) / max(highest, 1e-9)

    def _idf(self, token: str) -> float:
        frequency = self._frequency[token]
        return math.log(1 + (self._count - frequency + 0.5) / (frequency + 0.5))


def draw_questions(source: PairSet, count: int, chance: random.Random) -> list[Pair]:
    """Held-out pairs at random, but first one of each group, then a second of each, and so on."""
    pairs = list(source.held_out)
    chance.shuffle(pairs)
    seen: Counter[str] = Counter()
    turns: list[int] = []
    for pair in pairs:
        turns.append(seen[pair.group])
        seen[pair.group] += 1
    order = sorted(range(len(pairs)), key=turns.__getitem__)
    return [pairs[i] for i in order[:count]]


def candidate_lists(
    source: PairSet, embedder: Embedder, *, questions: int, pool_size: int, seed: int
) -> list[CandidateList]:
    """Fused lists of ``CANDIDATES`` passages for ``questions`` held-out questions of one set.

    The pool holds what the questions need, then passages of held-out groups, then any others.
    """
    chance = random.Random(seed)
    pairs = draw_questions(source, questions, chance)
    others = list(source.passages.values())
    chance.shuffle(others)
    held_out = {pair.group for pair in source.held_out}
    others.sort(key=lambda passage: passage.group not in held_out)
    needed = [source.passages[i] for pair in pairs for i in (pair.positive, *pair.negatives)]
    pool = list({p.id: p for p in (*needed, *others)}.values())[:pool_size]
    texts = [passage.text for passage in pool]
    vectors, index = embedder.embed_passages(texts), LexicalIndex(texts)
    lists: list[CandidateList] = []
    for pair in pairs:
        cosine = (vectors @ embedder.embed_query(pair.question)).astype(np.float64)
        lexical = index.shares(pair.question)
        legs = [np.argsort(-scores, kind="stable")[:LEG_LIMIT] for scores in (cosine, lexical)]
        fused = reciprocal_rank_fusion([[int(k) for k in leg] for leg in legs])
        chosen = [k for k, _ in fused[:CANDIDATES]]
        passages = tuple(pool[k] for k in chosen)
        answers = np.array([float(p.id == pair.positive) for p in passages])
        lists.append(
            CandidateList(
                source.name, pair.question, passages, cosine[chosen], lexical[chosen], answers
            )
        )
    return lists
