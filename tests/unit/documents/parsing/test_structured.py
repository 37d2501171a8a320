"""JSON, notebooks, XML and Org: formats that hold text among other things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from documents.parsing.base import ParseError
from documents.types import ParsedDocument
from tests.unit.documents.parsing.builders import kinds_and_texts, parse


def read(tmp_path: Path, name: str, content: Any) -> ParsedDocument:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return parse(path)


def code_of(tmp_path: Path, name: str, content: Any) -> str:
    with pytest.raises(ParseError) as caught:
        read(tmp_path, name, content)
    return caught.value.code


def test_each_value_of_json_has_the_names_that_lead_to_it(tmp_path: Path) -> None:
    value = {
        "title": "Sleep",
        "advice": {"early": True, "hours": 8, "note": None, "for": ["adults", "all"]},
        "steps": [{"a": [1]}, "rest"],
    }

    parsed = read(tmp_path, "a.json", value)

    assert kinds_and_texts(parsed) == [
        ("paragraph", "title: Sleep"),
        ("paragraph", "advice › early: true"),
        ("paragraph", "advice › hours: 8"),
        ("paragraph", "advice › for: adults, all"),
        ("paragraph", "steps › a: 1"),
        ("paragraph", "steps: rest"),
    ]
    assert parsed.title == "Sleep"


def test_like_objects_are_the_rows_of_a_table(tmp_path: Path) -> None:
    rows = [{"food": "Apple", "grams": 12}, {"food": "Pear", "colour": "green"}]

    assert [text for _, text in kinds_and_texts(read(tmp_path, "a.json", {"all": rows}))] == [
        "all",
        "food | grams | colour",
        "food: Apple | grams: 12",
        "food: Pear | colour: green",
    ]


def test_questions_and_answers_in_lines_of_json_are_pairs(tmp_path: Path) -> None:
    lines = (
        '{"question": "睡多久？", "answer": "八个小时"}\n{"question": "何时？", "answer": "早"}\n'
    )

    assert kinds_and_texts(read(tmp_path, "a.jsonl", lines)) == [
        ("pair", "睡多久？\n八个小时"),
        ("pair", "何时？\n早"),
    ]


def test_broken_and_deep_json_is_told(tmp_path: Path) -> None:
    assert code_of(tmp_path, "a.json", '{"a": 1') == "truncated"
    assert code_of(tmp_path, "a.json", "[" * 100_000) == "nested"
    assert code_of(tmp_path, "a.json", "[null]") == "no_text"


def test_a_notebook_gives_its_text_its_code_and_what_was_printed(tmp_path: Path) -> None:
    output = {"output_type": "stream", "text": ["42\n"]}
    result = {"output_type": "execute_result", "data": {"text/plain": "7", "image/png": "x"}}
    cells: list[Any] = [
        {"cell_type": "markdown", "source": ["# Sleep\n", "\n", "Rest *well*."]},
        {"cell_type": "code", "source": "print(42)", "outputs": [output, result, None]},
        {"cell_type": "code"},
        "nonsense",
    ]

    assert kinds_and_texts(read(tmp_path, "a.ipynb", {"nbformat": 4, "cells": cells})) == [
        ("heading", "Sleep"),
        ("paragraph", "Rest well."),
        ("code", "print(42)"),
        ("code", "42"),
        ("code", "7"),
    ]


def test_json_that_is_no_notebook_is_mislabelled(tmp_path: Path) -> None:
    assert code_of(tmp_path, "a.ipynb", {"a": "b"}) == "mislabelled"
    assert code_of(tmp_path, "a.ipynb", ["words"]) == "mislabelled"


def test_each_element_of_xml_with_words_is_a_paragraph(tmp_path: Path) -> None:
    xml = (
        '<?xml version="1.0"?><guide xml:lang="en"><title>Sleep</title><!-- no -->'
        "<part><p>Rest <b>well</b>, always.</p><p/></part></guide>"
    )

    parsed = read(tmp_path, "a.xml", xml)

    assert parsed.text == "Sleep\n\nRest well, always."
    assert parsed.title == "Sleep"


def test_hostile_xml_is_refused(tmp_path: Path) -> None:
    outside = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'

    assert code_of(tmp_path, "a.xml", outside) == "bomb"
    assert code_of(tmp_path, "a.xml", "<a>" * 1_000 + "</a>" * 1_000) == "nested"
    assert code_of(tmp_path, "a.xml", "<a>words") == "truncated"


def test_org_gives_headings_lists_tables_and_blocks(tmp_path: Path) -> None:
    text = (
        "#+TITLE: Guide\n#+AUTHOR: A. B.\n#+DATE: 2024-05-01\n* TODO Sleep :tag:\n"
        ":PROPERTIES:\n:ID: x\n:END:\n"
        "See [[http://x.example][the page]].\n- one\n- two\n\n"
        "| Food | Grams |\n|------+-------|\n| Apple | 12 |\n\n"
        "#+begin_src python\n* x\n#+end_src\n# a remark\n** Diet\n"
    )

    parsed = read(tmp_path, "a.org", text)

    assert kinds_and_texts(parsed) == [
        ("heading", "Sleep"),
        ("paragraph", "See the page."),
        ("list_item", "- one"),
        ("list_item", "- two"),
        ("table_row", "Food | Grams"),
        ("table_row", "Food: Apple | Grams: 12"),
        ("code", "* x"),
        ("heading", "Diet"),
    ]
    assert (parsed.title, parsed.author) == ("Guide", "A. B.")
    assert parsed.published is not None and parsed.published.year == 2024
