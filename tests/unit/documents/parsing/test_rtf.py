from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder
from documents.parsing.rtf import add_rich_text
from tests.unit.documents.parsing.builders import kinds_and_texts, parse


def read(tmp_path: Path, body: bytes) -> list[tuple[str, str]]:
    path = tmp_path / "a.rtf"
    path.write_bytes(b"{\\rtf1\\ansi\\ansicpg1252\\uc1 " + body + b"}")
    return kinds_and_texts(parse(path))


def test_paragraphs_and_marks_are_read(tmp_path: Path) -> None:
    body = b"One\\tab two\\line three\\par Four\\emdash five \\{x\\}\\\\\r\n six\\~seven\\par"

    assert read(tmp_path, body) == [
        ("paragraph", "One two\nthree"),
        ("paragraph", "Four—five {x}\\ six seven"),
    ]


def test_each_font_has_its_code_page(tmp_path: Path) -> None:
    fonts = b"{\\fonttbl{\\f0\\fcharset0 Arial;}{\\f1\\fcharset134 SimSun;}{\\f2\\fcharset204 X;}}"
    chinese = "".join(f"\\'{byte:02x}" for byte in "睡眠".encode("gbk")).encode()
    body = fonts + b"\\f0 caf\\'e9 {\\f1 " + chinese + b"} {\\f2 \\'d1\\'ee\\'ed} \\'e9"

    assert read(tmp_path, body) == [("paragraph", "café 睡眠 Сон é")]


def test_unicode_replaces_what_stands_in_for_it(tmp_path: Path) -> None:
    body = b"\\u30561?\\u30496? and {\\uc2 \\u8364 ab}c \\u-10179?\\u-8704? end"

    assert read(tmp_path, body) == [("paragraph", "睡眠 and €c 😀 end")]


def test_a_half_character_is_replaced(tmp_path: Path) -> None:
    assert read(tmp_path, b"a \\u-10179? b") == [("paragraph", "a � b")]


def test_headings_are_told_by_style_and_by_outline(tmp_path: Path) -> None:
    styles = b"{\\stylesheet{\\s0 Normal;}{\\s2\\b heading 2;}{\\*\\cs3 heading 1;}}"
    body = styles + b"\\pard\\s2 Sleep\\par\\pard\\s0 Rest.\\par\\pard\\outlinelevel0 Diet\\par"

    assert read(tmp_path, body) == [
        ("heading", "Sleep"),
        ("paragraph", "Rest."),
        ("heading", "Diet"),
    ]


def test_rows_of_a_table_are_readable_by_themselves(tmp_path: Path) -> None:
    body = (
        b"\\trowd\\pard\\intbl Food\\cell Grams\\cell\\row"
        b"\\trowd\\pard\\intbl Apple\\par pie\\cell 12\\cell\\row\\pard After\\par"
    )

    assert read(tmp_path, body) == [
        ("table_row", "Food | Grams"),
        ("table_row", "Food: Apple pie | Grams: 12"),
        ("paragraph", "After"),
    ]


def test_what_a_reader_does_not_see_is_left_out(tmp_path: Path) -> None:
    body = (
        b"{\\colortbl;\\red0;}{\\*\\generator Word;}{\\header top}{\\pict\\bin4 }{}x 0102ff}"
        b"{\\field{\\*\\fldinst HYPERLINK x}{\\fldrslt a link}} kept"
        b"{\\footnote a note} on"
    )

    assert read(tmp_path, body) == [("paragraph", "a link kept (a note) on")]


def test_the_file_says_its_title_and_times(tmp_path: Path) -> None:
    path = tmp_path / "a.rtf"
    path.write_bytes(
        b"{\\rtf1{\\info{\\title The title}{\\author A. B.}{\\creatim\\yr2024\\mo5\\dy1}}Words}"
    )

    parsed = parse(path)

    assert (parsed.title, parsed.author, parsed.text) == ("The title", "A. B.", "Words")
    assert parsed.metadata["created"] == "2024-05-01"


def test_groups_without_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        read(tmp_path, b"{" * 20_000)

    assert caught.value.code == "nested"


@given(
    st.lists(
        st.sampled_from(
            [b"{", b"}", b"\\par ", b"\\cell ", b"\\row ", b"\\u-1?", b"\\'e4", b"\\f1 ", b"\\*",
             b"\\fonttbl ", b"\\stylesheet ", b"\\info ", b"\\title ", b"\\bin9 ", b"\\footnote ",
             b"\\intbl ", b"\\pard ", b"\\s1 ", b"\\uc3 ", b"text ", b"\\fcharset134 ", b"\xff"]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_any_order_of_words_is_read_to_its_end(words: list[bytes]) -> None:
    builder = DocumentBuilder(10_000)
    add_rich_text(builder, b"{\\rtf1 " + b"".join(words))
    builder.add("paragraph", "end")

    assert builder.build().text.endswith("end")
