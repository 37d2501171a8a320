"""Generation by any server that speaks the OpenAI chat completions protocol."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from inference.errors import InvalidModelResponse, ModelError, ModelTimeout, ModelUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openai import OpenAI, Stream
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

    from inference.ports import ChatMessage

ATTEMPTS = 3
FIRST_PAUSE_S = 0.5
"""Wait before the second attempt; it doubles for each one after that."""
CONNECT_TIMEOUT_S = 5.0
WITHOUT_KEY = "not-needed"
"""Sent where no key is configured: local servers ask for none, the client insists on one."""


class OpenAIChatModel:
    """A chat model behind an OpenAI-compatible server.

    What fails before the first piece of text (no connection, too many requests, a server error) is
    tried again, at most ``ATTEMPTS`` times and never past the time limit. Once text has been given
    out nothing is repeated: the reader would see it twice.
    """

    def __init__(self, model: str, *, base_url: str | None = None, api_key: str = "") -> None:
        self._model, self._base_url, self._api_key = model, base_url or None, api_key
        self._client: OpenAI | None = None
        self._creating = threading.Lock()

    @property
    def name(self) -> str:
        return self._model

    def stream(
        self, messages: Sequence[ChatMessage], *, max_tokens: int, time_limit_s: float
    ) -> Iterator[str]:
        deadline = time.monotonic() + time_limit_s
        for attempt in range(1, ATTEMPTS + 1):
            given = False
            try:
                for piece in self._pieces(messages, max_tokens, deadline):
                    given = True
                    yield piece
            except _Transient as error:
                pause = FIRST_PAUSE_S * 2 ** (attempt - 1)
                if given or attempt == ATTEMPTS or time.monotonic() + pause >= deadline:
                    raise error.translated from error
                time.sleep(pause)
            else:
                if not given:
                    raise InvalidModelResponse(f"{self._model} gave an empty answer")
                return

    def _pieces(
        self, messages: Sequence[ChatMessage], max_tokens: int, deadline: float
    ) -> Iterator[str]:
        """The text of one attempt. Closes the connection however it ends, an abandoned one too."""
        import openai

        try:
            stream = self._open(messages, max_tokens, deadline)
            try:
                for chunk in stream:
                    if time.monotonic() > deadline:
                        raise ModelTimeout(f"{self._model} did not finish in time")
                    text = chunk.choices[0].delta.content if chunk.choices else None
                    if text:
                        yield text
            finally:
                stream.close()
        except openai.APITimeoutError as error:
            raise ModelTimeout(f"{self._model} did not answer in time") from error
        except openai.APIConnectionError as error:
            raise _Transient(ModelUnavailable(f"no connection to {self._model}")) from error
        except (openai.RateLimitError, openai.InternalServerError) as error:
            message = f"{self._model} is overloaded (status {error.status_code})"
            raise _Transient(ModelUnavailable(message)) from error
        except openai.APIStatusError as error:
            message = (
                f"the server refused the request to {self._model} (status {error.status_code})"
            )
            raise ModelUnavailable(message) from error
        except (openai.OpenAIError, ValueError, AttributeError, IndexError) as error:
            message = f"{self._model} sent what is not a chat completion: {type(error).__name__}"
            raise InvalidModelResponse(message) from error

    def _open(
        self, messages: Sequence[ChatMessage], max_tokens: int, deadline: float
    ) -> Stream[ChatCompletionChunk]:
        import openai

        left = deadline - time.monotonic()
        if left <= 0:
            raise ModelTimeout(f"{self._model} did not answer in time")
        return self._connected().chat.completions.create(
            model=self._model,
            messages=[_as_param(message) for message in messages],
            max_tokens=max_tokens,
            stream=True,
            timeout=openai.Timeout(left, connect=min(left, CONNECT_TIMEOUT_S)),
        )

    def _connected(self) -> OpenAI:
        from openai import OpenAI

        with self._creating:
            if self._client is None:
                self._client = OpenAI(
                    base_url=self._base_url, api_key=self._api_key or WITHOUT_KEY, max_retries=0
                )
            return self._client


class _Transient(Exception):
    """A failure that another attempt may mend, with what it means if it does not."""

    def __init__(self, translated: ModelError) -> None:
        super().__init__(str(translated))
        self.translated = translated


def _as_param(message: ChatMessage) -> ChatCompletionMessageParam:
    if message.role == "system":
        return {"role": "system", "content": message.content}
    if message.role == "user":
        return {"role": "user", "content": message.content}
    return {"role": "assistant", "content": message.content}
