"""What rerank servers are asked and what they answer, as their documentation says.

- Cohere v2 and v1: ``POST /v2/rerank``, ``POST /v1/rerank``; scores "normalized to be in [0, 1]".
- Jina: ``POST /v1/rerank``; returns the documents unless told not to.
- Text Embeddings Inference: ``POST /rerank`` with ``texts``; a bare list of ``index`` and
  ``score``; logits on request (``raw_scores``); refuses long texts unless told to cut them.
- vLLM: ``POST /v1/rerank``, an answer like Jina's; whether scores are in [0, 1] depends on the
  model, most cross-encoders being served with a sigmoid.

An answer lists passages best first and names each by its place in the request, so it is read by
``index`` and never by order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit, urlunsplit

from inference.errors import InvalidModelResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DialectName = Literal["cohere_v1", "cohere_v2", "jina", "tei", "vllm"]
Scale = Literal["unit", "logit"]
"""Scores in [0, 1], or unbounded ones that a logistic function maps there."""

ENDPOINT = "/rerank"
UNIT_TOLERANCE = 1e-3
"""So much may a score lie outside [0, 1] by rounding in a server's half precision."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of asking and answering."""

    path: str
    """Where the endpoint is below the server's address."""
    passages: str = "documents"
    """The field of the request that holds the texts."""
    results: str = "results"
    """The field of the answer that holds the list; empty when the answer is the list."""
    score: str = "relevance_score"
    scale: Scale = "unit"
    needs_model: bool = True
    takes_top_n: bool = True
    logits_on_request: str = ""
    """The field of the request that asks for unbounded scores, where there is one."""
    without_texts: str = ""
    """The field of the request that, set to false, keeps the texts out of the answer."""
    cuts_on_request: str = ""
    """The field of the request that, set to true, has long texts cut instead of refused."""


DIALECTS: Mapping[DialectName, Dialect] = {
    "cohere_v1": Dialect("/v1/rerank", without_texts="return_documents"),
    "cohere_v2": Dialect("/v2/rerank"),
    "jina": Dialect("/v1/rerank", without_texts="return_documents"),
    "tei": Dialect(
        "/rerank",
        passages="texts",
        results="",
        score="score",
        scale="logit",
        needs_model=False,
        takes_top_n=False,
        logits_on_request="raw_scores",
        without_texts="return_text",
        cuts_on_request="truncate",
    ),
    "vllm": Dialect("/v1/rerank"),
}


def endpoint(dialect: Dialect, address: str) -> str:
    """The full URL: ``address`` itself when it ends in ``/rerank``, else with the path added.

    An address may or may not end in the version, ``https://host/v1`` or ``https://host``.
    """
    parts = urlsplit(address)
    base = parts.path.rstrip("/")
    if base.endswith(ENDPOINT):
        path = base
    else:
        version = dialect.path.removesuffix(ENDPOINT)
        path = base.removesuffix(version) + dialect.path if version else base + dialect.path
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def request_body(
    dialect: Dialect, *, model: str, question: str, passages: Sequence[str], scale: Scale
) -> dict[str, object]:
    """What is sent, ready for JSON. Scores of all passages are asked for."""
    body: dict[str, object] = {"query": question, dialect.passages: list(passages)}
    if model and dialect.needs_model:
        body["model"] = model
    if dialect.takes_top_n:
        body["top_n"] = len(passages)
    if dialect.logits_on_request:
        body[dialect.logits_on_request] = scale == "logit"
    if dialect.without_texts:
        body[dialect.without_texts] = False
    if dialect.cuts_on_request:
        body[dialect.cuts_on_request] = True
    return body


def scores_in(dialect: Dialect, answer: object, *, count: int, scale: Scale) -> list[float]:
    """One finite score per passage, in the order of the request.

    Raises ``InvalidModelResponse`` for anything else: another shape, a passage missing, named
    twice or unknown, a score that is no number or not on the scale.
    """
    results = answer
    if dialect.results:
        results = answer.get(dialect.results) if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise InvalidModelResponse("the answer holds no list of results")
    if len(results) != count:
        raise InvalidModelResponse(f"{len(results)} results for {count} passages")
    scores: dict[int, float] = {}
    for result in results:
        index, score = _one(dialect, result)
        if not 0 <= index < count or index in scores:
            raise InvalidModelResponse("a result names a passage that was not sent, or one twice")
        if not math.isfinite(score):
            raise InvalidModelResponse("a score is not finite")
        if scale == "unit" and not -UNIT_TOLERANCE <= score <= 1 + UNIT_TOLERANCE:
            raise InvalidModelResponse("a score is outside of 0 to 1; see the scale of its row")
        scores[index] = min(max(score, 0.0), 1.0) if scale == "unit" else score
    return [scores[index] for index in range(count)]


def _one(dialect: Dialect, result: object) -> tuple[int, float]:
    if not isinstance(result, dict):
        raise InvalidModelResponse("a result is no object")
    index, score = result.get("index"), result.get(dialect.score)
    # To Python, true and false are numbers too.
    if not isinstance(index, int) or isinstance(index, bool):
        raise InvalidModelResponse("a result does not say which passage it is about")
    if not isinstance(score, int | float) or isinstance(score, bool):
        raise InvalidModelResponse("a result has no score")
    try:
        return index, float(score)
    except OverflowError:
        raise InvalidModelResponse("a score is not finite") from None
