"""Every reason and error has a sentence, and every factor says what it came from."""

from __future__ import annotations

from typing import get_args

import pytest

from qa.aspects import ASPECTS
from qa.explanations import (
    AS_CONFIGURED,
    ASPECT_NAMES,
    error_sentence,
    factor_bars,
    factor_words,
    fit_words,
    known_lines,
    moved_up_words,
    preset_view,
    reason_sentences,
    time_note,
    timings_in_order,
    weights_of,
)
from qa.fit import HABITS, Evidence, Habits, strength
from qa.models import RankedPassage
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
        (
            "completeness",
            {
                "terms": [
                    {"surface": "treatment", "covered": False, "credit": 0.5, "how": "aspect"},
                    {"surface": "睡得", "covered": False, "credit": 0.15, "how": "characters"},
                    {"surface": "measles", "covered": True, "credit": 1.0, "how": "word"},
                    {"surface": "mumps", "covered": False, "credit": 0.0, "how": ""},
                ],
                "aspects": [
                    {"aspect": "time", "words": "when", "weight": 1.0, "covered": True},
                    {"aspect": "way", "words": "how to", "weight": 1.0, "covered": False},
                ],
            },
            "covers: measles, when; in other words: treatment 0.5, 睡得 0.15; lacks: mumps, how to",
        ),
        (
            "timeliness",
            {
                "rule": "year",
                "effective_date": "2024-05-01",
                "year": 2023,
                "age_days": 122,
                "half_life_days": 365,
            },
            "dated 2024-05-01, 122 days from 2023, half-life 365 days",
        ),
        (
            "timeliness",
            {"rule": "of_year", "effective_date": "2019-05-01"},
            "dated 2019-05-01, in the year asked for",
        ),
        (
            "readability",
            {
                "score": 0.6,
                "words_per_sentence": 14.25,
                "unfamiliar_share": 0.214,
                "dale_chall": 33.8,
            },
            "14.2 words per sentence, share of unfamiliar words 0.21, New Dale-Chall 34",
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


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"evidence": {"value": 0.1}}, "; without its place 0.10, which the floor judges"),
        ({"evidence": {"value": 0.698}}, ""),
        ({}, ""),
    ],
)
def test_the_bar_of_relevance_says_what_the_floor_judged_where_that_is_another_number(
    stored: dict[str, dict[str, float]], words: str
) -> None:
    passage = RankedPassage(
        relevance=0.7,
        completeness=0.5,
        readability=0.5,
        timeliness=0.5,
        factor_inputs={"relevance": {"signals": {"rerank": 2.0, "fused": 1.0}}, **stored},
    )
    relevance, *others = factor_bars(passage, FactorWeights())
    assert relevance.words == f"cross-encoder 2.00, place in search 1.00{words}"
    assert not any("floor" in bar.words for bar in others)


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


def test_every_aspect_has_a_name_for_people() -> None:
    assert set(ASPECT_NAMES) == {aspect.name for aspect in ASPECTS}


def test_the_note_on_time_says_what_was_asked_by_which_word() -> None:
    latest = time_note({"time_intent": "latest", "time_words": "newest"})
    assert latest is not None
    assert latest.counts
    assert latest.sentence == "Asked for the newest (“newest”): newer documents count more."
    year = time_note({"time_intent": "2024", "time_words": "2024年"})
    assert year is not None
    assert year.sentence == ("Asked for a year (“2024年”): documents of about 2024 count more.")


def test_a_wish_left_out_of_account_is_noted_too() -> None:
    note = time_note({"wishes": {"follow_time": False}, "time_intent": ""})
    assert note is not None
    assert not note.counts


def test_nothing_is_noted_where_nothing_was_asked_or_nothing_counts_more() -> None:
    assert time_note({}) is None
    only = {"relevance": 1.0, "completeness": 0.0, "readability": 0.0, "timeliness": 0.0}
    assert time_note({"time_intent": "latest", "time_words": "x", "weights": only}) is None


def test_a_preset_is_named_and_the_others_are_offered() -> None:
    raised = {"relevance": 0.31, "completeness": 0.23, "readability": 0.16, "timeliness": 0.3}
    balanced = {"relevance": 0.4, "completeness": 0.3, "readability": 0.2, "timeliness": 0.1}
    view = preset_view({"weights": raised, "configured_weights": balanced})
    assert (view.label, view.raised) == ("Balanced", True)
    assert view.others == (("relevance_only", "Relevance only"),)


def test_an_old_answer_and_own_weights_have_a_name_as_well() -> None:
    assert preset_view({}).label == "Balanced"
    own = {"relevance": 0.5, "completeness": 0.5, "readability": 0.0, "timeliness": 0.0}
    view = preset_view({"weights": own, "configured_weights": own})
    assert (view.label, view.raised) == ("Weights of the knowledge base", False)
    assert [value for value, _label in view.others] == ["balanced", "relevance_only"]


def test_a_wish_for_a_preset_can_be_taken_back() -> None:
    view = preset_view({"wishes": {"preset": "balanced"}})
    assert view.others[0][0] == AS_CONFIGURED
