"""An answer comes as tokens, whatever the language model does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from inference.errors import (
    InvalidModelResponse,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from qa.generate import EXTRACTIVE, Generated, generate
from qa.types import PipelineConfig
from tests.unit.qa.builders import (
    ScriptedChatModel,
    SteppingClock,
    candidate,
    passage,
    question_terms,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from inference.ports import ChatMessage, ChatModel

QUESTION = "How can I sleep better?"
SOURCES = [
    candidate(passage("To sleep better, keep the bedroom dark. It should also be cool.")),
    candidate(passage("Sleep gets better with regular exercise.", chunk_id=2), rank=2),
]
EXTRACTED = "To sleep better, keep the bedroom dark. [1]"


def never() -> bool:
    return False


def run(
    chat_model: ChatModel | None,
    *,
    should_stop: Callable[[], bool] = never,
    clock: Callable[[], float] | None = None,
    config: PipelineConfig | None = None,
) -> tuple[list[str], Generated]:
    """The tokens, and what ``generate`` returned."""
    tokens: list[str] = []
    writing = generate(
        QUESTION,
        [],
        SOURCES,
        question_terms=question_terms(QUESTION),
        chat_model=chat_model,
        config=config or PipelineConfig(),
        should_stop=should_stop,
        clock=clock or SteppingClock(),
    )
    while True:
        try:
            tokens.append(next(writing).text)
        except StopIteration as end:
            returned: Generated = end.value
            return tokens, returned


def stop_after(count: int) -> Callable[[], bool]:
    asked = iter(range(1000))
    return lambda: next(asked) >= count


class TestWithAModel:
    def test_its_pieces_are_passed_on_as_they_come(self) -> None:
        tokens, written = run(ScriptedChatModel(["Keep it ", "dark. [1]"]))
        assert tokens == ["Keep it ", "dark. [1]"]
        assert written == Generated(
            text="Keep it dark. [1]",
            generator="scripted-chat",
            source_count=2,
            reasons=(),
            stopped=False,
            first_token_ms=0.0,
        )

    def test_it_is_told_the_sources_in_order(self) -> None:
        model = ScriptedChatModel(["ok"])
        run(model)
        body = model.received[0][-1].content
        assert body.index("bedroom dark") < body.index("regular exercise")

    def test_sources_that_did_not_fit_the_prompt_cannot_be_cited(self) -> None:
        config = replace(PipelineConfig(), context_tokens=30)
        assert run(ScriptedChatModel(["ok [2]"]), config=config)[1].source_count == 1

    def test_leading_space_is_not_shown(self) -> None:
        tokens, written = run(ScriptedChatModel(["\n", "  Dark ", " room"]))
        assert tokens == ["Dark ", " room"]
        assert written.text == "Dark  room"

    def test_the_time_to_the_first_token_is_measured(self) -> None:
        _, written = run(ScriptedChatModel(["a", "b"]), clock=SteppingClock(step=0.25))
        assert written.first_token_ms == 250.0


class TestWithoutAModel:
    def test_the_composer_answers_and_the_reason_is_kept(self) -> None:
        tokens, written = run(None)
        assert "".join(tokens) == written.text
        assert written.text.startswith(EXTRACTED)
        assert (written.generator, written.reasons) == (EXTRACTIVE, ("chat_model_none",))
        assert written.source_count == len(SOURCES)

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (ModelTimeout(), "chat_model_timeout"),
            (ModelUnavailable(), "chat_model_unavailable"),
            (InvalidModelResponse(), "chat_model_unavailable"),
            (ModelError(), "chat_model_unavailable"),
        ],
    )
    def test_a_model_that_fails_before_it_wrote_anything_is_replaced(
        self, error: ModelError, reason: str
    ) -> None:
        for pieces in ([], ["\n "]):
            tokens, written = run(ScriptedChatModel(pieces, error))
            assert "".join(tokens) == written.text
            assert written.text.startswith(EXTRACTED)
            assert (written.generator, written.reasons) == (EXTRACTIVE, (reason,))

    def test_a_model_that_fails_as_it_is_called_is_replaced(self) -> None:
        class Refusing:
            name = "refusing"

            def stream(
                self, messages: Sequence[ChatMessage], *, max_tokens: int, time_limit_s: float
            ) -> Iterator[str]:
                raise ModelUnavailable

        assert run(Refusing())[1].reasons == ("chat_model_unavailable",)

    def test_a_model_that_says_nothing_is_replaced(self) -> None:
        _, written = run(ScriptedChatModel(["", " "]))
        assert (written.generator, written.reasons) == (EXTRACTIVE, ("chat_model_unavailable",))


class TestCutShort:
    def test_a_failure_in_mid_stream_keeps_what_came(self) -> None:
        model = ScriptedChatModel(["Keep it dark. [1] And"], ModelUnavailable())
        tokens, written = run(model)
        assert tokens == ["Keep it dark. [1] And"]
        assert written.text == "Keep it dark. [1] And"
        assert written.generator == "scripted-chat"
        assert written.reasons == ("chat_model_unavailable",)

    def test_a_model_that_writes_past_its_time_is_ended_and_closed(self) -> None:
        model = ScriptedChatModel(["word "] * 100)
        config = replace(PipelineConfig(), answer_time_limit_s=5.0)
        tokens, written = run(model, clock=SteppingClock(step=1.0), config=config)
        assert 1 <= len(tokens) < 10
        assert written.reasons == ("chat_model_timeout",)
        assert model.closed

    def test_the_reader_can_stop_between_tokens(self) -> None:
        model = ScriptedChatModel(["one ", "two ", "three "])
        tokens, written = run(model, should_stop=stop_after(2))
        assert tokens == ["one ", "two "]
        assert written.stopped
        assert written.text == "one two"
        assert written.reasons == ()
        assert model.closed

    def test_a_reader_who_stops_before_the_first_token_gets_no_composed_answer(self) -> None:
        tokens, written = run(ScriptedChatModel(["one"]), should_stop=lambda: True)
        assert (tokens, written.text, written.generator) == ([], "", "")
        assert written.stopped

    def test_the_composer_can_be_stopped_too(self) -> None:
        tokens, written = run(None, should_stop=stop_after(1))
        assert tokens == [EXTRACTED]
        assert written.stopped
