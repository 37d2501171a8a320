"""First sources are counted by kind, and held against what they should be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from qa.first_sources import (
    LAY,
    NONE,
    ORDERS,
    TECHNICAL,
    AskedQuestion,
    FirstSource,
    FirstSources,
    NotCounted,
    count,
    count_verdicts,
    counts_section,
    read_counts,
    write_counts,
)

if TYPE_CHECKING:
    from pathlib import Path


def question(
    kind: str = LAY, *, group: str = "health", language: str = "en", fused: str = TECHNICAL
) -> AskedQuestion:
    """A question whose first source after rerank is of that kind."""
    kinds = dict.fromkeys(ORDERS, kind) | {"fused": fused}
    return AskedQuestion(
        group,
        "how | can I sleep?",
        language,
        "",
        {order: FirstSource("" if k == NONE else f"{k}.md", k) for order, k in kinds.items()},
    )


def counted(*questions: AskedQuestion) -> FirstSources:
    return FirstSources("samples", 72, {"commit": "abc", "reranker": "mini 2"}, list(questions))


def test_kinds_are_counted_for_each_order() -> None:
    asked = [question(LAY), question(TECHNICAL), question(LAY, fused=LAY)]
    assert count(asked, "balanced") == {LAY: 2, TECHNICAL: 1}
    assert count(asked, "fused") == {TECHNICAL: 2, LAY: 1}


@pytest.mark.parametrize(("lay", "reached"), [(10, True), (9, False)])
def test_ten_of_the_twelve_health_questions_need_a_lay_first_source(
    lay: int, reached: bool
) -> None:
    asked = [question(LAY)] * lay + [question(TECHNICAL)] * (12 - lay)
    (verdict,) = count_verdicts(counted(*asked))
    assert verdict.reached is reached
    assert verdict.measured == (
        f'{lay} of 12; with recall alone 0, with "relevance only" {lay}, '
        f"first in the order, source or not, {lay}"
    )


@pytest.mark.parametrize(("lay", "reached"), [(9, True), (8, False)])
def test_nine_of_ten_phrasings_need_a_lay_first_source_in_each_language(
    lay: int, reached: bool
) -> None:
    english = [question(group="sleep")] * 10
    chinese = [question(LAY, group="sleep", language="zh")] * lay
    chinese += [question(NONE, group="sleep", language="zh")] * (10 - lay)
    verdicts = count_verdicts(counted(*english, *chinese))
    assert [verdict.reached for verdict in verdicts] == [True, reached]
    assert "Chinese" in verdicts[1].figure


def test_a_group_that_was_asked_in_part_is_held_against_nothing() -> None:
    assert count_verdicts(counted(*[question()] * 11)) == []


def test_only_balanced_is_held_against_the_target() -> None:
    other = question(TECHNICAL)
    asked = replace(other, first={**other.first, "balanced": FirstSource("lay.md", LAY)})
    (verdict,) = count_verdicts(counted(*[asked] * 12))
    assert verdict.reached


def test_the_section_has_a_row_for_each_order_and_each_question() -> None:
    lines = counts_section(counted(question("guideline"), question(NONE, fused=LAY)))
    rows = [line for line in lines if line.startswith("| Lay questions about health, English")]
    assert [row.split(" | ")[1:] for row in rows] == [
        ["recall alone", "1", "1", "0", "0 |"],
        ['rerank, "relevance only"', "0", "0", "1", "1 |"],
        ['rerank, "balanced"', "0", "0", "1", "1 |"],
        ['rerank, "balanced": first in the order, source or not', "0", "0", "1", "1 |"],
    ]
    assert "| how \\| can I sleep? | technical: technical.md | guideline: guideline.md |" in (
        "\n".join(lines)
    )
    assert "Not reranked" not in "\n".join(lines)


def test_questions_that_were_not_reranked_are_told() -> None:
    unread = replace(question(), reason="rerank_language")
    lines = counts_section(counted(question(), unread, unread))
    assert "Not reranked, of 3 questions: 2 (`rerank_language`)." in lines


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    found = counted(question(), question(NONE, group="sleep", language="zh"))
    write_counts(tmp_path / "new" / "counts.json", found)
    assert read_counts(tmp_path / "new" / "counts.json") == found


@pytest.mark.parametrize("broken", ["{", "[]", '{"format": 1}', '{"format": 9}', ""])
def test_another_file_is_refused_by_name(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "counts.json"
    path.write_text(broken, encoding="utf-8")
    with pytest.raises(NotCounted, match=r"counts\.json"):
        read_counts(path)
