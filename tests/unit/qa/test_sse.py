"""One server-sent event on the wire, read back as a browser would."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.sse import HEARTBEAT, format_event

one_line = st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"]))
any_text = st.text(st.characters(blacklist_categories=["Cs"]))


@dataclass
class Received:
    event: str
    data: str
    last_id: str


def receive(stream: str) -> list[Received]:
    """Dispatch events as the standard's parsing algorithm does."""
    events: list[Received] = []
    data, event, last_id = "", "", ""
    for line in re.split(r"\r\n|\n|\r", stream):
        if line == "":
            if data:
                events.append(Received(event or "message", data.removesuffix("\n"), last_id))
            data, event = "", ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data += value + "\n"
        elif name == "event":
            event = value
        elif name == "id":
            last_id = value
    return events


def test_the_whole_form_of_an_event() -> None:
    assert format_event("token", "Hi", id="7-0", retry=1000) == (
        "id: 7-0\nretry: 1000\nevent: token\ndata: Hi\n\n"
    )


def test_empty_data_is_still_dispatched() -> None:
    assert receive(format_event("done", "")) == [Received("done", "", "")]


def test_text_cannot_end_the_event_or_start_another() -> None:
    sent = "line\n\nevent: done\ndata: forged\r\rid: 9"
    assert receive(format_event("token", sent)) == [
        Received("token", "line\n\nevent: done\ndata: forged\n\nid: 9", "")
    ]


@given(data=any_text, name=one_line.filter(bool), event_id=one_line)
def test_any_text_arrives_as_it_was_but_for_line_ends(data: str, name: str, event_id: str) -> None:
    received = receive(format_event(name, data, id=event_id))
    assert received == [Received(name, re.sub(r"\r\n|\r", "\n", data), event_id)]


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
def test_a_line_break_in_a_name_or_an_id_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        format_event(bad, "")
    with pytest.raises(ValueError, match="one line"):
        format_event("token", "", id=bad)


def test_a_heartbeat_is_not_an_event() -> None:
    assert receive(HEARTBEAT) == []
