from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from training.prepare import is_held_out, records, summary


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_a_tenth_of_the_groups_is_held_out() -> None:
    share = sum(is_held_out(f"group {n}") for n in range(5_000)) / 5_000
    assert share == pytest.approx(0.1, abs=0.02)


def test_a_group_is_held_out_on_every_machine_alike() -> None:
    assert [n for n in range(40) if is_held_out(f"subject {n}")] == [19, 27]


def test_records_are_read_line_by_line(tmp_path: Path) -> None:
    write_lines(tmp_path / "some.jsonl.gz", [{"a": 1}, {"a": "睡"}])
    assert list(records(tmp_path / "some.jsonl.gz")) == [{"a": 1}, {"a": "睡"}]


def test_a_summary_counts_passages_and_pairs_by_language(tmp_path: Path) -> None:
    held_out = next(f"g{n}" for n in range(1_000) if is_held_out(f"g{n}"))
    trained = next(f"g{n}" for n in range(1_000) if not is_held_out(f"g{n}"))
    write_lines(tmp_path / "passages.jsonl.gz", [{"id": "a"}, {"id": "b"}])
    pairs = [("en", trained), ("en", trained), ("en", held_out), ("zh", trained)]
    write_lines(tmp_path / "pairs.jsonl.gz", [{"lang": x, "group": g} for x, g in pairs])
    assert summary(tmp_path) == (
        f"{tmp_path.name}: 2 passages; en 2 to train on, 1 held out; zh 1 to train on, 0 held out"
    )
