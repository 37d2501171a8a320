"""The fault run's own arithmetic: when faults strike, what is counted as wrong, what is written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fault_tables import Found, misplaced, number_of
from bench.faults import SECTIONS, Plan, Run, Struck, markdown, marker, schedule, texts

PLAN = Plan(documents=300, kills=20, redis_restarts=3, postgres_restarts=2, concurrency=2, seed=1)
GOOD = Found(
    documents=300,
    ready=300,
    versions=300,
    chunks=1_800,
    duplicates=0,
    missing=0,
    without_vector=0,
    lost_words=0,
    strange_words=0,
    attempts=320,
    losses=20,
    postponements=4,
    leftovers=0,
)


def finished(found: Found = GOOD, plan: Plan = PLAN) -> Run:
    struck = tuple(Struck(fault, 1.0, ready) for ready, fault in schedule(plan))
    return Run(plan, struck, 100.0, found, "fake")


@given(st.integers(1, 400), st.integers(0, 30), st.integers(0, 5), st.integers(0, 5))
def test_every_fault_strikes_before_the_last_document_is_ready(
    documents: int, kills: int, redis: int, postgres: int
) -> None:
    plan = replace(
        PLAN, documents=documents, kills=kills, redis_restarts=redis, postgres_restarts=postgres
    )
    planned = schedule(plan)
    thresholds = [threshold for threshold, _ in planned]
    kinds = [fault for _, fault in planned]
    assert thresholds == sorted(thresholds)
    assert all(threshold < documents for threshold in thresholds)
    assert sum(fault.startswith("kill") for fault in kinds) == kills
    assert (kinds.count("empty Redis"), kinds.count("restart PostgreSQL")) == (redis, postgres)


def test_half_of_the_kills_strike_the_process_with_a_document_in_hand() -> None:
    kinds = [fault for _, fault in schedule(PLAN)]
    assert kinds.count("kill the process at work") == kinds.count("kill the worker") == 10


def test_each_section_has_a_word_of_its_own() -> None:
    made = dict(texts(3, seed=1))
    assert list(made) == ["0000.md", "0001.md", "0002.md"]
    for document, text in enumerate(made.values()):
        words = text.split()
        assert [words.count(marker(document, section)) for section in range(SECTIONS)] == [
            1
        ] * SECTIONS
    assert made == dict(texts(3, seed=1))
    assert made != dict(texts(3, seed=2))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([("a", "one x"), ("a", "two"), ("b", "three")], (0, 0)),
        ([("a", "one"), ("a", "one two"), ("b", "three")], (0, 0)),
        ([("a", "one"), ("b", "three")], (1, 0)),
        ([("a", "one two"), ("b", "three two")], (0, 1)),
        ([("a", "one two"), ("b", "three"), ("c", "three")], (0, 1)),
        ([], (3, 0)),
    ],
)
def test_words_that_are_lost_or_in_another_file_are_counted(
    chunks: list[tuple[str, str]], expected: tuple[int, int]
) -> None:
    assert misplaced(chunks, {"a": {"one", "two"}, "b": {"three"}}) == expected


@pytest.mark.parametrize(
    ("name", "number"),
    [("host:12", 12), ("host:12 boot-1.9", 12), ("a:b:7 x:3.1", 7), ("host", None), ("", None)],
)
def test_a_worker_s_process_is_read_from_its_name(name: str, number: int | None) -> None:
    assert number_of(name) == number


def test_a_run_in_which_all_is_well_has_no_faults() -> None:
    assert finished().faults == []
    written = markdown(finished(), {"commit": "abc"})
    assert "Everything is as it should be" in written
    assert "--seed 1 --embedder fake --markdown" in written
    assert "| kill the worker | 10 |" in written
    assert "| ready, once each | 300 |" in written


@pytest.mark.parametrize(
    "change",
    [
        {"ready": 299},
        {"versions": 301},
        {"documents": 299},
        {"duplicates": 1},
        {"missing": 1},
        {"without_vector": 1},
        {"lost_words": 1},
        {"strange_words": 1},
        {"leftovers": 1},
    ],
)
def test_anything_that_is_not_as_it_should_be_is_named(change: dict[str, int]) -> None:
    done = finished(replace(GOOD, **change))
    assert len(done.faults) == 1
    assert f"- {done.faults[0]}" in markdown(done, {"commit": "abc"})


def test_a_fault_that_was_not_caused_is_no_proof() -> None:
    done = replace(finished(), struck=finished().struck[:-2])
    assert done.faults == ["2 faults were not caused: the run ended before"]
