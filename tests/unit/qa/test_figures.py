"""Figures are written down whole: losses, intervals, and what they were measured with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from qa.figures import FIRST, MEASURES, SINGLE, Figures, interval_text, means, text_table
from qa.metrics import Difference


def figures(name: str = "health", language: str = "en", *, blended: float = 0.8) -> Figures:
    stages = {
        stage: dict(zip(MEASURES, (value, 0.9, 0.7), strict=True))
        for stage, value in (("lexical", 0.5), ("fused", 0.75), ("blended", blended))
    }
    return Figures(
        set_name=name,
        language=language,
        questions=100,
        stages=stages,
        intervals={"blended": Difference(0.05, -0.01, 0.11)},
        milliseconds={"lexical": 1.84, "rerank": 550.0},
        reranked_questions=98,
        meta={"commit": "abc123", "embedder": "MiniLM", "reranker": "bundled", "seed": 7},
    )


def test_the_json_has_stages_on_top_then_intervals_times_and_meta() -> None:
    written = json.loads(json.dumps(figures().to_json()))
    assert written["fused"] == {"ndcg@10": 0.75, "recall@30": 0.9, "mrr@10": 0.7}
    assert written["intervals"]["blended"] == {"mean": 0.05, "low": -0.01, "high": 0.11}
    assert written["ms"]["rerank"] == 550.0
    assert written["meta"]["set"] == "health"
    assert written["meta"]["queries"] == 100
    assert written["meta"]["commit"] == "abc123"


def test_the_table_prints_stages_in_order_and_what_was_not_reranked() -> None:
    lines = text_table(figures()).splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["lexical", "fused", "blended"]
    assert "+0.0500 [-0.0100, +0.1100]" in lines[4]
    assert "rerank 550.0" in lines[5]
    assert lines[6] == "not reranked: 2 of 100 questions"


def test_what_the_product_would_not_have_waited_for_is_counted() -> None:
    assert "over the time limit" not in text_table(figures())
    slow = text_table(replace(figures(), over_time=4)).splitlines()
    assert slow[-1] == "over the time limit: 4 of 100 questions"


def test_a_loss_is_shown_with_its_sign() -> None:
    assert interval_text(Difference(-0.02, -0.05, 0.01)) == "-0.0200 [-0.0500, +0.0100]"


def test_the_best_stage_is_that_of_the_highest_mean_among_those_that_ran() -> None:
    assert figures().best_of(FIRST) == "fused"
    assert figures().best_of(SINGLE) == "lexical"
    assert figures().best_of(("dense",)) == ""


def test_means_are_taken_of_stages_that_all_sets_have() -> None:
    first, second = figures(), figures(blended=0.4)
    assert means([first, second])["blended"] == pytest.approx(0.6)
    assert "dense" not in means([first, second])
    assert means([]) == {}
