from __future__ import annotations

import struct
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from documents.parsing.base import ParseError
from documents.parsing.runner import parse_file
from documents.parsing.spreadsheet import written
from tests.unit.documents.parsing.archives import cell, types, workbook, zipped
from tests.unit.documents.parsing.builders import kinds_and_texts, parse
from tests.unit.documents.parsing.compounds import compound

FOOD = (
    f'<row r="1">{cell("A1", "Food")}{cell("B1", "Grams")}</row>'
    f'<row r="2">{cell("A2", "Apple")}{cell("B2", 12.0)}</row>'
)
PAIRS = (
    f'<row r="1">{cell("A1", "问题")}{cell("B1", "答案")}</row>'
    f'<row r="2">{cell("A2", "睡多久？")}{cell("B2", "八个小时")}</row>'
)


def code_of(path: Path) -> str:
    with pytest.raises(ParseError) as caught:
        parse(path)
    return caught.value.code


def biff(*records: tuple[int, bytes]) -> bytes:
    """Records of a workbook of 1997."""
    return b"".join(struct.pack("<HH", kind, len(data)) + data for kind, data in records)


def test_each_sheet_is_a_section_and_each_row_readable_by_itself(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {"Sheet1": FOOD, "Prices": FOOD, "Empty": ""})

    parsed = parse(path)

    rows = [("table_row", "Food | Grams"), ("table_row", "Food: Apple | Grams: 12")]
    assert kinds_and_texts(parsed) == [*rows, ("heading", "Prices"), *rows, ("heading", "Empty")]
    assert parsed.blocks[-2].heading_path == ("Prices",)


def test_properties_give_title_author_and_times(tmp_path: Path) -> None:
    parsed = parse(workbook(tmp_path / "a.xlsx", {"Sheet1": FOOD}))

    assert (parsed.title, parsed.author) == ("The title", "A. B.")
    assert parsed.metadata["modified"].startswith("2024-05-01")


def test_questions_and_answers_are_pairs(tmp_path: Path) -> None:
    parsed = parse(workbook(tmp_path / "a.xlsx", {"Sheet1": PAIRS}))

    assert kinds_and_texts(parsed) == [("pair", "睡多久？\n八个小时")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5.0, "5"),
        (0.1, "0.1"),
        (1e20, "1e+20"),
        (True, "TRUE"),
        (date(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, 10, 30, 0, 12), "2024-05-01 10:30:00"),
        (time(10, 30), "10:30:00"),
        (timedelta(hours=30), "1 day, 6:00:00"),
        ("", ""),
    ],
)
def test_values_are_written_as_a_reader_would(value: Any, text: str) -> None:
    assert written(value) == text


def test_a_share_that_is_shown_as_a_percentage_is_read_as_one(tmp_path: Path) -> None:
    def styled(place: str, value: float, style: int) -> str:
        return f'<c r="{place}" s="{style}"><v>{value}</v></c>'

    cells = (
        f'<row r="3">{cell("C3", "Food")}{cell("D3", "Share")}</row>'
        f'<row r="4">{cell("C4", "Apple")}{styled("D4", 0.15, 1)}</row>'
        f'<row r="5">{cell("C5", "Pear")}{styled("D5", 0.1234, 2)}</row>'
        f'<row r="6">{cell("C6", "Plum")}{styled("D6", 0.5, 3)}</row>'
    )
    styles = (
        '<styleSheet><numFmts><numFmt numFmtId="164" formatCode="0.00%"/>'
        '<numFmt numFmtId="165" formatCode="0.0&quot;%&quot;"/></numFmts><cellXfs>'
        '<xf numFmtId="0"/><xf numFmtId="9"/><xf numFmtId="164"/><xf numFmtId="165"/>'
        "</cellXfs></styleSheet>"
    )
    path = workbook(tmp_path / "a.xlsx", {"Sheet1": cells}, {"xl/styles.xml": styles})

    assert [text for _, text in kinds_and_texts(parse(path))][1:] == [
        "Food: Apple | Share: 15%",
        "Food: Pear | Share: 12.34%",
        "Food: Plum | Share: 0.5",
    ]


def test_a_cell_at_the_far_corner_does_not_take_all_memory(tmp_path: Path) -> None:
    far = f'<row r="1">{cell("A1", "a")}</row><row r="1048576">{cell("XFD1048576", "b")}</row>'

    assert code_of(workbook(tmp_path / "a.xlsx", {"Sheet1": far})) == "too_large"


def test_entities_and_macros_are_refused(tmp_path: Path) -> None:
    entity = {"xl/sharedStrings.xml": '<!DOCTYPE s [<!ENTITY a "ha">]><s>&a;</s>'}
    macros: dict[str, str | bytes] = {"xl/vbaProject.bin": b"code"}

    assert code_of(workbook(tmp_path / "a.xlsx", {"S": FOOD}, {**entity})) == "bomb"
    assert code_of(workbook(tmp_path / "b.xlsx", {"S": FOOD}, macros)) == "macros"


def test_a_damaged_workbook_is_truncated(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {"S": FOOD}, {"xl/workbook.xml": "<workbook"})

    assert code_of(path) == "truncated"


def test_a_workbook_of_1997_is_read(tmp_path: Path) -> None:
    begin = (0x0809, struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 0))
    sheet = (0x0809, struct.pack("<HHHHII", 0x0600, 0x10, 0, 0, 0, 0))
    label = (0x0204, struct.pack("<HHHHB", 0, 0, 0, 5, 0) + b"Apple")
    name = struct.pack("<BB", 4, 0) + b"Food"
    size = len(biff(begin, (0x0085, bytes(6) + name), (0x0A, b"")))
    listed = (0x0085, struct.pack("<IBB", size, 0, 0) + name)
    data = biff(begin, listed, (0x0A, b""), sheet, label, (0x0A, b""))
    path = tmp_path / "a.xls"
    path.write_bytes(compound({"Workbook": data}))

    assert kinds_and_texts(parse(path)) == [("heading", "Food"), ("table_row", "Apple")]


def test_a_password_is_told_in_both_formats(tmp_path: Path) -> None:
    old, new = tmp_path / "a.xls", tmp_path / "a.xlsx"
    old.write_bytes(compound({"Workbook": biff((0x0809, bytes(16)), (0x2F, bytes(6)))}))
    new.write_bytes(compound({"EncryptedPackage": b"x"}))

    assert code_of(old) == code_of(new) == "encrypted"


def test_another_office_document_is_mislabelled(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.xlsx", {"[Content_Types].xml": types("wordprocessingml.document")})

    assert code_of(path) == "mislabelled"


def test_a_damaged_file_that_its_library_panics_at_is_damaged(tmp_path: Path) -> None:
    data = bytearray(compound({"Workbook": biff((0x0809, bytes(16)), (0x0A, b""))}))
    data[514] = 0  # of the first record, how long it is
    path = tmp_path / "a.xls"
    path.write_bytes(data)

    assert code_of(path) == "truncated"


def test_an_old_workbook_with_values_in_far_corners_lacks_memory(tmp_path: Path) -> None:
    version = struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 0)
    named = struct.pack("<BBBB", 0, 0, 1, 0) + b"A"
    globals_length = 4 + len(version) + 4 + 4 + len(named) + 4
    sheet = struct.pack("<HHHHII", 0x0600, 0x10, 0, 0, 0, 0)
    corners = [struct.pack("<HHHd", row, column, 0, 1.0) for row, column in ((0, 0), (65535, 255))]
    data = biff(
        *((0x0809, version), (0x0085, struct.pack("<I", globals_length) + named), (0x000A, b"")),
        *((0x0809, sheet), *((0x0203, corner) for corner in corners), (0x000A, b"")),
    )
    path = tmp_path / "a.xls"
    path.write_bytes(compound({"Workbook": data}))

    with pytest.raises(ParseError) as caught:
        parse_file(path, "application/vnd.ms-excel")

    assert caught.value.code == "memory"
