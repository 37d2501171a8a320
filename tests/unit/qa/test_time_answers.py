"""The figures of ``time_answers``: what is counted from where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from qa.management.commands.time_answers import figures_of, timings_of
from qa.models import Answer

ASKED = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_first_token_counts_from_the_stored_question() -> None:
    answer = Answer(
        created_at=ASKED,
        first_token_at=ASKED + timedelta(milliseconds=750),
        finished_at=ASKED + timedelta(seconds=1),
        timings_ms={"rerank": 400},
    )
    assert timings_of(answer) == {"first token": 750, "finished": 1000, "stage rerank": 400}


def test_an_answer_without_a_token_counts_for_its_end_only() -> None:
    answer = Answer(created_at=ASKED, finished_at=ASKED + timedelta(seconds=1))
    assert timings_of(answer) == {"finished": 1000}


def test_median_and_slowest_are_over_the_answers_that_have_the_measure() -> None:
    timings = [{"a": 1.0}, {"a": 3.0, "b": 5.0}, {"a": 8.0}]
    assert figures_of(timings) == {"a": (3.0, 8.0), "b": (5.0, 5.0)}
