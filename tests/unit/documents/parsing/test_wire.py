from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.parsing.wire import WireError, decode_message, encode_document, encode_error
from documents.types import Block, Line, ParsedDocument

DOCUMENT = ParsedDocument(
    text="Sleep\n\nRest 休息。",
    blocks=(
        Block("heading", 0, 5, (), 1, 1),
        Block("paragraph", 7, 15, ("Sleep",), 0, 2),
    ),
    lines=(Line(0, 5, 1, (1.5, 2, 3, 4)),),
    title="Sleep",
    author="A. Author",
    language="en",
    published=date(2024, 5, 1),
    page_count=2,
    metadata={"created": "2024"},
)


def changed(**fields: object) -> bytes:
    message = json.loads(encode_document(DOCUMENT))
    return json.dumps(message | fields).encode()


def test_a_document_comes_back_as_it_was() -> None:
    assert decode_message(encode_document(DOCUMENT)) == DOCUMENT


def test_an_error_comes_back_as_code_and_detail() -> None:
    assert decode_message(encode_error("encrypted", "why")) == ("encrypted", "why")


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"text": "with \x00"},
        {"text": "\ud800"},
        {"text": None},
        {"blocks": [["paragraph", 0, 999, [], 0, None]]},
        {"blocks": [["paragraph", -1, 2, [], 0, None]]},
        {"blocks": [["paragraph", 3, 2, [], 0, None]]},
        {"blocks": [["script", 0, 2, [], 0, None]]},
        {"blocks": [["paragraph", 0]]},
        {"lines": [[0, 99, 1, [0, 0, 0, 0]]]},
        {"lines": [[0, 1, 1, [0, 0]]]},
        {"lines": [[0, 1, 1, [0, 0, float("nan"), 0]]]},
        {"lines": [[0, 1, 1, [0, 0, float("inf"), 0]]]},
        {"lines": [[0, 1, 1, [0, 0, 1e300, 0]]]},
        {"lines": [[0, 1, 1, [0, 0, 10**400, 0]]]},
        {"lines": [[0, 1, 0, [0, 0, 0, 0]]]},
        {"lines": [[0, 1, 10**30, [0, 0, 0, 0]]]},
        {"blocks": [["paragraph", 0, 2, [], 0, -1]]},
        {"blocks": [["paragraph", 0, 2, [], 0, 2**31]]},
        {"blocks": [["heading", 0, 2, [], 10**30, 1]]},
        {"page_count": float("nan")},
        {"page_count": 2**31},
        {"page_count": -1},
        {"page_count": True},
        {"page_count": "2"},
        {"published": "tomorrow"},
        {"metadata": {"key": "\x00"}},
        {"metadata": []},
    ],
)
def test_a_message_that_does_not_hold_together_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(WireError):
        decode_message(changed(**fields))


def test_a_number_that_is_written_too_large_for_any_is_refused() -> None:
    huge = changed(lines=[[0, 1, 1, [0, 0, 7.5, 0]]]).replace(b"7.5", b"1e999")
    with pytest.raises(WireError):
        decode_message(huge)


def test_what_json_has_no_word_for_is_not_written() -> None:
    with pytest.raises(ValueError):
        encode_document(replace(DOCUMENT, lines=(Line(0, 5, 1, (1.5, 2, float("nan"), 4)),)))


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_refused_and_break_nothing(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_message(data)
