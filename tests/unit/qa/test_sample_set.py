"""The judged samples: those that come with the installation, and folders that are none."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from documents.analysis import detect_language
from qa.sample_set import NoSampleSet, SampleDocument, parse, read_sample_set
from qa.selection import FEWEST_QUESTIONS

INSTALLED = Path(__file__).parents[3] / "samples"


def write(folder: Path, index: list[object], questions: list[object]) -> None:
    for name, rows in (("index", index), ("questions", questions)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


ROW = {"file": "a.md", "title": "A", "date": "2020-02-03"}
QUESTION = {"id": "1", "query": "what?", "grades": {"a.md": 2}}


def test_every_installed_question_is_answered_by_a_document_and_graded_on_the_scale() -> None:
    found = read_sample_set(INSTALLED)
    assert len({question.key for question in found.questions}) == len(found.questions)
    assert len({question.text for question in found.questions}) == len(found.questions)
    for question in found.questions:
        assert set(question.grades.values()) <= {1.0, 2.0, 3.0}
        assert max(question.grades.values()) == 3.0, question.text


def test_each_language_of_the_installed_questions_has_enough_of_them_for_advice() -> None:
    lines = (INSTALLED / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        assert detect_language(row["query"]) == row["language"], row["query"]
    counts = Counter(row["language"] for row in rows)
    assert set(counts) == {"en", "zh"}
    assert min(counts.values()) >= FEWEST_QUESTIONS


def test_an_installed_document_is_read_under_the_title_of_the_index() -> None:
    first = read_sample_set(INSTALLED).documents[0]
    parsed = parse(first)
    assert parsed.title == first.title
    assert parsed.blocks


def test_dates_are_as_exact_as_they_are_known(tmp_path: Path) -> None:
    rows = [ROW, ROW | {"file": "b.md", "date": "2021"}, ROW | {"file": "c.md", "date": None}]
    write(tmp_path, list(rows), [QUESTION])
    dates = [each.effective_date for each in read_sample_set(tmp_path).documents]
    assert [str(each) for each in dates] == ["2020-02-03", "2021-07-01", "None"]


def test_another_grade_is_another_set(tmp_path: Path) -> None:
    write(tmp_path, [ROW], [QUESTION])
    before = read_sample_set(tmp_path).sha256
    assert read_sample_set(tmp_path).sha256 == before
    write(tmp_path, [ROW], [QUESTION | {"grades": {"a.md": 1}}])
    assert read_sample_set(tmp_path).sha256 != before


@pytest.mark.parametrize(
    ("index", "questions"),
    [
        ([ROW], [QUESTION | {"grades": {"elsewhere.md": 3}}]),
        ([ROW], []),
        ([{"file": "a.md"}], [QUESTION]),
        ([ROW], [{"id": "1"}]),
        ([ROW], ["a string"]),
        ([ROW | {"date": "last year"}], [QUESTION]),
    ],
)
def test_lists_that_do_not_fit_together_are_no_sample_set(
    tmp_path: Path, index: list[object], questions: list[object]
) -> None:
    write(tmp_path, index, questions)
    with pytest.raises(NoSampleSet):
        read_sample_set(tmp_path)


def test_a_folder_that_is_not_there_is_no_sample_set(tmp_path: Path) -> None:
    with pytest.raises(NoSampleSet):
        read_sample_set(tmp_path / "gone")


@pytest.mark.parametrize("name", ["gone.md", "strange.xyz"])
def test_a_document_that_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    if name == "strange.xyz":
        (tmp_path / name).write_bytes(b"\x00\x01")
    with pytest.raises(NoSampleSet):
        parse(SampleDocument(name, tmp_path / name, "A", None, ""))
