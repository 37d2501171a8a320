"""The figures of ``time_answers``: what is counted from where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from qa.models import Answer
from ragsite.management.commands.time_answers import (
    figures_of,
    read_starts,
    report_of,
    timings_of,
)

if TYPE_CHECKING:
    from pathlib import Path

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


def test_the_report_shows_the_first_and_the_latest_start(tmp_path: Path) -> None:
    noted = tmp_path / "starts.jsonl"
    noted.write_text(
        '{"at": 1, "seconds": 93.2, "peak_mib": 1782}\n'
        '{"at": 2, "seconds": 50, "peak_mib": 500}\n'
        '{"at": 3, "seconds": 8.4, "peak_mib": 422}\n'
    )
    text = report_of({"first token": (750.4, 900)}, 6, read_starts(noted), commit="abc")
    assert "| first token | 750 | 900 |" in text
    assert "| 93 | 1782 |" in text
    assert "| 8 | 422 |" in text
    assert "| 50 |" not in text
    assert "`abc`" in text


def test_without_an_embedded_stack_the_report_has_no_starts(tmp_path: Path) -> None:
    assert "Starts" not in report_of({}, 0, read_starts(tmp_path / "none"), commit="")
