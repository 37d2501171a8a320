"""Which models this installation uses: the one file here that reads Django's settings.

Objects are made once per process and configuration and shared by all threads. Making one loads no
model: that happens at first use, or in ``warm_up``.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from django.conf import settings

from inference.base_embedder import base_embedder
from inference.bundled import WEIGHTS, bundled_reranker, read_config
from inference.errors import ModelError, ModelUnavailable
from inference.fake import FakeChatModel, FakeEmbedder, FakeReranker
from inference.keys import is_key_source, read_key
from inference.local import LocalEmbedder, LocalReranker
from inference.remote import OpenAIChatModel
from inference.rerank_servers import RerankServer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from inference.ports import ChatModel, Embedder, Reranker
    from inference.rerank_dialects import DialectName, Scale

_Model = TypeVar("_Model")

logger = logging.getLogger(__name__)

RerankerKind = Literal["bundled", "local", "server", "fake", "none"]

COHERE_ADDRESS = "https://api.cohere.com"
COHERE_MODEL = "rerank-multilingual-v3.0"
COHERE_KEY = "COHERE_API_KEY"
"""What ``RAGSITE_RERANKER=cohere`` means."""


@dataclass(frozen=True, slots=True)
class RerankerSpec:
    """A reranker as data: enough to make one. Equal specs share one loaded model."""

    kind: RerankerKind
    model: str = ""
    """Name or path of a sentence-transformers cross-encoder for the kind ``local``; for ``server``
    the name that the server knows it by."""
    revision: str = ""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes it was trained on; empty means any. The bundled model knows its own."""
    batch_tokens: int = 2_048
    """Padded tokens in one batch; the time limit is checked between batches."""
    max_length: int = 512
    """Tokens of question and passage together that are read; the rest is cut off."""
    url: str = ""
    """Address of the server, for the kind ``server``; the dialect's path is added."""
    dialect: DialectName = "cohere_v2"
    key_source: str = ""
    """Where the server's key is, never the key: see ``inference.keys``. Empty for none."""
    documents_per_request: int = 32
    score_scale: Scale | None = None
    """What the server's scores are; ``None`` takes what its dialect documents."""


@dataclass(frozen=True, slots=True)
class KnownReranker:
    """What users of a cross-encoder must know and its files do not say."""

    languages: tuple[str, ...] = ()


KNOWN_RERANKERS = {
    "BAAI/bge-reranker-v2-m3": KnownReranker(),
    "BAAI/bge-reranker-base": KnownReranker(("zh", "en")),
    "BAAI/bge-reranker-large": KnownReranker(("zh", "en")),
    "cross-encoder/ms-marco-MiniLM-L6-v2": KnownReranker(("en",)),
    "cross-encoder/ms-marco-MiniLM-L12-v2": KnownReranker(("en",)),
    "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1": KnownReranker(),
    "mixedbread-ai/mxbai-rerank-base-v1": KnownReranker(("en",)),
}
"""By what their model cards say. Any other is taken to read every language."""


@dataclass(frozen=True, slots=True)
class KnownEmbedder:
    """What a model's users must know of it and its files do not say."""

    languages: tuple[str, ...] = ()
    query_prefix: str | None = None
    passage_prefix: str | None = None


KNOWN_EMBEDDERS = {
    "intfloat/multilingual-e5-small": KnownEmbedder((), "query: ", "passage: "),
    "intfloat/multilingual-e5-base": KnownEmbedder((), "query: ", "passage: "),
    "BAAI/bge-small-en-v1.5": KnownEmbedder(
        ("en",), "Represent this sentence for searching relevant passages: ", ""
    ),
    "sentence-transformers/all-MiniLM-L6-v2": KnownEmbedder(("en",), "", ""),
    "sentence-transformers/all-mpnet-base-v2": KnownEmbedder(("en",), "", ""),
}
"""Any other model is taken to read every language and to bring its own prompts."""


_made: dict[Hashable, object] = {}
_making = threading.Lock()


def get_embedder(name: str = "") -> Embedder | None:
    """The embedder of this name, else the configured one; ``None`` for lexical retrieval only."""
    name = name or settings.RAGSITE_EMBEDDER
    return None if name == "none" else _shared(("embedder", name), lambda: _make_embedder(name))


def embedder_names() -> list[str]:
    """The embedders that a knowledge base may choose beside the configured one."""
    names = [*settings.RAGSITE_EMBEDDERS, "none"]
    return [name for name in dict.fromkeys(names) if name != settings.RAGSITE_EMBEDDER]


def get_reranker(profile: RerankerSpec | None = None) -> Reranker | None:
    """The reranker of the profile, else the configured one; ``None`` when there is to be none.

    Raises ``ModelUnavailable`` when the bundled model's files are missing.
    """
    spec = profile or default_reranker()
    return None if spec.kind == "none" else _shared(spec, lambda: _make_reranker(spec))


def get_chat_model() -> ChatModel | None:
    """The configured chat model; ``None`` when answers are to be put together from quotations.

    Raises ``ModelUnavailable`` when a server is configured and no model is named.
    """
    if settings.RAGSITE_CHAT_FAKE:
        return FakeChatModel()
    model, base_url = settings.RAGSITE_CHAT_MODEL, settings.RAGSITE_CHAT_BASE_URL
    key = settings.RAGSITE_CHAT_API_KEY
    if not model and not base_url:
        return None
    if not model:
        raise ModelUnavailable("RAGSITE_CHAT_BASE_URL is set and RAGSITE_CHAT_MODEL is not")
    return _shared(
        ("chat", model, base_url, key),
        lambda: OpenAIChatModel(model, base_url=base_url, api_key=key),
    )


def default_reranker() -> RerankerSpec:
    """What ``RAGSITE_RERANKER`` asks for."""
    name, _, revision = settings.RAGSITE_RERANKER.partition("@")
    if name == "cohere" or name.startswith("cohere:"):
        return RerankerSpec(
            "server",
            model=name.removeprefix("cohere").removeprefix(":") or COHERE_MODEL,
            url=COHERE_ADDRESS,
            dialect="cohere_v2",
            key_source=COHERE_KEY,
            documents_per_request=1000,
        )
    if name == "bundled":
        return RerankerSpec("bundled")
    if name == "fake":
        return RerankerSpec("fake")
    if name == "none":
        return RerankerSpec("none")
    known = KNOWN_RERANKERS.get(name, KnownReranker())
    return RerankerSpec("local", model=name, revision=revision, languages=known.languages)


def release_reranker(spec: RerankerSpec) -> None:
    """Let go of the reranker made for this spec: an edited row must not fill memory twice."""
    with _making:
        _made.pop(spec, None)


def languages_of(spec: RerankerSpec) -> tuple[str, ...]:
    """The languages that a reranker may be used for, empty for any; loads no model.

    The bundled one tells them itself. Raises ``ModelUnavailable`` when its files are missing.
    """
    if spec.kind == "bundled":
        return read_config(WEIGHTS).card.languages
    return spec.languages


def may_hold_key(source: str) -> bool:
    """Whether a key may be read from the variable or file of this name."""
    return is_key_source(source, Path(settings.RAGSITE_KEY_FOLDER))


def warm_up(
    rerankers: Iterable[RerankerSpec] | None = None, embedders: Iterable[str] = ()
) -> list[str]:
    """Load every configured model now. Returns a sentence for each that could not be loaded.

    Without ``rerankers``, the one that the settings name is loaded; ``embedders`` are loaded beside
    the configured one. A model that fails leaves the others usable: the application degrades and
    says so.
    """
    problems: list[str] = []
    getters: list[Callable[[], object]] = [get_embedder, get_chat_model]
    getters += [partial(get_embedder, name) for name in embedders]
    getters += [
        partial(get_reranker, spec) for spec in ([None] if rerankers is None else rerankers)
    ]
    for get in getters:
        try:
            load = getattr(get(), "warm_up", None)
            if load is not None:
                load()
        except ModelError as error:
            logger.warning("model.not_loaded", extra={"reason": error.reason, "detail": str(error)})
            problems.append(str(error))
    return problems


def _shared(key: Hashable, make: Callable[[], _Model]) -> _Model:
    """The object of this key, made by the first caller. A failed attempt is not remembered."""
    with _making:
        if key not in _made:
            _made[key] = make()
        return cast("_Model", _made[key])


def _make_embedder(name: str) -> Embedder:
    if name == "fake":
        return FakeEmbedder()
    if name == "minilm":
        return base_embedder()
    model, _, revision = name.partition("@")
    known = KNOWN_EMBEDDERS.get(model, KnownEmbedder())
    return LocalEmbedder(
        model,
        revision=revision,
        query_prefix=known.query_prefix,
        passage_prefix=known.passage_prefix,
        languages=known.languages,
    )


def _make_reranker(spec: RerankerSpec) -> Reranker:
    if spec.kind == "bundled":
        return bundled_reranker(batch_tokens=spec.batch_tokens, max_length=spec.max_length)
    if spec.kind == "fake":
        return FakeReranker()
    if spec.kind == "server":
        return RerankServer(
            spec.model,
            url=spec.url,
            dialect=spec.dialect,
            key=partial(read_key, spec.key_source, Path(settings.RAGSITE_KEY_FOLDER)),
            revision=spec.revision,
            languages=spec.languages,
            documents_per_request=spec.documents_per_request,
            scale=spec.score_scale,
        )
    if not spec.model:
        raise ModelUnavailable("a local reranker needs the name or path of a model")
    return LocalReranker(
        spec.model,
        revision=spec.revision,
        languages=spec.languages,
        batch_tokens=spec.batch_tokens,
        max_length=spec.max_length,
    )
