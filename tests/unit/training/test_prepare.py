from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from training.prepare import is_held_out, read_set

HELD_OUT = next(f"subject {n}" for n in range(1_000) if is_held_out(f"subject {n}"))
TRAINED, TRAINED_TOO = [f"subject {n}" for n in range(1_000) if not is_held_out(f"subject {n}")][:2]


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    passages = [
        {"id": "a", "group": TRAINED, "title": "Sleep", "text": "Dim the lights."},
        {"id": "b", "group": TRAINED_TOO, "text": "Fruit has sugar."},
        {"id": "c", "group": HELD_OUT, "title": "Rest", "text": "Rest a lot."},
    ]
    pairs = [
        {"query": "q1", "positive_id": "a", "neg_ids": ["b", "c"], "group": TRAINED, "lang": "en"},
        {"query": "q2", "positive_id": "c", "neg_ids": ["a", "b"], "group": HELD_OUT, "lang": "en"},
        {"query": "q3", "positive_id": "b", "neg_ids": ["a"], "group": TRAINED_TOO, "lang": "zh"},
    ]
    write_lines(tmp_path / "passages.jsonl.gz", passages)
    write_lines(tmp_path / "pairs.jsonl.gz", pairs)
    return tmp_path


def test_a_tenth_of_the_groups_is_held_out() -> None:
    share = sum(is_held_out(f"group {n}") for n in range(5_000)) / 5_000
    assert share == pytest.approx(0.1, abs=0.02)


def test_pairs_of_held_out_groups_are_kept_apart(folder: Path) -> None:
    read = read_set(folder)
    assert [pair.question for pair in read.training] == ["q1"]
    assert [pair.question for pair in read.held_out] == ["q2"]


def test_training_sees_no_passage_of_a_held_out_group(folder: Path) -> None:
    (pair,) = read_set(folder).training
    assert pair.negatives == ("b",)


def test_only_pairs_of_the_language_asked_for_are_read(folder: Path) -> None:
    assert [pair.question for pair in read_set(folder, language="zh").training] == ["q3"]


def test_passages_carry_their_title_as_the_product_writes_it(folder: Path) -> None:
    passages = read_set(folder).passages
    assert passages["a"].text == "Sleep\nDim the lights."
    assert passages["b"].text == "Fruit has sugar."


def test_a_pair_without_negatives_gets_the_rest_of_its_group(folder: Path) -> None:
    write_lines(
        folder / "passages.jsonl.gz",
        [{"id": i, "group": TRAINED, "text": i} for i in ("a", "b", "c")],
    )
    write_lines(
        folder / "pairs.jsonl.gz",
        [{"query": "q", "positive_id": "b", "neg_ids": [], "group": TRAINED, "lang": "en"}],
    )
    (pair,) = read_set(folder).training
    assert pair.negatives == ("a", "c")
