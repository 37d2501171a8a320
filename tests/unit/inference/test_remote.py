from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from inference import remote
from inference.errors import InvalidModelResponse, ModelTimeout, ModelUnavailable
from inference.ports import ChatMessage
from inference.remote import OpenAIChatModel

QUESTION = [ChatMessage("system", "Be brief."), ChatMessage("user", "How can I sleep?")]


def event(text: str | None) -> bytes:
    chunk = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


END = b"data: [DONE]\n\n"


@dataclass
class Server:
    """A chat server that plays the given replies in order, the last one for ever."""

    url: str = ""
    replies: list[tuple[int, list[bytes]]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    """A piece ``b"hold"`` waits for this."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote, "FIRST_PAUSE_S", 0.001)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append(json.loads(body))
            state.keys.append(self.headers["Authorization"])
            status, pieces = state.replies[0]
            if len(state.replies) > 1:
                state.replies.pop(0)
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for piece in pieces:
                if piece == b"hold":
                    state.hold.wait(10)
                    continue
                self.wfile.write(piece)
                self.wfile.flush()

        def log_message(self, *args: object) -> None:
            del args

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{web.server_address[1]}/v1"
    yield state
    state.hold.set()
    web.shutdown()
    thread.join()
    web.server_close()


def ask(server: Server, *, time_limit_s: float = 20.0) -> Iterator[str]:
    model = OpenAIChatModel("m", base_url=server.url, api_key="secret")
    return model.stream(QUESTION, max_tokens=50, time_limit_s=time_limit_s)


def test_pieces_come_as_the_server_sends_them(server: Server) -> None:
    server.replies = [(200, [event("Go "), event(None), event("to bed."), END])]
    assert list(ask(server)) == ["Go ", "to bed."]


def test_the_server_gets_model_messages_limit_and_key(server: Server) -> None:
    server.replies = [(200, [event("x"), END])]
    list(ask(server))
    (request,) = server.requests
    assert request["model"] == "m"
    assert request["max_tokens"] == 50
    assert request["stream"] is True
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How can I sleep?"},
    ]
    assert server.keys == ["Bearer secret"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_again(server: Server, status: int) -> None:
    server.replies = [(status, []), (200, [event("Sleep."), END])]
    assert list(ask(server)) == ["Sleep."]
    assert len(server.requests) == 2


def test_attempts_are_bounded(server: Server) -> None:
    server.replies = [(503, [])]
    with pytest.raises(ModelUnavailable, match="503"):
        list(ask(server))
    assert len(server.requests) == remote.ATTEMPTS


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refusal_is_not_tried_again(server: Server, status: int) -> None:
    server.replies = [(status, [b'{"error": {"message": "no"}}'])]
    with pytest.raises(ModelUnavailable, match=str(status)):
        list(ask(server))
    assert len(server.requests) == 1


def test_an_error_never_repeats_the_key(server: Server) -> None:
    server.replies = [(401, [b'{"error": {"message": "bad key secret"}}'])]
    with pytest.raises(ModelUnavailable) as caught:
        list(ask(server))
    assert "secret" not in str(caught.value)


def test_an_error_inside_the_stream_is_reported_after_what_came_before(server: Server) -> None:
    server.replies = [(200, [event("Go "), b'data: {"error": {"message": "gone"}}\n\n'])]
    stream = ask(server)
    assert next(stream) == "Go "
    with pytest.raises(InvalidModelResponse):
        next(stream)
    assert len(server.requests) == 1


def test_what_is_no_completion_is_an_invalid_response(server: Server) -> None:
    server.replies = [(200, [b"data: <html>\n\n"])]
    with pytest.raises(InvalidModelResponse):
        list(ask(server))


def test_an_answer_without_text_is_an_invalid_response(server: Server) -> None:
    server.replies = [(200, [event(None), END])]
    with pytest.raises(InvalidModelResponse, match="empty"):
        list(ask(server))


def test_a_server_that_falls_silent_is_a_timeout(server: Server) -> None:
    server.replies = [(200, [event("Go "), b"hold", END])]
    stream = ask(server, time_limit_s=0.3)
    assert next(stream) == "Go "
    with pytest.raises(ModelTimeout):
        list(stream)


def test_a_limit_that_has_passed_asks_nobody(server: Server) -> None:
    server.replies = [(200, [event("x"), END])]
    with pytest.raises(ModelTimeout):
        list(ask(server, time_limit_s=0.0))
    assert server.requests == []


def test_no_server_at_all_is_unavailable() -> None:
    model = OpenAIChatModel("m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ModelUnavailable, match="no connection"):
        list(model.stream(QUESTION, max_tokens=5, time_limit_s=0.3))


def test_a_reader_who_leaves_closes_the_connection(server: Server) -> None:
    server.replies = [(200, [event("Go "), b"hold", END])]
    stream = ask(server)
    assert next(stream) == "Go "
    stream.close()  # type: ignore[attr-defined]
    assert list(stream) == []
