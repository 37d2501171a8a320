"""A dump keeps every score of every candidate, and gives back what was written."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from qa.ranking import rank
from qa.score_dumps import (
    NotADump,
    ScoredQuestion,
    read_dump,
    read_dumps,
    scored_question,
    writing,
)
from qa.types import PipelineConfig
from tests.unit.qa.builders import ScriptedReranker, passage, recalled

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 11, 24)
ASKED = "how can I sleep better?"


def scored(reranker: ScriptedReranker | None = None) -> ScoredQuestion:
    passages = [
        passage("Sleep well.", chunk_id=1, document_id=7, cosine=0.5, lexical_share=0.25),
        passage("Receptors.", chunk_id=2, document_id=8, effective_date=date(2020, 1, 2)),
        passage("Old advice.", chunk_id=3, document_id=7, superseded=True, dense_rank=4),
    ]
    ranking = rank(
        ASKED,
        recalled(ASKED, passages),
        reranker=reranker or ScriptedReranker(lambda text: 1 / 3 + len(text)),
        config=PipelineConfig(),
        today=TODAY,
    )
    return scored_question("q1", ASKED, "en", {"a": 2.0, "z": 1.0}, ranking, {7: "a", 8: "b"})


def test_candidates_stand_in_fused_order_with_all_their_scores() -> None:
    question = scored()
    assert question.documents == ["a", "b", "a"]
    assert question.rerank == [1 / 3 + 11, 1 / 3 + 10, 1 / 3 + 11]
    assert question.cosine == [0.5, None, None]
    assert question.lexical == [0.25, None, None]
    assert question.dense_ranks == [None, None, 4]
    assert question.dates == [None, "2020-01-02", None]
    assert question.outdated == [False, False, True]
    assert question.timeliness[0] == 0.5
    assert question.timeliness[2] == 0.0


def test_a_candidate_answers_when_its_document_was_judged_relevant() -> None:
    assert scored().relevant == [True, False, True]
    assert replace(scored(), grades={"a": 0.0, "b": 1.0}).relevant == [False, True, False]


def test_a_question_that_was_not_reranked_says_so() -> None:
    assert scored().reranked
    other = scored(ScriptedReranker(languages=("zh",)))
    assert not other.reranked
    assert other.rerank == [None, None, None]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    question = scored()
    with writing(tmp_path / "new" / "tiny.jsonl.gz") as write:
        write(question)
        write(replace(question, key="q2", text="怎样才能睡得更好"))
    first, second = read_dumps(tmp_path / "new")["tiny"]
    assert second.text == "怎样才能睡得更好"
    assert first.documents == question.documents
    assert first.grades == question.grades
    assert first.rerank == pytest.approx(question.rerank, rel=1e-8)
    assert first.relevance == pytest.approx(question.relevance, rel=1e-8)


def test_equal_scores_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with writing(tmp_path / f"{name}.jsonl.gz") as write:
            write(scored())
    a, b = ((tmp_path / f"{name}.jsonl.gz").read_bytes() for name in ("a", "b"))
    assert a == b


def test_a_dump_that_was_cut_off_is_no_dump(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), writing(tmp_path / "tiny.jsonl.gz") as write:
        write(scored())
        raise RuntimeError
    with pytest.raises(NotADump, match="holds no dump"):
        read_dumps(tmp_path)


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tiny.jsonl.gz"
    with writing(path) as write:
        write(scored())
    path.write_bytes(path.read_bytes() + gzip.compress(b'{"key": "q2"}\n'))
    with pytest.raises(NotADump, match=r"tiny\.jsonl\.gz, line 2"):
        read_dump(path)


def test_a_file_that_is_not_compressed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.jsonl.gz"
    path.write_text("{}\n", encoding="utf-8")
    with pytest.raises(NotADump, match="cannot be read"):
        read_dump(path)
