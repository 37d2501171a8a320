"""From sources to text, piece by piece: by a language model, or by the extractive composer.

A model that fails before it wrote anything costs the reader nothing: the composer answers, and the
reason is kept. One that fails later leaves what it wrote, with the reason.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from inference.errors import ModelError, ModelTimeout
from qa.composer import compose
from qa.events import Token
from qa.prompts import build_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from inference.ports import ChatMessage, ChatModel
    from qa.types import PipelineConfig, QuestionTerm, RankedCandidate, Reason

EXTRACTIVE = "extractive"
"""The generator's name when no language model wrote the answer."""


class Generated(NamedTuple):
    """What ``generate`` returns when its tokens have been yielded."""

    text: str
    generator: str
    """The chat model's name, ``extractive``, or empty when nothing was written."""
    source_count: int
    """How many of the sources the writer saw; ``[n]`` beyond it means nothing."""
    reasons: tuple[Reason, ...]
    stopped: bool
    first_token_ms: float | None


def generate(
    question: str,
    history: Sequence[ChatMessage],
    sources: Sequence[RankedCandidate],
    *,
    question_terms: Sequence[QuestionTerm],
    chat_model: ChatModel | None,
    config: PipelineConfig,
    should_stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Token, None, Generated]:
    """Yield the answer as tokens, and return (``yield from``) what they add up to.

    ``[n]`` in the text cites ``sources[n - 1]``. ``should_stop`` is asked before each token. Never
    raises ``ModelError``: without a model, or when it fails or passes
    ``config.answer_time_limit_s`` before its first visible piece, the composer answers.
    """
    started = clock()
    writing = _Writing(started, clock, should_stop)
    reason: Reason = "chat_model_none"
    if chat_model is not None:
        prompt = build_prompt(
            question,
            history,
            [each.passage for each in sources],
            context_tokens=config.context_tokens,
        )
        ended: Reason = yield from _write_from_model(
            writing,
            _stream(chat_model, prompt.messages, config),
            deadline=started + config.answer_time_limit_s,
        )
        if writing.stopped or writing.text.strip():
            return writing.finish(chat_model.name, prompt.source_count, ended)
        # A model that ends well but empty has not answered either.
        reason = ended or "chat_model_unavailable"
    for piece in compose(question, question_terms, sources):
        if writing.must_stop():
            break
        yield writing.add(piece)
    return writing.finish(EXTRACTIVE, len(sources), reason)


class _Writing:
    """The text so far, when its first piece came, and whether the reader has stopped it."""

    def __init__(
        self, started: float, clock: Callable[[], float], should_stop: Callable[[], bool]
    ) -> None:
        self.stopped = False
        self.clock = clock
        self._started = started
        self._should_stop = should_stop
        self._pieces: list[str] = []
        self._first_token_ms: float | None = None

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def must_stop(self) -> bool:
        self.stopped = self.stopped or self._should_stop()
        return self.stopped

    def add(self, piece: str) -> Token:
        if self._first_token_ms is None:
            self._first_token_ms = (self.clock() - self._started) * 1000
        self._pieces.append(piece)
        return Token(piece)

    def finish(self, generator: str, source_count: int, reason: Reason) -> Generated:
        text = self.text.strip()
        return Generated(
            text=text,
            generator=generator if text else "",
            source_count=source_count,
            reasons=(reason,) if reason else (),
            stopped=self.stopped,
            first_token_ms=self._first_token_ms,
        )


def _write_from_model(
    writing: _Writing, stream: Generator[str, None, None], *, deadline: float
) -> Generator[Token, None, Reason]:
    """Pass the model's pieces on; return why they ended, empty when the model was done.

    Leading white space is held back, so that a reader sees nothing of an answer that the composer
    may have to write after all.
    """
    seen = False
    with closing(stream) as pieces:
        try:
            for piece in pieces:
                if writing.must_stop():
                    return ""
                visible = piece if seen else piece.lstrip()
                if visible:
                    seen = True
                    yield writing.add(visible)
                if writing.clock() > deadline:
                    return "chat_model_timeout"
        except ModelTimeout:
            return "chat_model_timeout"
        except ModelError:
            return "chat_model_unavailable"
    return ""


def _stream(
    chat_model: ChatModel, messages: Sequence[ChatMessage], config: PipelineConfig
) -> Generator[str, None, None]:
    # The port promises an iterator only. A generator around it can always be closed, which ends
    # the model's connection, and it starts the call within the reader's ``try``.
    yield from chat_model.stream(
        messages,
        max_tokens=config.answer_max_tokens,
        time_limit_s=config.answer_time_limit_s,
    )
