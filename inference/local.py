"""Models that run in this process through sentence-transformers, loaded when first used.

Importing this module imports no model library: a web process may hold these objects and read
their recipe or card without paying for torch.
"""

from __future__ import annotations

import copy
import logging
import math
import pickle
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

import numpy as np

from inference.errors import InvalidModelResponse, ModelError, ModelTimeout, ModelUnavailable
from inference.lanes import Lanes
from inference.pairs import LibraryPairs, packed_classifier
from inference.ports import EmbeddingRecipe, RerankerCard
from inference.texts import LibraryTexts, RecentlyRead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import device, dtype

    from inference.pairs import PairModel
    from inference.texts import TextModel

LOAD_ERRORS = (
    ImportError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    pickle.PickleError,
)
"""What the libraries raise for a missing, damaged or foreign model, beside errors of their own."""

LOADING_PATIENCE_S = 10.0
"""So long a question about the words of a reranker waits for it to be loaded."""

RUN_ERRORS = (RuntimeError, ValueError, IndexError, TypeError, MemoryError)

MOST_REQUESTS = 16
"""Of one reranker at once, those that run included: more would only wait for their time-out."""

LONGEST_WAIT_S = 3_600.0
"""For a call of the embedder: its callers have limits of their own, which are shorter."""

MOST_RECENT_TOKENS = 200_000
"""Of texts that an embedder has read lately; some ten megabytes."""

T = TypeVar("T")


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


def best_type(place: device) -> dtype:
    """What to cast weights to: bf16 where that is fast, else fp32; never fp16 on a CPU."""
    import torch

    return torch.bfloat16 if place.type != "cpu" or cpu_runs_bf16() else torch.float32


def best_place() -> device:
    """The GPU, if there is one."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def text_model(network: Any) -> TextModel[Any]:
    """A sentence-transformers ``SentenceTransformer``, cast for the machine it is on."""
    return LibraryTexts(network.to(best_type(network.device)).eval())


def pair_model(network: Any, max_length: int) -> PairModel[Any]:
    """A sentence-transformers ``CrossEncoder`` as it was loaded, made fast where that is known how.

    Prompts, modules after the network, and other architectures are left to the library.
    """
    place, kind = network.device, best_type(network.device)
    network = network.eval()
    longest = min(max_length, network.max_seq_length or max_length)
    # A tokenizer that names no length is given that of the row, which the network may not have.
    config = getattr(getattr(network, "model", None), "config", None)
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and 0 < positions < longest:
        longest = network.max_seq_length = positions
    tokenizer = copy.deepcopy(network.tokenizer)
    plain = len(network) == 1 and not network.default_prompt_name and tokenizer.is_fast
    if plain and place.type in ("cpu", "cuda"):
        packed = packed_classifier(network.model, tokenizer, longest, kind=kind, place=place)
        if packed is not None:
            return packed
    return LibraryPairs(network.to(kind), tokenizer, longest)


def require_scoring_head(network: Any) -> None:
    """Raise ``ValueError`` for a ``CrossEncoder`` made of a model that is none.

    The library gives an embedding model, say, a head of random numbers, and its scores are noise.
    """
    made = network[0].model if len(network) == 1 else None
    stored = getattr(getattr(made, "config", None), "architectures", None) or []
    suffix = "ForSequenceClassification"
    has_head = not stored or any(name.endswith(suffix) for name in stored)
    if type(made).__name__.endswith(suffix) and not has_head:
        raise ValueError(f"it holds a {stored[0]}, which does not score pairs of texts")


def load_errors() -> tuple[type[Exception], ...]:
    """``LOAD_ERRORS``, and those that are known only where the libraries are."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    return (*LOAD_ERRORS, StrictDataclassError, SafetensorError)


class Loading(Generic[T]):
    """A model that is loaded once, when first asked for, in a thread of its own.

    Loading cannot be interrupted and may take minutes, with a download. Who has no time for that
    leaves, and it goes on for those who come later.
    """

    def __init__(self, name: str, load: Callable[[], T]) -> None:
        self._name, self._load = name, load
        self._under_way: Future[T] | None = None
        self._starting = threading.Lock()

    @property
    def is_loaded(self) -> bool:
        found = self._under_way
        return found is not None and found.done() and found.exception() is None

    def model(self, deadline: float = math.inf) -> T:
        """The loaded model. A load that failed is tried again by the next call.

        Raises ``ModelUnavailable``, and ``ModelTimeout`` at ``deadline`` on the clock of
        ``time.monotonic``.
        """
        with self._starting:
            if self._under_way is None or (self._under_way.done() and not self.is_loaded):
                pool = ThreadPoolExecutor(1, thread_name_prefix="load")
                self._under_way = pool.submit(self._load)
                pool.shutdown(wait=False)
            under_way = self._under_way
        left = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
        wait([under_way], left)
        if not under_way.done():
            raise ModelTimeout(f"{self._name} is still being loaded")
        try:
            return under_way.result()
        except load_errors() as error:
            raise ModelUnavailable(f"{self._name} cannot be loaded: {error}") from error


class _LoadedTexts(NamedTuple):
    model: TextModel[Any]
    lanes: Lanes
    recent: RecentlyRead


class LocalEmbedder:
    """A bi-encoder by name or path, run by sentence-transformers unless ``load`` says otherwise.

    Prefixes left ``None`` are the model's own prompts for queries and documents. A ``dimension``
    that is given lets ``recipe`` be read without loading; a model of another dimension then fails.
    Texts of ``unknown_share`` and ``embed_passages`` are read once for both, if not too many others
    come between. Requests wait in one queue, without a limit.
    """

    def __init__(
        self,
        model: str,
        *,
        load: Callable[[], TextModel[Any]] | None = None,
        revision: str = "",
        dimension: int | None = None,
        query_prefix: str | None = None,
        passage_prefix: str | None = None,
        languages: tuple[str, ...] = (),
        batch_tokens: int = 8_192,
    ) -> None:
        self._model, self._revision = model, revision
        self._dimension, self._languages = dimension, languages
        self._query_prefix, self._passage_prefix = query_prefix, passage_prefix
        self._batch_tokens = batch_tokens
        self._loading = Loading(model, lambda: self._with_lanes((load or self._load)()))
        self._recipe: EmbeddingRecipe | None = None

    @property
    def recipe(self) -> EmbeddingRecipe:
        if self._recipe is None:
            known = None not in (self._dimension, self._query_prefix, self._passage_prefix)
            prompts = {} if known else self._loaded.model.prompts
            query, passage = self._query_prefix, self._passage_prefix
            self._recipe = EmbeddingRecipe(
                provider="sentence-transformers",
                model=self._model,
                revision=self._revision,
                dimension=self._dimension or self._loaded.model.dimension,
                query_prefix=prompts.get("query") or "" if query is None else query,
                passage_prefix=prompts.get("document") or "" if passage is None else passage,
                languages=self._languages,
            )
        return self._recipe

    @property
    def is_loaded(self) -> bool:
        return self._loading.is_loaded

    @property
    def runs(self) -> str:
        """How and where the model runs, for people who measure it. Loads it."""
        return self._loaded.model.runs

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embed([self.recipe.passage_prefix + text for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return cast("NDArray[np.float32]", self._embed([self.recipe.query_prefix + text])[0])

    def unknown_share(self, text: str) -> float:
        found: float = self._loaded.recent.read([text])[0].unknown_share
        return found

    def warm_up(self) -> None:
        """Load the model and run it once."""
        self.embed_query("warm up")

    def _load(self) -> TextModel[Any]:
        from sentence_transformers import SentenceTransformer

        silence_libraries()
        return text_model(SentenceTransformer(self._model, revision=self._revision or None))

    @property
    def _loaded(self) -> _LoadedTexts:
        return self._loading.model()

    def _with_lanes(self, model: TextModel[Any]) -> _LoadedTexts:
        lanes = Lanes(self._model, model.lanes, most_requests=sys.maxsize, begin=model.begin)
        return _LoadedTexts(model, lanes, RecentlyRead(model.read, MOST_RECENT_TOKENS))

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        loaded = self._loaded
        vectors = np.zeros((len(texts), self.recipe.dimension), np.float32)
        read = loaded.recent.read(texts)
        batches = loaded.model.batches(read, self._batch_tokens)
        runs = [partial(self._run, loaded.model, [read[i] for i in batch]) for batch in batches]
        made = loaded.lanes.run(runs, time.monotonic() + LONGEST_WAIT_S)
        for batch, found in zip(batches, made, strict=True):
            vectors[batch] = found
        return vectors

    def _run(
        self, model: TextModel[Any], texts: Sequence[Any], go_on: Callable[[], None]
    ) -> NDArray[np.float32]:
        """Unit vectors."""
        try:
            found = np.asarray(model.run(texts, go_on), np.float32)
        except RUN_ERRORS as error:
            raise ModelError(f"{self._model} failed: {error}") from error
        if found.shape != (len(texts), self.recipe.dimension):
            raise InvalidModelResponse(f"{self._model} gave vectors of shape {found.shape}")
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        if not (np.isfinite(found).all() and (norms > 0).all()):
            raise InvalidModelResponse(f"{self._model} gave a vector without a direction")
        unit: NDArray[np.float32] = found / norms
        return unit


class LocalReranker:
    """A sentence-transformers cross-encoder by name or path; scores are its raw logits.

    Requests wait in one queue; each has its pairs read once and run in batches of at most
    ``batch_tokens``. They do not share batches: see ADR 0011.
    """

    def __init__(
        self,
        model: str,
        *,
        card: RerankerCard | None = None,
        load: Callable[[], PairModel[Any]] | None = None,
        revision: str = "",
        languages: tuple[str, ...] = (),
        batch_tokens: int = 2_048,
        max_length: int = 512,
        most_requests: int = MOST_REQUESTS,
    ) -> None:
        self._card = card or RerankerCard(
            name=model.rsplit("/", 1)[-1], model=model, revision=revision, languages=languages
        )
        self._model, self._revision = model, revision
        self._batch_tokens, self._max_length = batch_tokens, max_length
        self._most_requests = most_requests
        self._loading = Loading(model, lambda: self._with_lanes((load or self._load)()))

    @property
    def card(self) -> RerankerCard:
        return self._card

    @property
    def is_loaded(self) -> bool:
        return self._loading.is_loaded

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        """As ``Reranker`` says; raises ``ModelBusy`` when too many others wait already."""
        deadline = time.monotonic() + time_limit_s
        if not passages:
            return []
        model, lanes = self._loading.model(deadline)
        pairs = model.read(question, passages)
        batches = model.batches(pairs, self._batch_tokens)
        runs = [partial(self._run, model, [pairs[i] for i in batch]) for batch in batches]
        scores = [0.0] * len(passages)
        for batch, found in zip(batches, lanes.run(runs, deadline), strict=True):
            for position, score in zip(batch, found, strict=True):
                scores[position] = score
        return scores

    def unknown_share(self, text: str) -> float:
        """As ``Reranker`` says; ``ModelTimeout`` when the model takes too long to be loaded."""
        model, _lanes = self._loading.model(time.monotonic() + LOADING_PATIENCE_S)
        return model.unknown_share(text)

    def warm_up(self) -> None:
        """Load the model and run it once."""
        self.score("warm up", ["warm up"], time_limit_s=600.0)

    def _run(
        self, model: PairModel[Any], pairs: Sequence[Any], go_on: Callable[[], None]
    ) -> list[float]:
        try:
            found = np.asarray(model.run(pairs, go_on), np.float64)
        except RUN_ERRORS as error:
            raise ModelError(f"{self._model} failed: {error}") from error
        if found.shape != (len(pairs),) or not np.isfinite(found).all():
            raise InvalidModelResponse(
                f"{self._model} did not give one finite score for each passage"
            )
        scores: list[float] = found.tolist()
        return scores

    def _with_lanes(self, model: PairModel[Any]) -> tuple[PairModel[Any], Lanes]:
        lanes = Lanes(
            self._model, model.lanes, most_requests=self._most_requests, begin=model.begin
        )
        return model, lanes

    def _load(self) -> PairModel[Any]:
        from sentence_transformers import CrossEncoder

        silence_libraries()
        network = CrossEncoder(
            self._model, revision=self._revision or None, max_length=self._max_length
        )
        require_scoring_head(network)
        return pair_model(network, self._max_length)
