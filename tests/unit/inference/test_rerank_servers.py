"""Each dialect against a server that answers as its documentation says, well and badly."""

from __future__ import annotations

import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import rerank_servers
from inference.errors import (
    InvalidModelResponse,
    ModelError,
    ModelKeyMissing,
    ModelKeyRefused,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)
from inference.rerank_dialects import DIALECTS
from inference.rerank_servers import ATTEMPTS, RerankServer, seconds_to_wait
from tests.rerank_api import (
    KEY,
    RerankApi,
    changed,
    hangs,
    hangs_up,
    overlap,
    rerank_api,
    status,
    trickles,
    trickles_headers,
)

QUESTION = "how can i sleep better"
PASSAGES = [
    "fruit has sugar",
    "how you can sleep better at night",
    "sleep apnea",
    "how can i sleep better",
    "better fruit",
]
ENOUGH_S = 60.0
ALL = sorted(DIALECTS)
WITH_RESULTS = [name for name in ALL if name != "tei"]

Started = Callable[..., tuple[RerankApi, RerankServer]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    """Start an API of a dialect and make the adapter for it."""
    monkeypatch.setattr(rerank_servers, "FIRST_PAUSE_S", 0.001)
    with ExitStack() as stack:

        def started(dialect: str, **options: Any) -> tuple[RerankApi, RerankServer]:
            wants_key = options.pop("wants_key", False)
            api = stack.enter_context(rerank_api(dialect, wants_key=wants_key))
            given = {"url": api.url, "dialect": dialect, **options}
            return api, RerankServer("BAAI/bge-reranker-v2-m3", **given)

        yield started


def ask(server: RerankServer, time_limit_s: float = ENOUGH_S) -> list[float]:
    return server.score(QUESTION, PASSAGES, time_limit_s=time_limit_s)


# ---- the dialects ------------------------------------------------------------------------------
@pytest.mark.parametrize("dialect", ALL)
def test_scores_come_in_the_order_of_the_passages_although_the_server_sorts(
    start: Started, dialect: str
) -> None:
    _, server = start(dialect)
    scores = ask(server)
    expected = [overlap(QUESTION, passage) for passage in PASSAGES]
    assert scores != sorted(scores, reverse=True)
    if dialect == "tei":
        assert scores == pytest.approx([10 * score - 5 for score in expected])
    else:
        assert scores == pytest.approx(expected)


@pytest.mark.parametrize("dialect", ALL)
def test_the_card_tells_the_range_of_the_scores_and_claims_no_probabilities(
    start: Started, dialect: str
) -> None:
    _, server = start(dialect, revision="r1", languages=("zh", "en"))
    assert server.card.unit_scores is (dialect != "tei")
    assert not server.card.scores_are_probabilities
    assert (server.card.name, server.card.revision) == ("bge-reranker-v2-m3", "r1")
    assert server.card.languages == ("zh", "en")


def test_the_requests_hold_what_each_api_documents_and_nothing_else(start: Started) -> None:
    common = {"query": QUESTION, "documents": PASSAGES, "top_n": 5}
    named = {"model": "BAAI/bge-reranker-v2-m3", **common}
    expected = {
        "cohere_v1": {**named, "return_documents": False},
        "cohere_v2": named,
        "jina": {**named, "return_documents": False},
        "tei": {
            "query": QUESTION,
            "texts": PASSAGES,
            "raw_scores": True,
            "return_text": False,
            "truncate": True,
        },
        "vllm": named,
    }
    for dialect in ALL:
        api, server = start(dialect)
        ask(server)
        assert api.requests == [expected[dialect]], dialect


@pytest.mark.parametrize("dialect", ALL)
def test_an_address_may_end_in_the_version_or_in_the_endpoint(start: Started, dialect: str) -> None:
    api, _ = start(dialect)
    version = DIALECTS[dialect].path.removesuffix("/rerank")  # type: ignore[index]
    for address in ("", "/", version, f"{version}/", DIALECTS[dialect].path):  # type: ignore[index]
        server = RerankServer("m", url=api.url + address, dialect=dialect)  # type: ignore[arg-type]
        assert len(ask(server)) == len(PASSAGES)


def test_tei_gives_scores_from_0_to_1_when_its_row_says_so(start: Started) -> None:
    api, server = start("tei", scale="unit")
    assert ask(server) == pytest.approx([overlap(QUESTION, passage) for passage in PASSAGES])
    assert api.requests[0]["raw_scores"] is False
    assert server.card.unit_scores


def test_a_server_of_unbounded_scores_is_read_when_its_row_says_so(start: Started) -> None:
    api, server = start("vllm", scale="logit")
    api.misfortunes = [changed(with_score(0, -7.5))]
    assert -7.5 in ask(server)


def test_many_passages_go_out_in_requests_of_the_size_that_the_server_takes(
    start: Started,
) -> None:
    api, server = start("tei", documents_per_request=32)
    passages = [f"sleep {number}" if number % 2 else "fruit" for number in range(70)]
    scores = server.score("sleep", passages, time_limit_s=ENOUGH_S)
    assert [len(request["texts"]) for request in api.requests] == [32, 32, 6]
    assert scores == [5.0 if number % 2 else -5.0 for number in range(70)]


def test_too_many_passages_in_a_request_are_refused_and_that_is_said(start: Started) -> None:
    _, server = start("tei", documents_per_request=100)
    with pytest.raises(ModelRefused, match="413"):
        server.score("sleep", ["sleep"] * 40, time_limit_s=ENOUGH_S)


def test_no_passages_need_no_request(start: Started) -> None:
    api, server = start("cohere_v2")
    assert server.score(QUESTION, [], time_limit_s=ENOUGH_S) == []
    assert api.requests == []


def test_a_server_without_a_model_goes_by_its_name(start: Started) -> None:
    api, _ = start("tei")
    server = RerankServer("", url=api.url, dialect="tei")
    assert (server.card.name, server.card.model) == ("127.0.0.1", "127.0.0.1")
    assert server.unknown_share("怎样才能睡得更好") == 0.0


# ---- keys --------------------------------------------------------------------------------------
def test_the_key_is_sent_as_a_bearer_and_read_anew_for_each_question(start: Started) -> None:
    keys = ["rk-old", KEY]
    api, server = start("cohere_v2", wants_key=True, key=lambda: keys[0])
    with pytest.raises(ModelKeyRefused):
        ask(server)
    keys.pop(0)
    assert len(ask(server)) == 5
    assert [each["Authorization"] for each in api.headers] == ["Bearer rk-old", f"Bearer {KEY}"]


def test_no_key_sends_no_authorization(start: Started) -> None:
    api, server = start("vllm")
    ask(server)
    assert "Authorization" not in api.headers[0]


def test_a_missing_key_is_told_before_anything_is_sent(start: Started) -> None:
    def missing() -> str:
        raise ModelKeyMissing("there is no usable key in COHERE_API_KEY")

    api, server = start("cohere_v2", key=missing)
    with pytest.raises(ModelKeyMissing, match="COHERE_API_KEY"):
        ask(server)
    assert api.requests == []


@pytest.mark.parametrize("code", [400, 401, 403, 429, 500])
def test_neither_key_nor_question_nor_what_the_server_wrote_gets_into_errors_and_logs(
    start: Started, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # As ragsite/logging.py does.
    api, server = start("cohere_v2", key=lambda: KEY)
    secret = {"message": f"{KEY} may not ask {QUESTION}: server secret"}
    api.misfortunes = [status(code, secret)] * ATTEMPTS
    with pytest.raises(ModelError) as caught:
        ask(server)
    told = "".join(traceback.format_exception(caught.value)) + repr(server) + caplog.text
    for never in (KEY, QUESTION, "server secret"):
        assert never not in told


# ---- errors, limits, slowness ------------------------------------------------------------------
@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize("dialect", ALL)
def test_a_refused_key_is_not_tried_again(start: Started, dialect: str, code: int) -> None:
    api, server = start(dialect)
    api.misfortunes = [status(code)]
    with pytest.raises(ModelKeyRefused) as caught:
        ask(server)
    assert caught.value.reason == "model_key_refused"
    assert len(api.requests) == 1


@pytest.mark.parametrize("code", [301, 307, 400, 402, 404, 413, 422])
def test_a_refused_request_is_not_tried_again(start: Started, code: int) -> None:
    api, server = start("jina")
    api.misfortunes = [status(code, Location="/v1/rerank")]
    with pytest.raises(ModelRefused, match=str(code)) as caught:
        ask(server)
    assert caught.value.reason == "model_refused"
    assert len(api.requests) == 1


@pytest.mark.parametrize("code", [408, 424, 429, 500, 502, 503, 529])
@pytest.mark.parametrize("dialect", ALL)
def test_what_may_pass_is_tried_again(start: Started, dialect: str, code: int) -> None:
    api, server = start(dialect)
    api.misfortunes = [status(code)] * (ATTEMPTS - 1)
    assert len(ask(server)) == 5
    assert len(api.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        (429, ModelRateLimited, "model_rate_limited"),
        (503, ModelUnavailable, "model_unavailable"),
    ],
)
def test_attempts_are_bounded(
    start: Started, code: int, error: type[ModelError], reason: str
) -> None:
    api, server = start("cohere_v2")
    api.misfortunes = [status(code)] * 10
    with pytest.raises(error) as caught:
        ask(server)
    assert caught.value.reason == reason
    assert len(api.requests) == ATTEMPTS


def test_the_wait_that_the_server_asks_for_is_kept(
    start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("inference.rerank_servers.time.sleep", waited.append)
    api, server = start("cohere_v2")
    api.misfortunes = [status(429, Retry_After="3"), status(503, Retry_After="2")]
    assert len(ask(server)) == 5
    assert waited == [3.0, 2.0]


def test_a_wait_beyond_the_time_limit_is_not_begun(start: Started) -> None:
    api, server = start("cohere_v2")
    api.misfortunes = [status(429, Retry_After="3600")]
    with pytest.raises(ModelRateLimited):
        ask(server)
    assert len(api.requests) == 1


@pytest.mark.parametrize("slow", [hangs, trickles, trickles_headers])
def test_a_slow_answer_ends_with_the_time_limit(start: Started, slow: Any) -> None:
    api, server = start("tei")
    api.misfortunes = [slow]
    # Without an end to the waiting, the server would hang up and be found unavailable.
    with pytest.raises(ModelTimeout):
        ask(server, time_limit_s=0.3)
    assert len(api.requests) == 1


def test_the_connection_of_a_request_that_was_given_up_is_ended(start: Started) -> None:
    api, server = start("tei")
    api.misfortunes = [trickles_headers]
    with pytest.raises(ModelTimeout):
        ask(server, time_limit_s=0.3)
    assert api.gone.wait(10)
    assert len(ask(server)) == len(PASSAGES)


def test_a_name_that_is_not_found_in_time_ends_with_the_time_limit_and_is_not_asked_later(
    start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, server = start("tei")
    look_up, found = socket.getaddrinfo, threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        found.wait(20)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(ModelTimeout):
        ask(server, time_limit_s=0.3)
    assert not found.is_set()
    found.set()
    assert len(ask(server)) == len(PASSAGES)
    assert len(api.requests) == 1


def test_the_time_limit_is_one_for_all_requests_of_a_question(start: Started) -> None:
    api, server = start("tei", documents_per_request=1)
    api.misfortunes = [changed(lambda body: body), hangs]
    with pytest.raises(ModelTimeout):
        ask(server, time_limit_s=2.0)
    assert len(api.requests) == 2


def test_a_time_limit_that_has_passed_sends_nothing(start: Started) -> None:
    api, server = start("vllm")
    with pytest.raises(ModelTimeout):
        ask(server, time_limit_s=0.0)
    assert api.requests == []


def test_a_server_that_is_killed_in_the_middle_is_asked_again(start: Started) -> None:
    api, server = start("vllm")
    api.misfortunes = [hangs_up]
    assert len(ask(server)) == 5
    api.misfortunes = [hangs_up] * ATTEMPTS
    with pytest.raises(ModelUnavailable):
        ask(server)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = RerankServer("m", url=f"http://127.0.0.1:{port}", dialect="vllm")
    with pytest.raises(ModelUnavailable, match="no connection"):
        ask(server)


# ---- malformed answers -------------------------------------------------------------------------
def results_of(body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body if isinstance(body, list) else body["results"]
    return found


def with_score(place: int, score: object) -> Callable[[Any], Any]:
    def change(body: Any) -> Any:
        result = results_of(body)[place]
        result["score" if "score" in result else "relevance_score"] = score
        return body

    return change


def with_index(place: int, index: object) -> Callable[[Any], Any]:
    def change(body: Any) -> Any:
        results_of(body)[place]["index"] = index
        return body

    return change


def without(place: int, *fields: str) -> Callable[[Any], Any]:
    def change(body: Any) -> Any:
        for each in fields:
            results_of(body)[place].pop(each, None)
        return body

    return change


def shortened(body: Any) -> Any:
    results_of(body).pop()
    return body


def lengthened(body: Any) -> Any:
    results_of(body).append({"index": 5, "score": 0.1, "relevance_score": 0.1})
    return body


def twice(body: Any) -> Any:
    results_of(body)[1] = results_of(body)[0]
    return body


MALFORMED: dict[str, Callable[[Any], Any]] = {
    "not JSON": lambda body: b"<html>busy</html>",
    "half of it": lambda body: b'{"results": [{"index": 0',
    "not text": lambda body: b"\xff\xfe\x00",
    "empty": lambda body: b"",
    "deeper than can be read": lambda body: b"[" * 100_000,
    "null": lambda body: None,
    "a number": lambda body: 7,
    "another shape": lambda body: {"data": []},
    "results that are no list": lambda body: {"results": {"0": 1.0}},
    "results that are no objects": lambda body: [1, 2, 3, 4, 5],
    "one too few": shortened,
    "one too many": lengthened,
    "one twice": twice,
    "an index out of range": with_index(0, 5),
    "a negative index": with_index(0, -1),
    "an index that is no number": with_index(0, "0"),
    "an index that is true": with_index(0, True),
    "no index": without(0, "index"),
    "no score": without(0, "score", "relevance_score"),
    "a score that is no number": with_score(0, "0.9"),
    "a score that is true": with_score(0, True),
    "NaN": with_score(0, float("nan")),
    "infinite": with_score(0, float("inf")),
    "beyond every float": with_score(0, 10**400),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("dialect", ALL)
def test_a_malformed_answer_is_named_and_not_asked_for_again(
    start: Started, dialect: str, name: str
) -> None:
    api, server = start(dialect)
    api.misfortunes = [changed(MALFORMED[name])]
    with pytest.raises(InvalidModelResponse):
        ask(server)
    assert len(api.requests) == 1


@pytest.mark.parametrize("score", [-0.2, 1.5, 12.0])
@pytest.mark.parametrize("dialect", WITH_RESULTS)
def test_a_score_off_the_documented_scale_is_not_taken_for_one_on_it(
    start: Started, dialect: str, score: float
) -> None:
    api, server = start(dialect)
    api.misfortunes = [changed(with_score(2, score))]
    with pytest.raises(InvalidModelResponse, match="scale"):
        ask(server)


def test_a_score_a_rounding_above_1_is_1(start: Started) -> None:
    api, server = start("vllm")
    api.misfortunes = [changed(with_score(0, 1.0000002))]
    assert max(ask(server)) == 1.0


def test_an_answer_without_end_is_not_read_to_its_end(
    start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerank_servers, "MOST_BYTES", 1000)
    api, server = start("vllm")
    api.misfortunes = [changed(lambda body: b" " * 5000)]
    with pytest.raises(InvalidModelResponse, match="too long"):
        ask(server)


# ---- Retry-After -------------------------------------------------------------------------------
def test_a_wait_may_be_given_as_a_date() -> None:
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert seconds_to_wait("Thu, 01 Jan 2026 12:00:30 GMT", now) == 30.0
    assert seconds_to_wait("Thu, 01 Jan 2026 11:00:00 GMT", now) == 0.0


@given(st.text())
def test_any_header_gives_a_wait_that_is_not_negative_or_none(text: str) -> None:
    waited = seconds_to_wait(text, datetime.now(UTC) - timedelta(days=1))
    assert waited is None or waited >= 0
