"""BM25 as the product does it, in memory: the same tokens, formula and share of the highest."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import bm25s
import numpy as np

from documents.analysis import analyze, analyze_question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

K1, B = 0.9, 0.4


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
        tokens = analyze_question(question)
        highest = sum(self._idf(token) for token in tokens)
        known = [token for token in tokens if token in self._frequency]
        if not known:
            return np.zeros(self._count)
        scores = self._index.get_scores(known)
        return np.asarray(scores, np.float64) / max(highest, 1e-9)

    def _idf(self, token: str) -> float:
        frequency = self._frequency[token]
        return math.log(1 + (self._count - frequency + 0.5) / (frequency + 0.5))
