"""The reader asks, another process runs a program: here a shell script in tesseract's place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from documents.parsing import runner
from documents.parsing.base import ParseError
from documents.parsing.runner import parse_file
from documents.parsing.sandbox import GUARDS, missing_guards

LISTED = """if [ "$1" = --list-langs ]; then echo "List of 2"; echo eng; echo chi_sim; exit; fi"""

Recognise = Callable[..., ParseError]


@pytest.fixture
def recognise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recognise:
    """What the reader gets with a script for tesseract."""
    monkeypatch.setattr(runner, "PROGRAM", "tests.unit.documents.parsing.hostile_program")

    def run(script: str, behaviour: str = "recognise", **limits: float) -> ParseError:
        command = tmp_path / "tesseract"
        command.write_text(f"#!/bin/sh\n{LISTED}\n{script}\n")
        command.chmod(0o755)
        monkeypatch.setattr(runner, "find_recogniser", lambda: str(command) if script else "")
        path = tmp_path / "input.txt"
        path.write_text(behaviour)
        with pytest.raises(ParseError) as caught:
            parse_file(path, "text/plain", **limits)  # type: ignore[arg-type]
        return caught.value

    return run


def test_the_picture_reaches_the_program_and_its_answer_comes_back(recognise: Recognise) -> None:
    ended = recognise('echo "$@"; exec cat')

    assert ended.code == "no_text"
    assert ended.detail == (
        "('eng', 'chi_sim') stdin stdout -l eng+chi_sim --dpi 300 tsv\na picture"
    )


def test_a_reader_knows_where_no_recognition_is_installed(recognise: Recognise) -> None:
    assert recognise("").detail == "no recogniser"


def test_a_failure_is_told_to_the_reader(recognise: Recognise) -> None:
    ended = recognise("exit 3")

    assert (ended.code, ended.detail) == ("recognition", "tesseract ended with 3")


def test_a_flood_of_text_ends_at_its_limit(recognise: Recognise) -> None:
    ended = recognise("while :; do echo 0123456789012345678901234567890123456789; done")

    assert ended.code == "recognition"


@pytest.mark.skipif(missing_guards() == GUARDS, reason="this system has no guards")
def test_the_program_may_not_write_either(recognise: Recognise, tmp_path: Path) -> None:
    ended = recognise(f"echo mine > {tmp_path}/mine || exit 4")

    assert ended.code == "recognition"
    assert not (tmp_path / "mine").exists()


def test_a_language_is_no_option(recognise: Recognise) -> None:
    ended = recognise("exec cat", "recognise_nonsense")

    assert (ended.code, ended.detail) == ("recognition", "no such language")


def test_a_reader_that_hangs_gains_no_time_from_recognition_that_it_does_not_use(
    recognise: Recognise,
) -> None:
    assert recognise("exec cat", "sleep", time_limit_s=1).code == "timeout"


def test_the_time_of_recognition_is_not_the_readers_own(recognise: Recognise) -> None:
    assert recognise("exec sleep 6", time_limit_s=5, recognition_s=600).code == "no_text"


def test_a_reader_that_closes_its_pipe_is_timed_all_the_same(recognise: Recognise) -> None:
    assert recognise("exec cat", "close_everything_and_sleep", time_limit_s=1).code == "timeout"


def test_a_reader_that_asks_nonsense_is_ended(recognise: Recognise) -> None:
    assert recognise("exec cat", "flood_the_recogniser").code == "crashed"
