"""Deterministic stand-ins for every model: instant, without weights, the same on every machine.

They are chosen by configuration like any other model and keep the whole promise of the ports, so
that tests, demonstrations of the pages and development need no model at all.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import numpy as np

from inference.errors import ModelTimeout
from inference.ports import EmbeddingRecipe, RerankerCard

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from inference.ports import ChatMessage

DIMENSION = 384
_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힣]|[^\W_]+")
_FIRST_PASSAGE = re.compile(r"\[1\]\s*(?P<text>.+?)(?=\n\s*\n|\n</|\[2\]|\Z)", re.DOTALL)
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s|$)|[。！？]|$)", re.DOTALL)
_PIECE = re.compile(r"\S+\s*|\s+")
NOTHING_TO_QUOTE = "No passage was given."


def words_of(text: str) -> list[str]:
    """Lower-case words; Chinese, Japanese and Korean characters one by one."""
    return _WORD.findall(text.lower())


class FakeEmbedder:
    """Each word is a fixed random direction, a text is the sum of its words' directions."""

    def __init__(self, dimension: int = DIMENSION) -> None:
        self._recipe = EmbeddingRecipe(
            provider="fake", model="word-hash", revision="1", dimension=dimension
        )

    @property
    def recipe(self) -> EmbeddingRecipe:
        return self._recipe

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.zeros((0, self._recipe.dimension), np.float32)
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        total = sum((self._direction(w) for w in words_of(text)), self._direction("") * 0.1)
        return (total / np.linalg.norm(total)).astype(np.float32)

    def unknown_share(self, text: str) -> float:
        del text
        return 0.0

    def _direction(self, word: str) -> NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        return np.random.default_rng(seed).standard_normal(self._recipe.dimension)


class FakeReranker:
    """A passage scores the share of the question's words that it holds."""

    @property
    def card(self) -> RerankerCard:
        return RerankerCard(
            name="word overlap", model="fake", revision="1", scores_are_probabilities=True
        )

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        if time_limit_s <= 0:
            raise ModelTimeout("the time limit had passed before the start")
        asked = set(words_of(question))
        return [len(asked & set(words_of(p))) / max(1, len(asked)) for p in passages]

    def unknown_share(self, text: str) -> float:
        del text
        return 0.0


class FakeChatModel:
    """Answers with the first sentence of the passage marked ``[1]`` in the last message."""

    @property
    def name(self) -> str:
        return "fake"

    def stream(
        self, messages: Sequence[ChatMessage], *, max_tokens: int, time_limit_s: float
    ) -> Iterator[str]:
        if time_limit_s <= 0:
            raise ModelTimeout("the time limit had passed before the start")
        answer = quote_first_passage(messages[-1].content if messages else "")
        yield from _PIECE.findall(answer)[:max_tokens]


def quote_first_passage(prompt: str) -> str:
    """The first sentence of the body of passage 1, followed by its marker.

    A passage of several lines starts with its title, which is no sentence of it.
    """
    found = _FIRST_PASSAGE.search(prompt)
    if found is None:
        return NOTHING_TO_QUOTE
    heading, _, body = found["text"].strip().partition("\n")
    sentence = _SENTENCE.match((body or heading).strip())
    if sentence is None:
        return NOTHING_TO_QUOTE
    return f"{' '.join(sentence[0].split())} [1]"
