"""Test sets in the BEIR layout are read strictly, and sampled alike everywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from qa.beir import CorpusEntry, NotATestSet, is_test_set, read_test_set

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = [{"_id": "d1", "title": "One", "text": "First."}, {"_id": "d2", "text": "Second."}]
QUERIES = [{"_id": f"q{n}", "text": f"question {n}"} for n in range(12)]
JUDGED = [f"q{n}\td1\t1" for n in range(10)] + ["q10\td2\t0"]


def write(folder: Path, *, qrels: list[str], corpus: str = "", queries: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in CORPUS)
    (folder / "corpus.jsonl").write_text(corpus or lines + "\n", encoding="utf-8")
    lines = "".join(json.dumps(row) + "\n" for row in QUERIES)
    (folder / "queries.jsonl").write_text(queries or lines, encoding="utf-8")
    (folder / "qrels.tsv").write_text("\n".join(qrels) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "tiny", qrels=["query-id\tcorpus-id\tscore", *JUDGED])


def test_the_corpus_is_read_with_or_without_titles(folder: Path) -> None:
    test_set = read_test_set(folder)
    assert test_set.name == "tiny"
    assert test_set.corpus == (CorpusEntry("d1", "One", "First."), CorpusEntry("d2", "", "Second."))


def test_questions_without_a_relevant_document_are_left_out(folder: Path) -> None:
    keys = [question.key for question in read_test_set(folder).questions]
    assert keys == [f"q{n}" for n in range(10)]


def test_grades_may_come_without_a_header_and_in_four_columns(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", qrels=JUDGED)
    assert read_test_set(plain).questions[0].grades == {"d1": 1.0}


def test_a_sample_is_drawn_by_its_seed_in_the_order_of_the_set(folder: Path) -> None:
    test_set = read_test_set(folder)
    drawn = [question.key for question in test_set.sample(4, seed=7)]
    assert drawn == [question.key for question in test_set.sample(4, seed=7)]
    assert drawn == sorted(drawn)
    assert len(drawn) == 4
    assert any(drawn != [q.key for q in test_set.sample(4, seed=seed)] for seed in range(20))


@pytest.mark.parametrize("count", [None, 10, 99])
def test_a_sample_of_more_than_there_are_is_all(folder: Path, count: int | None) -> None:
    assert len(read_test_set(folder).sample(count, seed=7)) == 10


def test_a_folder_without_the_files_is_no_set(tmp_path: Path) -> None:
    assert not is_test_set(tmp_path)
    with pytest.raises(NotATestSet, match="qrels"):
        read_test_set(tmp_path)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"qrels": ["q1\td1\tgood"]}, r"qrels\.tsv, line 1"),
        ({"qrels": ["q1 d1 1"]}, r"qrels\.tsv, line 1"),
        ({"qrels": JUDGED, "corpus": '{"_id": "d1"}\n{"_id": '}, r"corpus\.jsonl, line 2"),
        ({"qrels": JUDGED, "queries": '{"_id": "q1"}\n'}, "lacks text"),
        ({"qrels": JUDGED, "corpus": '{"title": "no id"}\n'}, "lacks _id"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(
    tmp_path: Path, broken: dict[str, object], message: str
) -> None:
    folder = write(tmp_path / "broken", **broken)  # type: ignore[arg-type]
    with pytest.raises(NotATestSet, match=message):
        read_test_set(folder)
