"""The factors on texts whose kind is known: the samples, and pairs made for the test."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.factor_figures import (
    area_under_curve,
    completeness_figures,
    markdown,
    readability_figures,
)

SAMPLES = Path(__file__).parents[3] / "samples"


def test_the_area_is_the_share_of_pairs_in_order_with_ties_counted_half() -> None:
    assert area_under_curve([3, 4], [1, 2]) == 1.0
    assert area_under_curve([1, 2], [3, 4]) == 0.0
    assert area_under_curve([1, 1], [1]) == 0.5
    assert area_under_curve([1, 3], [2]) == 0.5


@pytest.mark.parametrize(("high", "low"), [([], [1.0]), ([1.0], [])])
def test_one_group_alone_separates_nothing(high: list[float], low: list[float]) -> None:
    with pytest.raises(ValueError, match="both groups"):
        area_under_curve(high, low)


numbers = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8)


@given(numbers, numbers)
def test_the_area_agrees_with_counting_every_pair(high: list[float], low: list[float]) -> None:
    counted = sum((a > b) + 0.5 * (a == b) for a in high for b in low)
    assert area_under_curve(high, low) == pytest.approx(counted / (len(high) * len(low)))


def test_readability_tells_lay_from_technical_samples_in_both_languages() -> None:
    english, chinese = readability_figures(SAMPLES)

    assert (english.language, chinese.language) == ("en", "zh")
    assert english.by_document > 0.98
    assert english.by_passage > 0.95
    assert english.lay_mean - english.technical_mean > 0.25
    assert chinese.by_document == 1.0
    assert chinese.by_passage > 0.95


def write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def test_completeness_is_measured_beside_the_words_alone(tmp_path: Path) -> None:
    texts = {
        "yes": "Measles: take the drug twice.",
        "no1": "Measles is a virus.",
        "no2": "Measles spreads.",
        "no3": "Mumps.",
    }
    write_lines(
        tmp_path / "passages.jsonl.gz", [{"id": key, "text": text} for key, text in texts.items()]
    )
    pair = {"query": "What is the treatment of measles?", "positive_id": "yes"}
    write_lines(
        tmp_path / "pairs.jsonl.gz",
        [
            {**pair, "neg_ids": ["no1", "no2", "no3"]},
            {**pair, "neg_ids": ["no1"]},
        ],
    )

    figures = completeness_figures(tmp_path, questions=5, seed=1)

    assert figures.questions == 1
    assert figures.words == pytest.approx(2 / 3)
    assert figures.with_aspects == 1.0
    page = markdown([], [figures], command="python manage.py measure_factors")
    assert f"| {tmp_path.name} | 1 | 0.6667 | 1.0000 |" in page
