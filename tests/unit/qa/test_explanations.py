"""Every reason and error has a sentence, and every factor says what it came from."""

from __future__ import annotations

from typing import get_args

import pytest

from qa.explanations import (
    error_sentence,
    factor_words,
    fit_words,
    known_lines,
    moved_up_words,
    reason_sentences,
    timings_in_order,
    weights_of,
)
from qa.fit import HABITS, Evidence, Habits, strength
from qa.types import FactorWeights, Reason


@pytest.mark.parametrize("reason", [reason for reason in get_args(Reason) if reason])
def test_every_reason_has_a_sentence(reason: str) -> None:
    (sentence,) = reason_sentences([reason])
    assert sentence.endswith(".")


def test_a_reason_is_said_once_and_an_unknown_one_not_at_all() -> None:
    assert len(reason_sentences(["rerank_off", "rerank_off", "", "from_the_future"])) == 1


def test_an_unknown_error_still_gets_a_sentence() -> None:
    assert error_sentence("") == ""
    assert error_sentence("never heard of") == error_sentence("internal") != ""


def test_timings_stand_in_the_order_in_which_things_happen() -> None:
    ordered = timings_in_order({"total": 9, "new_stage": 1, "rerank": 3, "dense": 2})
    assert [timing.name for timing in ordered] == ["dense", "rerank", "total", "new_stage"]
    assert ordered[-1].label == "new stage"


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"weights": None},
        {"weights": dict.fromkeys(("relevance", "completeness", "readability", "timeliness"), 0.0)},
    ],
)
def test_an_answer_without_weights_is_explained_with_the_defaults(
    stored: dict[str, object],
) -> None:
    assert weights_of(stored) == FactorWeights()


def test_stored_weights_are_used() -> None:
    assert weights_of({"weights": {"relevance": 1.0, "other": 3}}).relevance == 1.0


@pytest.mark.parametrize(
    ("factor", "inputs", "words"),
    [
        (
            "relevance",
            {"signals": {"rerank": 2.345, "cosine": 0.5, "lexical": 0.25}},
            "cross-encoder 2.35, cosine 0.50, word score 0.25",
        ),
        ("relevance", {"signals": {}}, ""),
        (
            "completeness",
            {
                "terms": [
                    {"surface": "sleep", "covered": True},
                    {"surface": "better", "covered": False},
                ]
            },
            "covers: sleep; lacks: better",
        ),
        (
            "completeness",
            {"rule": "no_terms", "terms": []},
            "the question names nothing to look for",
        ),
        ("timeliness", {"rule": "superseded"}, "superseded by a newer document"),
        ("timeliness", {"rule": "expired", "expires_at": "2020-01-31"}, "expired on 2020-01-31"),
        (
            "timeliness",
            {"rule": "decay", "effective_date": "2024-05-01", "half_life_days": 1095},
            "dated 2024-05-01, half-life 1095 days",
        ),
        ("timeliness", {"rule": "unknown_date"}, "date unknown: neutral"),
        ("readability", {"score": 0.5}, ""),
        ("readability", {"score": 0.5, "words": 7.0}, "too short to measure: neutral"),
        (
            "readability",
            {"score": 0.6, "words_per_sentence": 14.25, "flesch_reading_ease": 61.2},
            "14.2 words per sentence, Flesch reading ease 61",
        ),
        ("completeness", {}, ""),
        ("timeliness", {}, ""),
    ],
)
def test_a_factor_is_explained_by_its_inputs(
    factor: str, inputs: dict[str, object], words: str
) -> None:
    assert factor_words(factor, inputs) == words


# ---- personal fit --------------------------------------------------------------------------------
@pytest.mark.parametrize("reason", [*HABITS, "topic:children"])
def test_every_reason_of_the_fit_has_its_words(reason: str) -> None:
    words = moved_up_words([reason])
    assert words.startswith("moved up: you often ")
    assert "%" not in words
    assert ("children" in words) is (reason == "topic:children")


def test_several_reasons_stand_in_one_sentence_and_unknown_ones_nowhere() -> None:
    words = moved_up_words(["plain", "from_the_future", "short"])
    assert words == (
        "moved up: you often open plainly written sources, you often open short sources"
    )
    assert moved_up_words([]) == moved_up_words(["from_the_future"]) == ""


def test_a_topic_may_hold_signs_that_mean_something_elsewhere() -> None:
    assert "“50%:x”" in moved_up_words(["topic:50%:x"])


@pytest.mark.parametrize("habit", [*HABITS, "topic"])
def test_a_bonus_of_the_fit_says_what_it_was_computed_from(habit: str) -> None:
    part = {"habit": habit, "topic": "diet", "strength": 0.4, "value": 0.75}
    words = fit_words({"cap": 0.05, "parts": [part]})
    assert "0.40 × 0.75" in words
    assert words.startswith("0.05 × (")
    assert fit_words({}) == ""


def test_the_page_of_a_reader_has_a_line_for_every_habit() -> None:
    evidence = Evidence(30, 0.5)
    lines = known_lines(Habits(recent=evidence))
    assert [line.openings for line in lines] == [0, 30, 0]
    assert lines[1].strength == strength(evidence)
    assert all(line.label for line in lines)
