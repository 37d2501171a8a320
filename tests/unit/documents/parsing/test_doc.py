from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.parsing.base import ParseError
from documents.parsing.doc_layout import Layout
from tests.unit.documents.parsing.builders import kinds_and_texts, parse
from tests.unit.documents.parsing.compounds import compound


def word(
    *parts: str, version: int = 0xC1, flags: int = 0x0200, magic: int = 0xA5EC, wide: bool = True
) -> dict[str, bytes]:
    """The streams of a Word file whose text has these parts: main, footnotes, headers and so on."""
    text = "".join(parts)
    lengths = [len(part) for part in parts] + [0] * (7 - len(parts))
    offset = 0x800
    header = bytearray(offset)
    struct.pack_into("<HH", header, 0, magic, version)
    struct.pack_into("<H", header, 0x0A, flags)
    struct.pack_into("<II", header, 0x18, offset, offset + len(text))
    struct.pack_into("<7I", header, 0x4C, *lengths)
    place = offset if wide else offset * 2 | 0x40000000
    plc = struct.pack("<II", 0, len(text)) + struct.pack("<HIH", 0, place, 0)
    clx = b"\x01\x02\x00ab" + b"\x02" + struct.pack("<I", len(plc)) + plc
    struct.pack_into("<II", header, 0x01A2, 0, len(clx))
    body = text.encode("utf-16-le" if wide else "cp1252")
    return {"WordDocument": bytes(header) + body, "1Table": clx}


def laid_out(*paragraphs: tuple[str, bytes]) -> dict[str, bytes]:
    """A file whose paragraphs, each with the mark at its end, have these styles and changes."""
    streams = word("".join(text for text, _ in paragraphs))
    page = bytearray(512)
    count, place = len(paragraphs), 0x800
    entries, bounds = 4 * (count + 1), [place]
    for index, (text, changes) in enumerate(paragraphs):
        place += 2 * len(text)
        bounds.append(place)
        offset = 200 + 24 * index
        page[entries + 13 * index] = offset // 2
        page[offset] = (len(changes) + 1) // 2
        page[offset + 1 : offset + 1 + len(changes)] = changes
    struct.pack_into(f"<{count + 1}I", page, 0, *bounds)
    page[511] = count
    main = bytearray(streams["WordDocument"])
    main[0x400:0x600] = page
    bins = struct.pack("<III", 0x800, place, 2)
    struct.pack_into("<II", main, 0x0102, len(streams["1Table"]), len(bins))
    return {"WordDocument": bytes(main), "1Table": streams["1Table"] + bins}


PLAIN = struct.pack("<HB", 0, 0)
CELL = struct.pack("<HHB", 0, 0x2416, 1)
ROW_END = struct.pack("<HHBHBHH", 0, 0x2416, 1, 0x2417, 1, 0xD608, 1)


def read(tmp_path: Path, streams: dict[str, bytes]) -> list[tuple[str, str]]:
    path = tmp_path / "a.doc"
    path.write_bytes(compound(streams))
    return kinds_and_texts(parse(path))


def code_of(tmp_path: Path, streams: dict[str, bytes]) -> str:
    with pytest.raises(ParseError) as caught:
        read(tmp_path, streams)
    return caught.value.code


@pytest.mark.parametrize("wide", [True, False])
def test_paragraphs_are_read_in_both_widths(tmp_path: Path, wide: bool) -> None:
    assert read(tmp_path, word("Rest “well”.\rSleep.\r", wide=wide)) == [
        ("paragraph", "Rest “well”."),
        ("paragraph", "Sleep."),
    ]


def test_chinese_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, word("睡眠指南\r")) == [("paragraph", "睡眠指南")]


def test_rows_of_a_table_are_readable_by_themselves(tmp_path: Path) -> None:
    text = "Before\rFood\x07Note\x07\x07Apple\x07red\rand round\x07\x07After\r"

    assert read(tmp_path, word(text)) == [
        ("paragraph", "Before"),
        ("table_row", "Food | Note"),
        ("table_row", "Food: Apple | Note: red and round"),
        ("paragraph", "After"),
    ]


def test_styles_and_outlines_tell_headings(tmp_path: Path) -> None:
    streams = laid_out(
        ("Sleep\r", struct.pack("<HB", 2, 0)),
        ("Rest.\r", PLAIN),
        ("Diet\r", struct.pack("<HHB", 30, 0x2640, 0)),
        ("Not one\r", struct.pack("<HHB", 1, 0x2640, 9)),
    )

    assert read(tmp_path, streams) == [
        ("heading", "Sleep"),
        ("paragraph", "Rest."),
        ("heading", "Diet"),
        ("paragraph", "Not one"),
    ]


def test_the_layout_tells_empty_cells_from_ends_of_rows(tmp_path: Path) -> None:
    streams = laid_out(
        *[(text, CELL) for text in ("Food\x07", "Note\x07", "Grams\x07")],
        ("\x07", ROW_END),
        *[(text, CELL) for text in ("Apple\r", "pie\x07", "\x07", "12\x07")],
        ("\x07", ROW_END),
        ("After\r", PLAIN),
    )

    assert read(tmp_path, streams) == [
        ("table_row", "Food | Note | Grams"),
        ("table_row", "Food: Apple pie | Grams: 12"),
        ("paragraph", "After"),
    ]


@given(st.binary(min_size=512, max_size=512), st.binary(max_size=40))
def test_broken_pages_of_layout_do_no_harm(page: bytes, bins: bytes) -> None:
    main = bytearray(0x600)
    main[0x400:0x600] = page
    struct.pack_into("<II", main, 0x0102, 0, len(bins))

    for table in (bins, struct.pack("<III", 0, 9, 2)):
        struct.pack_into("<II", main, 0x0102, 0, len(table))
        assert 0 <= Layout(bytes(main), table).at(5).level <= 6


def test_of_a_field_the_result_is_read(tmp_path: Path) -> None:
    text = "see \x13HYPERLINK \x13 NEST \x14x\x15\x14the page\x15 now\x0bnext\r"

    assert read(tmp_path, word(text)) == [("paragraph", "see the page now\nnext")]


def test_notes_are_read_and_headers_and_comments_are_not(tmp_path: Path) -> None:
    assert read(
        tmp_path, word("Main\r", "note\r", "head\r", "", "comment\r", "end\r", "box\r")
    ) == [
        ("paragraph", "Main"),
        ("paragraph", "note"),
        ("paragraph", "end"),
        ("paragraph", "box"),
    ]


def test_a_file_of_1995_gives_its_plain_text(tmp_path: Path) -> None:
    assert read(tmp_path, word("Old words\r", version=0x68, wide=False)) == [
        ("paragraph", "Old words")
    ]


def test_files_that_cannot_be_read_have_their_codes(tmp_path: Path) -> None:
    assert code_of(tmp_path, word("x\r", flags=0x0300)) == "encrypted"
    assert code_of(tmp_path, word("x\r", magic=0xA5DC)) == "outdated"
    assert code_of(tmp_path, {"Workbook": b"x"}) == "mislabelled"
    assert code_of(tmp_path, word("x\r") | {"1Table": b"\x07"}) == "truncated"
    assert code_of(tmp_path, word("x\r") | {"_VBA_PROJECT_CUR": b"x"}) == "macros"


def test_a_piece_outside_the_file_is_empty(tmp_path: Path) -> None:
    streams = word("words here\r", "note\r")
    streams["WordDocument"] = streams["WordDocument"][: 0x800 + 8]

    assert read(tmp_path, streams)[0] == ("paragraph", "word")
