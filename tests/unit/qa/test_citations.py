"""Markers of every shape lead to the place in the source that the statement rests on."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.citations import cite, support_of, verdict_of
from tests.unit.qa.builders import passage

TIPS = passage(
    "Keep your bedroom dark and cool. Go to bed at the same time every night. "
    "Avoid coffee after noon.",
    chunk_id=11,
)
FRUIT = passage(
    "## Fruit\n\nFruit is allowed, in measure:\n\n- Berries and pears raise blood sugar slowly.\n"
    "- Eat at most 2 servings of grapes a day.",
    chunk_id=22,
    heading_path=("Fruit",),
)
SOURCES = [TIPS, FRUIT]


def markers(text: str) -> list[tuple[str, int]]:
    return [(each.sentence, each.marker) for each in cite(text, SOURCES).citations]


class TestMarkers:
    @pytest.mark.parametrize(
        ("written", "clean"),
        [
            ("Sleep. [1]", "Sleep. [1]"),
            ("Sleep [1].", "Sleep [1]."),
            ("Sleep.[1][2]", "Sleep. [1][2]"),
            ("Sleep. [1] [2]", "Sleep. [1][2]"),
            ("Sleep. [1, 2]", "Sleep. [1][2]"),
            ("Sleep. [2; 1]", "Sleep. [2][1]"),
            ("Sleep. [1 and 2]", "Sleep. [1][2]"),
            ("Sleep. [1-2]", "Sleep. [1][2]"),
            ("睡眠。【1】", "睡眠。 [1]"),
            ("睡眠。【1、2】", "睡眠。 [1][2]"),
            ("睡眠。[来源1]", "睡眠。 [1]"),
            ("Sleep. 【1†source】", "Sleep. [1]"),
            ("Sleep. [Source 1]", "Sleep. [1]"),
            ("Sleep. [^1]", "Sleep. [1]"),
            ("Sleep. [1](https://model.example/made-up)", "Sleep. [1]"),
            ("Sleep. [1, 1]", "Sleep. [1]"),
            ("- Sleep [1]\n- Rest [2]", "- Sleep [1]\n- Rest [2]"),
            ("[1] Sleep.", "[1] Sleep."),
        ],
    )
    def test_every_shape_leaves_as_one(self, written: str, clean: str) -> None:
        cited = cite(written, SOURCES)
        assert cited.text == clean
        assert [each.marker for each in cited.citations] == [
            int(number) for number in re.findall(r"\[(\d)\]", clean)
        ]

    @pytest.mark.parametrize(
        ("written", "clean"),
        [
            ("Sleep [3] well.", "Sleep well."),
            ("Sleep. [0]", "Sleep."),
            ("Sleep. [1, 9]", "Sleep. [1]"),
            ("Sleep. [9](https://evil.example)", "Sleep."),
        ],
    )
    def test_unknown_numbers_are_dropped(self, written: str, clean: str) -> None:
        assert cite(written, SOURCES).text == clean

    @pytest.mark.parametrize("text", ["In [2019] it rained.", "A [note] here.", "`rows[1]`", "()"])
    def test_other_brackets_are_left_alone(self, text: str) -> None:
        assert cite(text, SOURCES) == (text, ())

    def test_a_marker_belongs_to_the_statement_before_it(self) -> None:
        text = "Keep it dark. [1] Pears are fine [2]. And rest.\n\n- Grapes: two servings [2][1]"
        assert markers(text) == [
            ("Keep it dark.", 1),
            ("Pears are fine.", 2),
            ("Grapes: two servings", 2),
            ("Grapes: two servings", 1),
        ]

    def test_a_leading_marker_belongs_to_the_first_statement(self) -> None:
        assert markers("[1] Keep it dark. Rest.") == [("Keep it dark.", 1)]

    def test_a_repeated_marker_on_one_statement_is_one_citation(self) -> None:
        assert len(cite("Keep [1] it dark [1].", SOURCES).citations) == 1

    def test_markers_without_a_statement_cite_nothing(self) -> None:
        assert cite("[1]", SOURCES).citations == ()


class TestSpans:
    def test_the_span_is_the_sentence_that_supports_it(self) -> None:
        (found,) = cite("You should avoid coffee after noon. [1]", SOURCES).citations
        assert TIPS.text[found.start : found.end] == "Avoid coffee after noon."
        assert (found.chunk_id, found.support, found.verdict) == (11, 1.0, "supported")

    def test_a_second_sentence_that_adds_little_stays_out(self) -> None:
        said = "Dark quiet cool tidy clean airy calm plain rooms help your rest every night."
        source = passage("Dark quiet cool tidy clean airy calm plain rooms help rest. Night falls.")
        (found,) = cite(f"{said} [1]", [source]).citations
        assert source.text[found.start : found.end].endswith("help rest.")

    def test_a_list_item_is_found_without_its_mark(self) -> None:
        (found,) = cite("Pears and berries raise blood sugar slowly. [2]", SOURCES).citations
        assert FRUIT.text[found.start : found.end] == "Berries and pears raise blood sugar slowly."

    def test_two_sentences_join_when_both_are_needed(self) -> None:
        text = "Keep the bedroom dark and go to bed at the same time. [1]"
        (found,) = cite(text, SOURCES).citations
        assert TIPS.text[found.start : found.end] == (
            "Keep your bedroom dark and cool. Go to bed at the same time every night."
        )

    def test_what_the_source_does_not_say_is_unsupported(self) -> None:
        (found,) = cite("Melatonin cures jet lag in children. [1]", SOURCES).citations
        assert found.verdict == "unsupported"

    def test_a_heading_is_no_evidence(self) -> None:
        (found,) = cite("Fruit. [2]", SOURCES).citations
        assert "##" not in FRUIT.text[found.start : found.end]

    def test_a_heading_with_the_statement_under_it_is_evidence(self) -> None:
        source = passage("## 2. Keep it cool\n\nMost people like 18 degrees. So do I.")
        (found,) = cite("Keep it cool: Most people like 18 degrees. [1]", [source]).citations
        assert source.text[found.start : found.end] == (
            "2. Keep it cool\n\nMost people like 18 degrees."
        )
        assert found.verdict == "supported"

    def test_chinese_statements_find_their_sentence(self) -> None:
        source = passage("睡前两小时少喝水。少喝浓茶、咖啡和酒。枕头高低要合适。", chunk_id=5)
        (found,) = cite("晚上少喝咖啡和浓茶。【1】", [source]).citations
        assert source.text[found.start : found.end] == "少喝浓茶、咖啡和酒。"
        assert found.verdict in {"supported", "partly"}

    def test_an_empty_source_supports_nothing(self) -> None:
        (found,) = cite("Sleep well. [1]", [passage("")]).citations
        assert (found.start, found.end, found.support) == (0, 0, 0.0)


class TestVerdicts:
    def test_support_is_the_weighted_share_of_content_words(self) -> None:
        assert support_of("Pears raise sugar", "pears and sugar") == pytest.approx(2 / 3)
        weighted = support_of("Pears raise sugar", "pears", {"pear": 6.0, "sugar": 2.0})
        # "raise" has no weight of its own and gets the mean of the others, 4.
        assert weighted == pytest.approx(6 / 12)

    def test_a_number_the_source_does_not_hold_is_not_supported(self) -> None:
        evidence = "Eat at most 2 servings of grapes a day."
        assert verdict_of("Eat at most 2 servings of grapes.", evidence, 1.0) == "supported"
        assert verdict_of("Eat at most 20 servings of grapes.", evidence, 0.9) == "partly"

    def test_a_turned_negation_is_not_supported(self) -> None:
        assert verdict_of("Take it with milk.", "Do not take it with milk.", 1.0) == "partly"
        assert verdict_of("Don't drink coffee.", "Avoid coffee.", 0.7) == "supported"
        assert verdict_of("可以吃葡萄。", "不可以吃葡萄。", 1.0) == "partly"

    @pytest.mark.parametrize(
        ("support", "verdict"),
        [(0.0, "unsupported"), (0.29, "unsupported"), (0.3, "partly"), (0.6, "supported")],
    )
    def test_the_thresholds(self, support: float, verdict: str) -> None:
        assert verdict_of("Sleep well", "Sleep well", support) == verdict


answers = st.lists(
    st.sampled_from(["Keep it dark. ", "[1]", "[2, 9]", "【7】", "\n- ", "`[1]`", " [1-3]", "睡。"])
    | st.text(max_size=6)
).map("".join)


@given(answers)
def test_citations_are_spans_of_known_sources_with_support_in_range(text: str) -> None:
    cited = cite(text, SOURCES)
    keys = [(each.sentence_index, each.marker) for each in cited.citations]
    assert len(keys) == len(set(keys))
    for each in cited.citations:
        source = SOURCES[each.marker - 1]
        assert each.chunk_id == source.chunk_id
        assert 0 <= each.start <= each.end <= len(source.text)
        assert 0.0 <= each.support <= 1.0


@given(answers)
def test_citing_a_cited_text_again_changes_nothing(text: str) -> None:
    once = cite(text, SOURCES).text
    assert cite(once, SOURCES).text == once
