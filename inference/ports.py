"""What the application needs of a model, as structural types. Adapters live beside this file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

Signal = Literal["rerank", "cosine", "lexical", "fused"]
"""The scores that a relevance calibration may read (see ``Calibration``)."""


@dataclass(frozen=True, slots=True)
class EmbeddingRecipe:
    """Everything that makes two vectors comparable. Equal recipes share an embedding space."""

    provider: str
    model: str
    revision: str
    dimension: int
    normalised: bool = True
    query_prefix: str = ""
    passage_prefix: str = ""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes the model was trained on; empty means any language."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Logistic map from the scores at hand to a probability that the passage answers the question.

    ``p = sigmoid(bias + sum(weights[s] * score[s]))`` over the signals named in ``weights``.
    ``rerank`` is the cross-encoder's raw score, ``cosine`` is in [-1, 1], ``lexical`` is the BM25
    score divided by the highest BM25 score that the question could reach, in [0, 1], and ``fused``
    says where the first stage placed it: 1 for the first, falling to 0.68 at the thirtieth.
    """

    weights: Mapping[Signal, float]
    bias: float
    language: str = ""
    """ISO 639-1 code of the questions it was fitted on; empty for any."""


@dataclass(frozen=True, slots=True)
class RerankerCard:
    """What a reranker says of itself; stored with every ranking it made."""

    name: str
    model: str
    revision: str
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes it was trained on; empty means any language."""
    scores_are_probabilities: bool = False
    """A claim of calibration, not of a range."""
    unit_scores: bool = False
    """Scores are in [0, 1] as they come, without any claim that they are probabilities."""
    calibrations: tuple[Calibration, ...] = field(default=())
    """One per set of available signals; empty when never calibrated."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Literal["system", "user", "assistant"]
    content: str


class Embedder(Protocol):
    """A bi-encoder: questions and passages apart, compared by cosine."""

    @property
    def recipe(self) -> EmbeddingRecipe: ...

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One unit vector per text, shape ``(len(texts), dimension)``. Raises ``ModelError``."""
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """One unit vector of shape ``(dimension,)``. Raises ``ModelError``."""
        ...

    def unknown_share(self, text: str) -> float:
        """Share in [0, 1] of the text's tokens that the model's vocabulary does not hold."""
        ...


class Reranker(Protocol):
    """A cross-encoder: reads the question with each passage."""

    @property
    def card(self) -> RerankerCard: ...

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        """One score per passage, higher is better, in the order given.

        Raises ``ModelTimeout`` when the limit passes (checked between batches), or another
        ``ModelError``.
        """
        ...

    def unknown_share(self, text: str) -> float:
        """Share in [0, 1] of the text's tokens that the model's vocabulary does not hold."""
        ...


class ChatModel(Protocol):
    """A generative language model."""

    @property
    def name(self) -> str: ...

    def stream(
        self, messages: Sequence[ChatMessage], *, max_tokens: int, time_limit_s: float
    ) -> Iterator[str]:
        """Yield pieces of the answer as they come. Raises ``ModelError``, also in mid-stream."""
        ...
