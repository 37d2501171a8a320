"""The report has every set, losses too, and says how it was made."""

from __future__ import annotations

from dataclasses import replace

from qa.evaluation_report import markdown_report
from qa.first_sources import ORDERS, AskedQuestion, FirstSource, FirstSources
from qa.targets import ENGLISH
from tests.unit.qa.measured_sets import measured_set


def row(report: str, words: str) -> str:
    return next(line for line in report.splitlines() if words in line)


def section(report: str, heading: str) -> str:
    return report.split(f"## {heading}\n")[1].split("\n## ")[0]


def test_the_report_says_how_it_was_made() -> None:
    report = markdown_report([measured_set()], command="manage.py evaluate_retrieval --set x")
    assert "manage.py evaluate_retrieval --set x" in report
    assert "abc123" in report
    assert "`fused`: dense and lexical" in report
    assert "`dense`:" not in report
    assert "English sets" not in report
    assert "All questions of each set were asked" in report


def test_sets_measured_at_different_commits_or_on_a_sample_are_told() -> None:
    later = replace(measured_set("b"), meta={"commit": "def456", "sampled": True})
    report = markdown_report([measured_set("a"), later], command="run")
    assert "Commit abc123, def456" in report
    assert "Only a sample of the questions was asked of b;" in report


def test_means_are_over_the_sets_of_one_language() -> None:
    report = markdown_report(
        [
            measured_set("a", reranked=(0.8, 0.8)),
            measured_set("b", reranked=(0.6, 0.6)),
            measured_set("zh", "zh", reranked=(0.1, 0.1)),
        ],
        command="run",
    )
    assert "**0.7000**" in row(section(report, "nDCG@10 by set"), "mean of 2 English sets")
    assert "| zh | 2 |" in report
    assert "Chinese sets" not in report


def test_each_first_stage_has_its_difference_with_an_interval_for_the_mean_too() -> None:
    sets = [
        measured_set(
            name, dense=(0.7, 0.7), lexical=(0.4, 0.4), fused=(0.6, 0.6), reranked=(0.8, 0.8)
        )
        for name in "ab"
    ]
    report = markdown_report(sets, command="run")
    worth = section(report, "What rerank is worth")
    cells = row(worth, "| a |").split(" | ")[1:]
    by_stage = ["+0.1000", "+0.4000", "+0.2000"]
    assert [cell.split()[0] for cell in cells] == [*by_stage, "+0.1000", "+0.1000"]
    assert "**+0.2000 [+0.2000, +0.2000]**" in row(worth, "mean of 2 English sets")
    assert "a ratio of 0.333 [0.333, 0.333]" in worth


def test_a_stage_that_did_not_run_leaves_its_cells_empty() -> None:
    sets = [measured_set(name, "zh", reranked=(0.8, 0.8)) for name in "ab"]
    worth = section(markdown_report(sets, command="run"), "What rerank is worth")
    assert row(worth, "| a |").startswith("| a |  | +0.2500 ")
    assert row(worth, "mean of 2 Chinese sets").startswith("| **mean of 2 Chinese sets** |  | **+")


def test_the_preset_to_choose_stands_beside_each_set_with_its_reason() -> None:
    report = markdown_report(
        [
            measured_set("gains"),
            measured_set("loses", blended=(0.5, 0.5)),
            measured_set("useless", reranked=(0.5, 0.5)),
            replace(measured_set("unread"), reranked_questions=0),
        ],
        command="run",
    )
    blend = section(report, "The blend, and the preset to choose")
    assert row(blend, "| gains |").endswith("| balanced |  |")
    assert "| relevance only | the blend is below the fused order |" in row(blend, "| loses |")
    assert "| off | no preset is above the fused order |" in row(blend, "| useless |")
    assert "| off | the reranker does not read these questions |" in row(blend, "| unread |")


def test_figures_to_reach_are_told_where_they_can_be() -> None:
    sets = [measured_set(name, fused=(0.9, 0.9), reranked=(0.92, 0.95)) for name in ENGLISH]
    report = markdown_report(sets, command="run")
    reached = section(report, "Figures to reach")
    assert "| **not reached** |" in row(reached, "against fused |")
    assert "| reached |" in row(reached, "squad_dev")
    assert "Figures to reach" not in markdown_report([measured_set()], command="run")


def test_a_set_has_all_its_stages_and_what_was_not_reranked() -> None:
    figures = replace(measured_set(dense=(0.9, 0.5)), reranked_questions=1, over_time=1)
    text = section(markdown_report([figures], command="run"), "health")
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")] == [
        "| stage",
        "| dense",
        "| lexical",
        "| fused",
        "| cross_encoder",
        "| reranked",
        "| blended",
        "| relevance_only",
    ]
    assert "against dense, the best first stage" in text
    assert "Not reranked, hence in fused order: 1 of 2 questions." in text
    assert "not in the product: 1 of 2 questions." in text


def test_the_sample_questions_stand_before_the_sets_and_among_the_figures_to_reach() -> None:
    source = FirstSource("lay-a.md", "lay")
    asked = [
        AskedQuestion("health", f"q{n}", "en", "", dict.fromkeys(ORDERS, source)) for n in range(12)
    ]
    counted = FirstSources("samples", 72, {}, asked)
    report = markdown_report([measured_set()], command="run", counted=[counted])
    assert report.index("## First sources: samples") < report.index("## health")
    assert "| 12 of 12;" in section(report, "Figures to reach")
