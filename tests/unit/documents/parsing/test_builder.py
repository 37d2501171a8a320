from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, clean
from documents.parsing.wire import decode_message, encode_document
from documents.types import BlockKind

BOX = (0.0, 0.0, 10.0, 10.0)


def test_heading_paths_follow_the_levels() -> None:
    builder = DocumentBuilder(1000)
    builder.heading("Guide", 1)
    builder.heading("Sleep", 2)
    builder.add("paragraph", "Rest.")
    builder.heading("Diet", 2)
    builder.add("paragraph", "Eat.")

    parsed = builder.build()

    assert [block.heading_path for block in parsed.blocks] == [
        (),
        ("Guide",),
        ("Guide", "Sleep"),
        ("Guide",),
        ("Guide", "Diet"),
    ]
    assert parsed.title == "Guide"


def test_items_and_rows_stand_line_by_line_and_paragraphs_apart() -> None:
    builder = DocumentBuilder(1000)
    for kind, text in [("paragraph", "Do:"), ("list_item", "a"), ("list_item", "b")]:
        builder.add(kind, text)  # type: ignore[arg-type]

    assert builder.build().text == "Do:\n\na\nb"


def test_white_space_is_collapsed_except_in_code() -> None:
    builder = DocumentBuilder(1000)
    builder.add("paragraph", "  two \t words \n\n next  ")
    builder.add("code", "\nif x:\n    y\n")

    assert builder.build().text == "two words\nnext\n\nif x:\n    y"


def test_characters_that_postgres_refuses_are_removed() -> None:
    assert clean("a\x00b\ud800c\x07d\r\ne\x85f\tg") == "abcd\ne\nf\tg"


@given(
    st.lists(st.tuples(st.sampled_from(["heading", "paragraph", "list_item", "code"]), st.text()))
)
def test_offsets_are_right_and_text_is_storable_whatever_comes_in(
    parts: list[tuple[BlockKind | str, str]],
) -> None:
    builder = DocumentBuilder(100_000)
    for kind, text in parts:
        if kind == "heading":
            builder.heading(text, 1)
        else:
            builder.add(kind, text)  # type: ignore[arg-type]
    builder.add("paragraph", "end")

    parsed = builder.build()

    parsed.text.encode()
    assert "\x00" not in parsed.text
    assert all(parsed.text[block.start : block.end].strip() for block in parsed.blocks)
    kept = "".join(parsed.text[block.start : block.end] for block in parsed.blocks)
    expected = "".join(clean(text) for _, text in parts) + "end"
    assert "".join(kept.split()) == "".join(expected.split())


def test_lines_of_a_paragraph_keep_their_offsets_and_boxes() -> None:
    builder = DocumentBuilder(1000)
    builder.add("paragraph", "before")
    builder.add_lines("paragraph", [("one\x00 line", BOX, 3), ("two", BOX, 4)])

    parsed = builder.build()

    assert parsed.text == "before\n\none line\ntwo"
    assert [parsed.text[line.start : line.end] for line in parsed.lines] == ["one line", "two"]
    assert [line.page for line in parsed.lines] == [3, 4]
    assert parsed.blocks[-1].page == 3


@pytest.mark.parametrize("side", [math.nan, math.inf, -math.inf, 1e30])
def test_a_line_without_a_place_on_the_page_keeps_its_words_only(side: float) -> None:
    builder = DocumentBuilder(1000)
    builder.add_lines("paragraph", [("one", (0, 0, side, 9), 3), ("two", BOX, 3)])

    parsed = builder.build()

    assert parsed.text == "one\ntwo"
    assert [parsed.text[line.start : line.end] for line in parsed.lines] == ["two"]
    assert decode_message(encode_document(parsed)) == parsed


def test_a_heading_below_all_others_is_one_of_the_lowest() -> None:
    builder = DocumentBuilder(1000)
    for level in (6, 7, 9):
        builder.heading(f"Part {level}", level)

    parsed = builder.build()

    assert [block.level for block in parsed.blocks] == [6, 6, 6]
    assert parsed.blocks[2].heading_path == ("Part 6", "Part 7")
    assert decode_message(encode_document(parsed)) == parsed


def test_a_word_parted_at_a_line_end_is_joined() -> None:
    builder = DocumentBuilder(1000)
    builder.add_lines("paragraph", [("neuro\xad", BOX, 1), ("biology", BOX, 1)])

    parsed = builder.build()

    assert parsed.text == "neurobiology"
    assert [parsed.text[line.start : line.end] for line in parsed.lines] == ["neuro", "biology"]


def test_chinese_lines_are_joined_without_a_gap() -> None:
    builder = DocumentBuilder(1000)
    builder.add_lines("paragraph", [("睡眠障", BOX, 1), ("碍的机制", BOX, 1)])

    assert builder.build().text == "睡眠障碍的机制"


def test_a_text_over_the_limit_is_too_large() -> None:
    builder = DocumentBuilder(10)
    builder.add("paragraph", "12345")

    with pytest.raises(ParseError) as caught:
        builder.add("paragraph", "6789")

    assert caught.value.code == "too_large"


@pytest.mark.parametrize("text", ["", " \n", "-- | --", "\x00"])
def test_a_document_without_a_letter_has_no_text(text: str) -> None:
    builder = DocumentBuilder(100)
    builder.add("paragraph", text)

    with pytest.raises(ParseError) as caught:
        builder.build()

    assert caught.value.code == "no_text"


def test_the_declared_language_counts_only_where_the_text_does_not_tell() -> None:
    told, untold = DocumentBuilder(100), DocumentBuilder(100)
    told.add("paragraph", "How can I sleep better at night?")
    untold.add("paragraph", "Wie kann ich besser schlafen?")

    assert told.build(declared_language="de").language == "en"
    assert untold.build(declared_language="de-AT").language == "de"
    assert untold.build(declared_language="deu").language == ""
