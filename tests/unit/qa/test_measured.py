"""Figures are means, intervals and times of what was noted of each question."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.measured import (
    ALL,
    Asked,
    figures_of,
    milliseconds_in,
    milliseconds_of,
    score_of,
    scores_in,
)


def asked(key: str, without: float, blended: float, **rest: object) -> Asked:
    values: dict[str, object] = {
        "language": "en",
        "relevance": blended,
        "judged": 1.0,
        "reranked": True,
        "reason": "",
        "passages": 30,
        "rerank_ms": 100.0,
    }
    return Asked(key=key, without=without, blended=blended, **(values | rest))  # type: ignore[arg-type]


def test_the_gain_is_the_mean_of_the_differences() -> None:
    found = score_of([asked("1", 0.4, 0.8), asked("2", 0.5, 0.5)])
    assert (found.without, found.blended) == pytest.approx((0.45, 0.65))
    assert found.gain.mean == pytest.approx(0.2)


def test_the_same_gain_on_every_question_has_an_interval_without_width() -> None:
    found = score_of([asked(str(n), 0.25, 0.75) for n in range(12)])
    assert found.gain == pytest.approx((0.5, 0.5, 0.5))


def test_a_gain_on_one_question_of_many_is_not_certain() -> None:
    rows = [asked(str(n), 0.5, 0.5) for n in range(11)]
    assert score_of([*rows, asked("x", 0.2, 0.9)]).gain.low == 0.0


def test_languages_are_told_apart_and_one_that_is_not_known_counts_in_the_whole_only() -> None:
    rows = [
        asked("1", 0.1, 0.2),
        asked("2", 0.3, 0.3, language="zh", reranked=False, reason="rerank_language"),
        asked("3", 0.5, 0.5, language=""),
    ]
    scores = scores_in(figures_of(rows, []))
    assert {name: each.questions for name, each in scores.items()} == {ALL: 3, "en": 1, "zh": 1}
    assert scores["zh"].reranked == 0


def test_reasons_are_counted() -> None:
    late = [asked(str(n), 0, 0, reranked=False, reason="rerank_timeout") for n in range(3)]
    assert figures_of([*late, asked("y", 0, 0)], [])["reasons"] == {"rerank_timeout": 3}


def test_times_are_those_of_the_most_passages() -> None:
    found = milliseconds_of([(30, 300.0), (30, 100.0), (30, 200.0), (12, 5.0)])
    assert found is not None
    assert (found.median, found.p95, found.rankings, found.passages) == (200.0, 300.0, 3, 30)


def test_without_times_there_is_none() -> None:
    assert milliseconds_of([]) is None
    assert milliseconds_in(figures_of([asked("1", 0, 0)], [])) is None


def test_without_questions_there_is_no_score() -> None:
    assert scores_in(figures_of([], [])) == {}


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=60))
def test_ninety_five_of_a_hundred_times_are_within_the_one_named(times: list[float]) -> None:
    found = milliseconds_of([(30, each) for each in times])
    assert found is not None
    assert found.p95 in times
    assert sum(each <= found.p95 for each in times) >= 0.95 * len(times)
    assert sum(each < found.p95 for each in times) <= 0.95 * len(times)


@given(
    st.lists(st.builds(asked, st.text(max_size=3), st.floats(0, 1), st.floats(0, 1)), max_size=20)
)
def test_figures_survive_being_stored(rows: list[Asked]) -> None:
    figures = figures_of(rows, [(each.passages, 1.0) for each in rows])
    stored = json.loads(json.dumps(figures))
    assert scores_in(stored) == scores_in(figures)
    assert milliseconds_in(stored) == milliseconds_in(figures)
