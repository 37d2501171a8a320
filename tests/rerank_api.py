"""A rerank server on this machine that answers as the public documentation of each API says.

It checks requests as the real ones do, scores by shared words, and plays a list of misfortunes
first: each takes the handler's place for one request.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "rk-0123456789abcdef"
TEI_MOST = 32
"""``--max-client-batch-size``, its default."""
PATHS = {
    "cohere_v1": "/v1/rerank",
    "cohere_v2": "/v2/rerank",
    "jina": "/v1/rerank",
    "tei": "/rerank",
    "vllm": "/v1/rerank",
}

Answer = tuple[int, Any]
Misfortune = Callable[["RerankApi", BaseHTTPRequestHandler, dict[str, Any]], None]


@dataclass
class RerankApi:
    """The server's state: where it is, what it was asked, and what it is to do wrong."""

    dialect: str
    wants_key: bool = False
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    misfortunes: list[Misfortune] = field(default_factory=list)
    """Played in order, one a request; after the last one it answers well."""
    release: threading.Event = field(default_factory=threading.Event)
    """Set when whoever hangs on purpose may go."""
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when who asked has closed the connection in the middle."""


@contextmanager
def rerank_api(dialect: str, *, wants_key: bool = False) -> Iterator[RerankApi]:
    """Run one until the end of the block."""
    api = RerankApi(dialect, wants_key=wants_key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.requests.append(body)
            api.headers.append(dict(self.headers.items()))
            api.paths.append(self.path)
            if api.misfortunes:
                api.misfortunes.pop(0)(api, self, body)
                return
            reply(self, *answer_to(api, self.path, self.headers.get("Authorization", ""), body))

        def log_message(self, *args: object) -> None:
            del args

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    api.url = f"http://127.0.0.1:{web.server_address[1]}"
    try:
        yield api
    finally:
        api.release.set()
        web.shutdown()
        thread.join()
        web.server_close()


def answer_to(api: RerankApi, path: str, authorization: str, body: dict[str, Any]) -> Answer:
    """What the real server would answer."""
    if path != PATHS[api.dialect]:
        return 404, {"message": "not found"}
    if api.wants_key and authorization != f"Bearer {KEY}":
        return 401, {"message": f"invalid api token {authorization}"}
    return (tei_answer if api.dialect == "tei" else results_answer)(api, body)


def tei_answer(api: RerankApi, body: dict[str, Any]) -> Answer:
    if set(body) - {"query", "texts", "raw_scores", "return_text", "truncate"}:
        return 422, {"error": "unknown field", "error_type": "validation"}
    texts = body["texts"]
    if len(texts) > TEI_MOST:
        problem = f"batch size {len(texts)} > maximum allowed batch size {TEI_MOST}"
        return 413, {"error": problem, "error_type": "validation"}
    ranks = [
        {"index": index, "score": 10 * score - 5 if body.get("raw_scores") else score}
        | ({"text": texts[index]} if body.get("return_text") else {})
        for index, score in best_first(body["query"], texts)
    ]
    return 200, ranks


def results_answer(api: RerankApi, body: dict[str, Any]) -> Answer:
    if not body.get("model"):
        return 400, {"message": "invalid request: model is required"}
    if not body["documents"]:
        return 400, {"message": "invalid request: list of documents must not be empty"}
    tells_texts = {
        "cohere_v1": body.get("return_documents", False),
        "cohere_v2": False,
        "jina": body.get("return_documents", True),
        "vllm": True,
    }[api.dialect]
    results = [
        {"index": index, "relevance_score": score}
        | ({"document": {"text": body["documents"][index]}} if tells_texts else {})
        for index, score in best_first(body["query"], body["documents"])
    ][: body.get("top_n") or None]
    about: dict[str, Any] = {
        "cohere_v1": {"id": "8b", "meta": {"api_version": {"version": "1"}}},
        "cohere_v2": {"id": "07", "meta": {"billed_units": {"search_units": 1}}},
        "jina": {"model": body["model"], "usage": {"total_tokens": 815}},
        "vllm": {"id": "rerank-fa", "model": body["model"], "usage": {"total_tokens": 56}},
    }[api.dialect]
    return 200, {**about, "results": results}


def best_first(query: str, texts: list[str]) -> list[tuple[int, float]]:
    """Place and score of each text, as all of them answer: sorted by score."""
    return sorted(
        ((index, overlap(query, text)) for index, text in enumerate(texts)),
        key=lambda pair: -pair[1],
    )


def overlap(query: str, text: str) -> float:
    """Share of the question's words that the text holds: what this server takes for relevance."""
    asked = set(query.lower().split())
    return len(asked & set(text.lower().split())) / max(1, len(asked))


def reply(
    handler: BaseHTTPRequestHandler, status: int, body: Any, headers: dict[str, str] | None = None
) -> None:
    """Send ``body``, as JSON unless it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


# ---- misfortunes -------------------------------------------------------------------------------
def status(code: int, body: Any = None, **headers: str) -> Misfortune:
    """An error, or any fixed answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def play(api: RerankApi, handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        del api, request
        reply(handler, code, {"message": "no"} if body is None else body, named)

    return play


def changed(change: Callable[[Any], Any]) -> Misfortune:
    """The right answer, spoilt."""

    def play(api: RerankApi, handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
        code, body = answer_to(api, PATHS[api.dialect], f"Bearer {KEY}", request)
        reply(handler, code, change(body))

    return play


def hangs(api: RerankApi, handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
    """Says nothing for as long as anybody waits."""
    del request
    api.release.wait(20)
    handler.close_connection = True


def trickles(api: RerankApi, handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
    """Begins at once and never gets to the end, a byte at a time."""
    del request
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    for _ in range(2_000):
        if api.release.wait(0.01):
            break
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            break
    handler.close_connection = True


def trickles_headers(
    api: RerankApi, handler: BaseHTTPRequestHandler, request: dict[str, Any]
) -> None:
    """Does not get to the end of its headers, a byte at a time; ``gone`` says that it noticed."""
    del request
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(2_000):
        if api.release.wait(0.01):
            break
        try:
            handler.wfile.write(b"a")
        except OSError:
            api.gone.set()
            break
    handler.close_connection = True


def hangs_up(api: RerankApi, handler: BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
    """Killed in the middle of an answer."""
    del api, request
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"results": [')
    handler.wfile.flush()
    handler.connection.close()
    handler.close_connection = True
