"""Reranking by a server over HTTP, in any of the known dialects.

The passages go out in requests of limited size, all of them within one time limit. What another
attempt may mend (no connection, too many requests, a server error) is tried again, at most
``ATTEMPTS`` times a request and never past the limit. No message holds a key, a question, a passage
or anything that the server wrote.

The HTTP client's time-outs are for single steps: looking up a name has none, and a server that
sends a byte of its headers now and then is in time for each. So a request runs in a thread beside
the one that waits for it, which leaves at the limit, whatever the request is at.
"""

from __future__ import annotations

import email.utils
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inference.errors import (
    InvalidModelResponse,
    ModelError,
    ModelKeyRefused,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)
from inference.ports import RerankerCard
from inference.rerank_dialects import DIALECTS, endpoint, request_body, scores_in

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    import httpx
    from httpcore import NetworkStream

    from inference.rerank_dialects import DialectName, Scale

ATTEMPTS = 3
FIRST_PAUSE_S = 0.25
"""Wait before the second attempt where the server asks for none; it doubles after that."""
CONNECT_TIMEOUT_S = 3.0
MOST_AT_ONCE = 16
"""Requests to one server; more wait within their time limit."""
MOST_BYTES = 16 * 1024 * 1024
"""Longer answers are not read to their end."""
AGAIN = frozenset({408, 424, 425, 429})
"""Client errors that pass: slow request, failed inference (TEI), too early, too many requests."""


class RerankServer:
    """A cross-encoder behind a server. ``key`` is asked for before each call and never kept.

    Its scores are as the server gave them. Those from 0 to 1 are no calibrated probabilities (the
    vendors say that they depend on the question), and the card does not claim so.
    """

    def __init__(
        self,
        model: str,
        *,
        url: str,
        dialect: DialectName,
        key: Callable[[], str] = lambda: "",
        revision: str = "",
        languages: tuple[str, ...] = (),
        documents_per_request: int = 32,
        scale: Scale | None = None,
    ) -> None:
        self._dialect = DIALECTS[dialect]
        self._scale: Scale = scale or self._dialect.scale
        self._model, self._key = model, key
        self._url = endpoint(self._dialect, url)
        self._host = urlsplit(url).hostname or "the rerank server"
        self._per_request = max(1, documents_per_request)
        self._card = RerankerCard(
            name=model.rsplit("/", 1)[-1] or self._host,
            model=model or self._host,
            revision=revision,
            languages=languages,
            unit_scores=self._scale == "unit",
        )
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="rerank-server")
        self._idle: list[_Line] = []
        self._trusted: ssl.SSLContext | None = None
        self._creating = threading.Lock()

    @property
    def card(self) -> RerankerCard:
        return self._card

    @property
    def device(self) -> str:
        """Where the model runs, in words for people: the server's host name."""
        return self._host

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        deadline = time.monotonic() + time_limit_s
        scores: list[float] = []
        for start in range(0, len(passages), self._per_request):
            batch = passages[start : start + self._per_request]
            body = request_body(
                self._dialect,
                model=self._model,
                question=question,
                passages=batch,
                scale=self._scale,
            )
            answer = _parsed(self._answer_to(json.dumps(body).encode(), deadline))
            scores += scores_in(self._dialect, answer, count=len(batch), scale=self._scale)
        return scores

    def unknown_share(self, text: str) -> float:
        """0: a server does not tell its vocabulary, so the languages of its row decide."""
        del text
        return 0.0

    def _answer_to(self, body: bytes, deadline: float) -> bytes:
        """The body of the answer, after as many attempts as allowed."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._exchange(body, deadline)
            except _Transient as error:
                default = FIRST_PAUSE_S * 2 ** (attempt - 1)
                pause = default if error.pause_s is None else error.pause_s
                if attempt == ATTEMPTS or time.monotonic() + pause >= deadline:
                    raise error.translated from None
                time.sleep(pause)
        raise AssertionError  # The last attempt returns or raises.

    def _exchange(self, body: bytes, deadline: float) -> bytes:
        """One request. Raises ``ModelError``, or ``_Transient`` around one."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key := self._key():
            headers["Authorization"] = f"Bearer {key}"
        line = self._free_line()
        under_way = self._pool.submit(self._send, line, headers, body, deadline)
        try:
            answer = under_way.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            under_way.cancel()
            line.hang_up()
            under_way.add_done_callback(lambda _: line.client.close())
            raise ModelTimeout(f"{self._host} did not answer in time") from None
        except (ModelError, _Transient):
            self._idle.append(line)
            raise
        self._idle.append(line)
        return answer

    def _send(self, line: _Line, headers: dict[str, str], body: bytes, deadline: float) -> bytes:
        import httpx

        left = deadline - time.monotonic()
        if left <= 0:
            raise ModelTimeout(f"{self._host} did not answer in time")
        timeout = httpx.Timeout(left, connect=min(left, CONNECT_TIMEOUT_S))
        try:
            with line.client.stream(
                "POST",
                self._url,
                content=body,
                headers=headers,
                timeout=timeout,
                extensions={"trace": line.follow},
            ) as response:
                self._check_status(response)
                return self._read(response, deadline)
        except httpx.ConnectTimeout:
            if time.monotonic() >= deadline:
                raise ModelTimeout(f"{self._host} did not answer in time") from None
            raise _Transient(ModelUnavailable(f"no connection to {self._host}")) from None
        except httpx.TimeoutException:
            raise ModelTimeout(f"{self._host} did not answer in time") from None
        except httpx.DecodingError:
            raise InvalidModelResponse(f"{self._host} sent what cannot be decoded") from None
        except httpx.TransportError as error:
            message = f"no connection to {self._host}: {type(error).__name__}"
            raise _Transient(ModelUnavailable(message)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"{self._host} cannot be asked: {type(error).__name__}"
            raise ModelRefused(message) from None

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        if response.is_success:
            return
        if status in (401, 403):
            raise ModelKeyRefused(f"{self._host} did not accept the key (status {status})")
        if status not in AGAIN and status < 500:
            raise ModelRefused(f"{self._host} refused the request (status {status})")
        failed: ModelError = ModelUnavailable(f"{self._host} failed (status {status})")
        if status == 429:
            failed = ModelRateLimited(f"{self._host} has had too many requests (status 429)")
        raise _Transient(failed, seconds_to_wait(response.headers.get("Retry-After", "")))

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        """The whole body. The clock is looked at between pieces: a trickle resets no time-out."""
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MOST_BYTES:
                raise InvalidModelResponse(f"{self._host} sent too long an answer")
            if time.monotonic() > deadline:
                raise ModelTimeout(f"{self._host} did not finish in time")
        return bytes(body)

    def _free_line(self) -> _Line:
        import httpx

        with self._creating:
            if self._idle:
                return self._idle.pop()
            if self._trusted is None:
                # Reading the certificates takes longer than many an answer.
                self._trusted = httpx.create_ssl_context()
        # A redirect would carry texts and key to an address that nobody entered.
        return _Line(
            httpx.Client(
                verify=self._trusted,
                follow_redirects=False,
                headers={"User-Agent": "ragsite", "Accept-Encoding": "identity"},
            )
        )


class _Line:
    """A client for one request at a time, whose connection another thread can end."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self._stream: NetworkStream | None = None
        self._is_given_up = False

    def follow(self, step: str, about: dict[str, Any]) -> None:
        """Called by the client before and after each of its steps (extension ``trace``)."""
        if step in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = about["return_value"]
        if self._is_given_up:
            raise ModelTimeout("nobody waits for it any more")

    def hang_up(self) -> None:
        """Have the request end at once if it reads or writes, else before its next step.

        The connection is shut, not closed: a number that is closed here could be that of another
        file before the other thread next reads from it.
        """
        self._is_given_up = True
        if self._stream is not None:
            with suppress(OSError):
                self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class _Transient(Exception):
    """A failure that another attempt may mend, and what it means if it does not."""

    def __init__(self, translated: ModelError, pause_s: float | None = None) -> None:
        super().__init__(str(translated))
        self.translated, self.pause_s = translated, pause_s


def seconds_to_wait(retry_after: str, now: datetime | None = None) -> float | None:
    """What a ``Retry-After`` header asks for (RFC 9110, 10.2.3); ``None`` when it says nothing."""
    text = retry_after.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        then = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - (now or datetime.now(UTC))).total_seconds())


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidModelResponse("the answer is not JSON") from None
