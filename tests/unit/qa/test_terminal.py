"""An answer in a terminal: nothing of closed sources, columns that line up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.utils.safestring import mark_safe

from qa.movements import Movement
from qa.presented import AnswerView, FactorBar, Rankings, SourceView, Timing
from qa.terminal import TITLE_COLUMNS, answer_lines, movement_words, ranking_lines

FACTORS = tuple(
    FactorBar(name, name, value, weight, value * weight, "")
    for name, value, weight in (
        ("relevance", 0.9, 0.4),
        ("completeness", 0.5, 0.3),
        ("readability", 0.7, 0.2),
        ("timeliness", 0.5, 0.1),
    )
)
OPEN = SourceView(
    passage_id=1,
    is_open=True,
    number=1,
    final_rank=1,
    fused_rank=3,
    movement=Movement("up", 2),
    title="Ten tips",
    heading_path=("Ten tips", "At night"),
    page=4,
    dense_rank=2,
    lexical_rank=None,
    fused_score=0.0321,
    final_score=0.7,
    factors=FACTORS,
)
CLOSED = SourceView(
    passage_id=2,
    is_open=False,
    number=2,
    final_rank=2,
    fused_rank=1,
    movement=Movement("down", 1),
)
RANKINGS = Rankings((OPEN, CLOSED), (CLOSED, OPEN), changed=1, moved=2, top=2, was_reranked=True)
VIEW = AnswerView(
    answer_id=1,
    question_id=1,
    question="How?",
    state="done",
    state_label="Answered",
    is_final=True,
    kind="first",
    with_rerank=True,
    html=mark_safe(""),
    text="Keep hours. [1]",
    withheld_sentences=0,
    closed_sources=1,
    no_evidence=False,
    sources=(OPEN, CLOSED),
    nearest=(),
    rankings=RANKINGS,
    timings=(Timing("recall", "recall", 12.4), Timing("total", "total", 99.6)),
    reasons=("Rerank is off.",),
    error="",
    generator="extractive",
    is_extractive=True,
    reranker="",
    reranker_revision="",
    embedding_model="",
)


def printed(view: AnswerView) -> str:
    return "\n".join(answer_lines(view))


def test_text_sources_rankings_reasons_and_times_are_printed() -> None:
    text = printed(VIEW)
    assert "Keep hours. [1]" in text
    assert "[1] Ten tips › At night · page 4" in text
    assert "[2] a source you may not open" in text
    assert "1 of 2 sources changed by rerank, 2 moved." in text
    assert "Rerank is off." in text
    assert "Time: recall 12 ms, total 100 ms" in text


def test_each_factor_is_printed_with_its_weight() -> None:
    lines = list(ranking_lines(RANKINGS))
    assert "relevance × 0.40 + completeness × 0.30" in lines[1]
    assert lines[2].endswith("0.700 = 0.90 0.50 0.70 0.50")
    assert "▲2" in lines[2]
    assert "dense 2" in lines[-3]


def test_a_passage_below_the_floor_says_so() -> None:
    low = replace(OPEN, above_floor=False)
    rankings = replace(RANKINGS, with_rerank=(low,))
    assert "below the floor" in "\n".join(ranking_lines(rankings))


def test_what_is_withheld_is_said() -> None:
    assert "2 sentences rest on sources" in printed(replace(VIEW, withheld_sentences=2))
    assert "1 sentence rests on a source" in printed(replace(VIEW, withheld_sentences=1))


def test_no_evidence_shows_the_nearest_passages() -> None:
    text = printed(replace(VIEW, no_evidence=True, text="", nearest=(OPEN,)))
    assert "do not answer the question" in text
    assert "- Ten tips › At night" in text
    assert "Sources" not in text


def test_a_failed_answer_prints_its_reason() -> None:
    assert "It took too long." in printed(replace(VIEW, error="It took too long.", text=""))


@pytest.mark.parametrize(
    ("movement", "words"),
    [
        (Movement("up", 3), "▲3"),
        (Movement("down", 5), "▼5"),
        (Movement("same"), "="),
        (Movement("new", 2), "new"),
        (Movement("dropped", 2), "dropped"),
    ],
)
def test_movements_are_short(movement: Movement, words: str) -> None:
    assert movement_words(movement) == words


def test_a_long_or_chinese_title_keeps_its_columns() -> None:
    scores = set()
    for title in ("short", "x" * 200, "睡眠障碍的神经生物学机制研究" * 5):
        rankings = replace(RANKINGS, with_rerank=(replace(OPEN, title=title),))
        line = list(ranking_lines(rankings))[2]
        shown = line.split("▲2", 1)[1].lstrip().split("[1]")[0].rstrip()
        wide = sum(1 for character in shown if ord(character) > 0x2E80)
        assert len(shown) + wide <= TITLE_COLUMNS
        before_number = line.split("[1]")[0]
        scores.add(len(before_number) + sum(ord(c) > 0x2E80 for c in before_number))
    assert len(scores) == 1
