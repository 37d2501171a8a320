"""What counts as a bad end, and how the table is written. The run itself needs the whole stack."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from bench.badfiles import LIMIT_S, Ended, described, faults, markdown

READY = Ended("a.pdf", "loop", "a|b", "ready", "", "", "", 1.5, 3, 0, is_whole=True)
FAILED = replace(
    READY,
    file="b.pdf",
    state="failed",
    code="empty",
    sentence="The file is empty.",
    remedy="Upload another.",
    passages=0,
)
NESTED = {"outcome": "refused", "code": "nested", "sentence": "An archive.", "remedy": "Unpack it."}
ARCHIVE = replace(
    READY,
    file="c.zip",
    state="done",
    passages=0,
    inside=({"outcome": "stored", "code": "", "sentence": "", "remedy": ""}, NESTED, NESTED),
)
GIVEN = argparse.Namespace(files=Path("bad.tar"), index=Path("i.jsonl"), markdown=None)


def test_ends_that_are_as_they_should_be_are_no_faults() -> None:
    assert faults([READY, FAILED, ARCHIVE], leftovers=0, is_alive=True) == []


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (replace(READY, state="parsing"), "a.pdf is parsing at the end"),
        (replace(FAILED, remedy=""), "b.pdf ends with 'empty', which has no words of its own"),
        (replace(FAILED, passages=1), "b.pdf failed and has passages"),
        (replace(READY, is_whole=False), "a.pdf has another number of passages than its version"),
        (replace(READY, seconds=LIMIT_S + 1), "a.pdf was read for"),
        (
            replace(ARCHIVE, inside=({**NESTED, "outcome": "waiting"},)),
            "a file in c.zip is waiting",
        ),
        (replace(ARCHIVE, inside=({**NESTED, "remedy": ""},)), "a file in c.zip is refused"),
        (replace(FAILED, lost=1), "b.pdf took a worker with it"),
    ],
)
def test_each_bad_end_is_named(ended: Ended, words: str) -> None:
    (fault,) = faults([ended], leftovers=0, is_alive=True)
    assert fault.startswith(words)


def test_a_dead_worker_and_programs_left_over_are_faults() -> None:
    assert faults([], leftovers=2, is_alive=False) == [
        "2 programs were left over",
        "the worker did not live through all of it",
    ]


def test_the_report_counts_names_and_explains() -> None:
    written = markdown([READY, FAILED], [], GIVEN)

    assert "1 failed, 1 ready" in written
    assert "| empty | The file is empty. | Upload another. |" in written
    assert "| a.pdf | loop | a\\|b | ready |  | 3 | 1.5 |" in written
    assert "no program was left over" in written


def test_the_report_says_what_became_of_the_files_in_an_archive() -> None:
    written = markdown([ARCHIVE], [], GIVEN)

    assert "| done: 1 stored, 2 nested |" in written
    assert "| nested | An archive. | Unpack it. |" in written


def test_the_report_names_what_is_wrong() -> None:
    assert "Wrong:\n- it hangs" in markdown([READY], ["it hangs"], GIVEN)


def test_an_index_gives_class_and_note_by_name(tmp_path: Path) -> None:
    index = tmp_path / "i.jsonl"
    index.write_text('{"file": "a.pdf", "category": "loop", "note": "round"}\n')

    assert described(index) == {"a.pdf": ("loop", "round")}
