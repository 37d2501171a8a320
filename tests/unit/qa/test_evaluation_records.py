"""Figures are kept whole, and taken again only for the settings that they were made with."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from qa.evaluation_records import is_measured_with, read_record, record_path, write_record
from tests.unit.qa.measured_sets import measured_set

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    figures = replace(measured_set("health", reranked=(0.7, 0.9)), over_time=3)
    write_record(tmp_path / "new", figures)
    assert read_record(tmp_path / "new", "health") == figures


def test_a_newer_record_takes_the_place_of_the_older(tmp_path: Path) -> None:
    write_record(tmp_path, measured_set())
    newer = replace(measured_set(), questions=7)
    write_record(tmp_path, newer)
    assert read_record(tmp_path, "health") == newer
    assert [path.name for path in tmp_path.iterdir()] == ["health.json"]


def test_nothing_is_read_of_what_is_absent_broken_or_of_another_form(tmp_path: Path) -> None:
    assert read_record(tmp_path, "health") is None
    path = record_path(tmp_path, "health")
    for broken in ("{", "[]", '{"format": 1}', '{"format": 99}'):
        path.write_text(broken, encoding="utf-8")
        assert read_record(tmp_path, "health") is None


def test_other_settings_are_told_apart_and_another_commit_is_not() -> None:
    figures = replace(measured_set(), meta={"commit": "a", "seed": 7, "weights": {"r": 0.4}})
    assert is_measured_with(figures, {"commit": "b", "seed": 7, "weights": {"r": 0.4}})
    assert not is_measured_with(figures, {"commit": "a", "seed": 8, "weights": {"r": 0.4}})
    assert not is_measured_with(figures, {"commit": "a", "seed": 7, "weights": {"r": 0.5}})
    assert not is_measured_with(figures, {"seed": 7})


def test_settings_compare_as_they_look_in_the_file() -> None:
    figures = replace(measured_set(), meta=json.loads('{"names": ["a"]}'))
    assert is_measured_with(figures, {"names": ("a",)})
