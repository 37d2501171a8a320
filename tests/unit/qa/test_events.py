"""Events survive the trip through JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.events import (
    TERMINAL_KINDS,
    Done,
    Event,
    Failed,
    Ranked,
    Stage,
    Stopped,
    Token,
    from_json,
)

text = st.text(st.characters(blacklist_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Stage, name=st.sampled_from(["recall", "rank", "generate", "cite"])),
    st.builds(Ranked, summary=st.dictionaries(text, json_values, max_size=4)),
    st.builds(Token, text=text),
    st.builds(Done, status=text),
    st.builds(Failed, reason=text),
    st.builds(Stopped),
)


@given(events)
def test_an_event_read_back_equals_the_one_written(event: Event) -> None:
    assert from_json(event.to_json()) == event


@given(events)
def test_the_json_of_an_event_is_one_line(event: Event) -> None:
    assert "\n" not in event.to_json()


def test_the_written_form_names_its_kind() -> None:
    assert Token("睡眠").to_json() == '{"kind": "token", "text": "睡眠"}'
    assert Stopped().to_json() == '{"kind": "stopped"}'


@pytest.mark.parametrize(
    "bad",
    ["", "[]", "3", "null", "{}", '{"kind": "nobody"}', '{"kind": "token"}', '{"kind": ["x"]}',
     '{"kind": "stopped", "extra": 1}'],
)  # fmt: skip
def test_anything_else_is_refused(bad: str) -> None:
    with pytest.raises(ValueError):
        from_json(bad)


def test_a_stream_ends_with_done_failed_or_stopped() -> None:
    assert {"done", "failed", "stopped"} == TERMINAL_KINDS
