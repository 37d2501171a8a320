from __future__ import annotations

from typing import Any

import pytest

from training.card import BEGIN, END, replaced, section


def report() -> dict[str, Any]:
    honest = {
        "calibration_error": 0.0123,
        "best_median": 0.671,
        "tenth_median": 0.0011,
        "spread_top10": 0.2,
    }
    english = {"fused": {"squad": 0.8, "mean": 0.8}, "rerank": {"squad": 0.9, "mean": 0.9}}
    chinese = {"fused": {"cmrc": 0.7, "mean": 0.7}, "p(rerank lexical)": {"cmrc": 1.0, "mean": 1.0}}
    return {
        "en": {"questions": 10, "ndcg@10": english, "honesty": {"rerank": honest}},
        "zh": {"questions": 20, "ndcg@10": chinese, "honesty": {"rerank lexical": honest}},
    }


def test_each_language_has_a_table_of_the_orders_that_were_measured() -> None:
    text = section(report())
    assert "### English: 10 questions" in text
    assert "| questions of | fused | this model alone |" in text
    assert "| squad | 0.800 | 0.900 |" in text
    assert "| **mean** | 0.700 | 1.000 |" in text


def test_how_far_the_probability_holds_is_said_in_words() -> None:
    assert "expected calibration error 0.012; median of the best candidate 0.67" in section(
        report()
    )


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    card = f"# Card\n{BEGIN}\nold\n{END}\n## Limits\n"
    assert replaced(card, "new\n") == f"# Card\n{BEGIN}\nnew\n{END}\n## Limits\n"
    assert replaced(replaced(card, "new\n"), "new\n") == replaced(card, "new\n")


def test_a_card_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        replaced("# Card", "new")
