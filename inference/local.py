"""Models that run in this process through sentence-transformers, loaded when first used.

Importing this module imports no model library: a web process may hold these objects and read
their recipe or card without paying for torch.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from inference.batching import batches_by_length
from inference.errors import InvalidModelResponse, ModelError, ModelTimeout, ModelUnavailable
from inference.ports import EmbeddingRecipe, RerankerCard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

LOAD_ERRORS = (ImportError, OSError, ValueError, RuntimeError, KeyError, AttributeError)
"""What the libraries raise for a missing, unreadable or foreign model."""

RUN_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, MemoryError)

SPECIAL_TOKENS_PER_PAIR = 4


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A loaded network and a tokenizer of its own for reading texts beside it."""

    network: Any
    """A sentence-transformers ``SentenceTransformer`` or ``CrossEncoder`` in evaluation mode."""
    tokenizer: Any
    """Never used by ``network``: a fast tokenizer may not be used by two threads at once."""


def cpu_runs_bf16() -> bool:
    """True where the CPU multiplies bf16 matrices in hardware. Imports torch."""
    import torch

    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def silence_libraries() -> None:
    """No progress bars and no reports of new weights in our log; failures still raise."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


def prepare(network: Any) -> LocalModel:
    """Cast for the machine it is on: bf16 where that is fast, else fp32; never fp16 on a CPU."""
    import copy

    import torch

    half = network.device.type != "cpu" or cpu_runs_bf16()
    network = network.to(torch.bfloat16 if half else torch.float32).eval()
    return LocalModel(network, copy.deepcopy(network.tokenizer))


class Engine:
    """One model in memory: loaded once, and running one batch at a time whoever asks."""

    def __init__(self, name: str, load: Callable[[], LocalModel]) -> None:
        self._name = name
        self._load = load
        self._loaded: LocalModel | None = None
        self._loading = threading.Lock()
        self._running = threading.Lock()
        self._reading = threading.Lock()

    def model(self) -> LocalModel:
        """The loaded model. A load that failed is tried again by the next call."""
        with self._loading:
            if self._loaded is None:
                try:
                    self._loaded = self._load()
                except LOAD_ERRORS as error:
                    raise ModelUnavailable(f"{self._name} cannot be loaded: {error}") from error
            return self._loaded

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones not counted."""
        if not texts:
            return []
        tokenizer = self.model().tokenizer
        with self._reading:
            encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def unknown_share(self, text: str) -> float:
        """Share in [0, 1] of the text's tokens that are the unknown token; 0 for no tokens."""
        tokenizer = self.model().tokenizer
        with self._reading:
            ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if not ids or tokenizer.unk_token_id is None:
            return 0.0
        unknown: int = ids.count(tokenizer.unk_token_id)
        return unknown / len(ids)

    @contextmanager
    def batch(self, deadline: float | None = None) -> Iterator[Any]:
        """The network, for one batch. Waits its turn; ``ModelTimeout`` once the deadline passed."""
        network = self.model().network
        left = -1.0 if deadline is None else deadline - time.monotonic()
        if deadline is not None and left <= 0:
            raise ModelTimeout(f"{self._name} did not finish in time")
        if not self._running.acquire(timeout=left):
            raise ModelTimeout(f"{self._name} was busy for the whole time limit")
        try:
            yield network
        except RUN_ERRORS as error:
            raise ModelError(f"{self._name} failed: {error}") from error
        finally:
            self._running.release()


class LocalEmbedder:
    """A sentence-transformers bi-encoder by name or path.

    Prefixes left ``None`` are the model's own prompts for queries and documents. A ``dimension``
    that is given lets ``recipe`` be read without loading; a model of another dimension then fails.
    """

    def __init__(
        self,
        model: str,
        *,
        path: str | None = None,
        revision: str = "",
        dimension: int | None = None,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        languages: tuple[str, ...] = (),
        batch_tokens: int = 8_192,
    ) -> None:
        self._model, self._path, self._revision = model, path or model, revision
        self._dimension, self._languages = dimension, languages
        self._query_prefix, self._passage_prefix = query_prefix, passage_prefix
        self._batch_tokens = batch_tokens
        self._engine = Engine(model, self._load)
        self._recipe: EmbeddingRecipe | None = None

    @property
    def recipe(self) -> EmbeddingRecipe:
        if self._recipe is None:
            known = None not in (self._dimension, self._query_prefix, self._passage_prefix)
            prompts = {} if known else (self._engine.model().network.prompts or {})
            query, passage = self._query_prefix, self._passage_prefix
            self._recipe = EmbeddingRecipe(
                provider="sentence-transformers",
                model=self._model,
                revision=self._revision,
                dimension=self._dimension or self._engine.model().network.get_embedding_dimension(),
                query_prefix=prompts.get("query") or "" if query is None else query,
                passage_prefix=prompts.get("document") or "" if passage is None else passage,
                languages=self._languages,
            )
        return self._recipe

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embed([self.recipe.passage_prefix + text for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return cast("NDArray[np.float32]", self._embed([self.recipe.query_prefix + text])[0])

    def unknown_share(self, text: str) -> float:
        return self._engine.unknown_share(text)

    def warm_up(self) -> None:
        """Load the model and run it once."""
        self.embed_query("warm up")

    def _load(self) -> LocalModel:
        from sentence_transformers import SentenceTransformer

        silence_libraries()
        return prepare(SentenceTransformer(self._path, revision=self._revision_to_fetch()))

    def _revision_to_fetch(self) -> str | None:
        return None if self._path != self._model else self._revision or None

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.recipe.dimension), np.float32)
        limit = self._engine.model().network.max_seq_length or self._batch_tokens
        lengths = [min(n + 2, limit) for n in self._engine.lengths(texts)]
        for positions in batches_by_length(lengths, self._batch_tokens):
            with self._engine.batch() as network:
                found = network.encode(
                    [texts[i] for i in positions],
                    prompt="",
                    batch_size=len(positions),
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
            found = np.asarray(found, np.float32)
            if found.shape != (len(positions), self.recipe.dimension):
                raise InvalidModelResponse(f"{self._model} gave vectors of shape {found.shape}")
            norms = np.linalg.norm(found, axis=1, keepdims=True)
            if not (np.isfinite(found).all() and (norms > 0).all()):
                raise InvalidModelResponse(f"{self._model} gave a vector without a direction")
            vectors[positions] = found / norms
        return vectors


class LocalReranker:
    """A sentence-transformers cross-encoder by name or path; scores are its raw logits."""

    def __init__(
        self,
        model: str,
        *,
        card: RerankerCard | None = None,
        load: Callable[[], LocalModel] | None = None,
        revision: str = "",
        languages: tuple[str, ...] = (),
        batch_tokens: int = 2_048,
        max_length: int = 512,
    ) -> None:
        self._card = card or RerankerCard(
            name=model.rsplit("/", 1)[-1], model=model, revision=revision, languages=languages
        )
        self._model, self._revision = model, revision
        self._batch_tokens, self._max_length = batch_tokens, max_length
        self._engine = Engine(model, load or self._load)

    @property
    def card(self) -> RerankerCard:
        return self._card

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        deadline = time.monotonic() + time_limit_s
        if not passages:
            return []
        fixed = self._engine.lengths([question])[0] + SPECIAL_TOKENS_PER_PAIR
        lengths = [min(fixed + n, self._max_length) for n in self._engine.lengths(passages)]
        scores = [0.0] * len(passages)
        for positions in batches_by_length(lengths, self._batch_tokens):
            pairs = [(question, passages[i]) for i in positions]
            with self._engine.batch(deadline) as network:
                found = np.asarray(self._predict(network, pairs), np.float64)
            if found.shape != (len(positions),) or not np.isfinite(found).all():
                raise InvalidModelResponse(
                    f"{self._model} did not give one finite score for each passage"
                )
            for position, score in zip(positions, found.tolist(), strict=True):
                scores[position] = score
        return scores

    def unknown_share(self, text: str) -> float:
        return self._engine.unknown_share(text)

    def warm_up(self) -> None:
        """Load the model and run it once."""
        self.score("warm up", ["warm up"], time_limit_s=600.0)

    def _load(self) -> LocalModel:
        from sentence_transformers import CrossEncoder

        silence_libraries()
        network = CrossEncoder(
            self._model, revision=self._revision or None, max_length=self._max_length
        )
        return prepare(network)

    @staticmethod
    def _predict(network: Any, pairs: list[tuple[str, str]]) -> Any:
        import torch

        return network.predict(
            pairs,
            batch_size=len(pairs),
            activation_fn=torch.nn.Identity(),
            show_progress_bar=False,
        )
