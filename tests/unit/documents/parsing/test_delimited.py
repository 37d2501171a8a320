from __future__ import annotations

from pathlib import Path

import pytest

from documents.chunking import chunk
from documents.parsing.base import ParseError
from documents.types import ChunkRecipe
from tests.unit.documents.parsing.builders import kinds_and_texts, parse


def read(tmp_path: Path, data: bytes, name: str = "file.csv") -> list[str]:
    path = tmp_path / name
    path.write_bytes(data)
    return [text for _, text in kinds_and_texts(parse(path))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    lines = [["Food", "Grams"], ["Apple", "12"], ["Pear", "9"]]
    data = "\r\n".join(delimiter.join(line) for line in lines).encode()

    assert read(tmp_path, data)[1:] == ["Food: Apple | Grams: 12", "Food: Pear | Grams: 9"]


def test_a_decimal_comma_is_no_delimiter(tmp_path: Path) -> None:
    assert read(tmp_path, b"Food;Euro;Kilo\nApple;1,50;2\nPear;2,25;3")[1] == (
        "Food: Apple | Euro: 1,50 | Kilo: 2"
    )


def test_the_delimiter_that_excel_states_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path, b"sep=;\nFood;Euro\nApple;1,50")[1] == "Food: Apple | Euro: 1,50"


def test_quoted_values_keep_delimiters_and_lines(tmp_path: Path) -> None:
    data = b'Food,Note\nApple,"red,\nround and ""ripe"""\n'

    assert read(tmp_path, data)[1] == 'Food: Apple | Note: red, round and "ripe"'


def test_a_chinese_table_as_excel_saves_it_is_read(tmp_path: Path) -> None:
    data = "问题,答案\n睡多久？,八个小时。\n吃什么？,多吃蔬菜水果。\n".encode("gbk")
    path = tmp_path / "file.csv"
    path.write_bytes(data)

    assert kinds_and_texts(parse(path)) == [
        ("pair", "睡多久？\n八个小时。"),
        ("pair", "吃什么？\n多吃蔬菜水果。"),
    ]


def test_each_pair_of_a_table_becomes_a_passage(tmp_path: Path) -> None:
    path = tmp_path / "faq.csv"
    rows = [f"How many {n}?,{n} of them." for n in range(5)]
    path.write_text("\n".join(["Question,Answer", *rows]))

    drafts = chunk(parse(path), ChunkRecipe())

    assert [draft.text for draft in drafts] == [f"How many {n}?\n{n} of them." for n in range(5)]


def test_tabs_part_the_values_of_a_tsv(tmp_path: Path) -> None:
    assert read(tmp_path, b"Food\tNote\nApple\tred, round", "file.tsv")[1] == (
        "Food: Apple | Note: red, round"
    )


def test_a_value_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        read(tmp_path, b'a,b\n1,"' + b"x" * 2_500_000)

    assert caught.value.code == "too_large"


def test_a_formula_is_text(tmp_path: Path) -> None:
    data = b'name,value\n"=HYPERLINK(""http://x"")",1'

    assert read(tmp_path, data)[1] == 'name: =HYPERLINK("http://x") | value: 1'
