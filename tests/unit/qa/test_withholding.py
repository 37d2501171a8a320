"""Statements that rest on a closed source are taken out; nothing else is while all are open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qa.citations import cite
from qa.types import Passage
from qa.withholding import OMISSION, CitedStatement, ShownMarker, withhold

TEXT = "Keep a regular bedtime. [1] Avoid coffee after lunch. [2] Sleep well. [1][2]"
SENTENCES = ("Keep a regular bedtime.", "Avoid coffee after lunch.", "Sleep well.")


def cited(*closed: int) -> list[CitedStatement]:
    """The citations of ``TEXT``; sources in ``closed`` may not be opened."""
    places = ((0, 1), (1, 2), (2, 1), (2, 2))
    return [
        CitedStatement(index, SENTENCES[index], marker, is_open=marker not in closed)
        for index, marker in places
    ]


def test_an_open_answer_is_shown_as_it_is() -> None:
    shown = withhold(TEXT, cited(), anything_closed=False)
    assert shown.text == TEXT
    assert shown.withheld == 0
    assert shown.markers == (
        ShownMarker(1, 0),
        ShownMarker(2, 1),
        ShownMarker(1, 2),
        ShownMarker(2, 2),
    )


def test_only_statements_that_cite_nothing_closed_stay() -> None:
    shown = withhold(TEXT, cited(2), anything_closed=True)
    assert shown.text == f"Keep a regular bedtime. [1] {OMISSION}"
    assert shown.withheld == 2
    assert shown.markers == (ShownMarker(1, 0),)


def test_a_statement_between_two_withheld_ones_stays_in_its_place() -> None:
    text = "Secret one. [1] Open. [2] Secret two. [1]"
    citations = [
        CitedStatement(0, "Secret one.", 1, is_open=False),
        CitedStatement(1, "Open.", 2, is_open=True),
        CitedStatement(2, "Secret two.", 1, is_open=False),
    ]
    shown = withhold(text, citations, anything_closed=True)
    assert shown.text == f"{OMISSION} Open. [2] {OMISSION}"


def test_a_statement_without_a_citation_may_rest_on_anything() -> None:
    text = "Keep a regular bedtime. [1] Everybody knows that."
    citations = [CitedStatement(0, "Keep a regular bedtime.", 1, is_open=True)]
    shown = withhold(text, citations, anything_closed=True)
    assert "Everybody" not in shown.text
    assert "bedtime" in shown.text


def test_a_closed_source_that_is_not_cited_closes_what_cites_nothing() -> None:
    shown = withhold("All from a hidden source.", [], anything_closed=True)
    assert shown.text == OMISSION
    assert shown.withheld == 1


def test_a_citation_that_cannot_be_found_again_hides_the_whole_text() -> None:
    for wrong in (
        CitedStatement(0, "Other words.", 1, is_open=True),
        CitedStatement(9, SENTENCES[0], 1, is_open=True),
        CitedStatement(-1, SENTENCES[2], 1, is_open=True),
    ):
        shown = withhold(TEXT, [wrong], anything_closed=True)
        assert shown.text == OMISSION
        assert shown.withheld == 3


def test_an_empty_text_stays_empty() -> None:
    assert withhold("", [], anything_closed=True).text == ""


def test_list_items_are_withheld_one_by_one() -> None:
    text = "- Less salt. [1]\n- More walking. [2]\n"
    citations = [
        CitedStatement(0, "Less salt.", 1, is_open=False),
        CitedStatement(1, "More walking.", 2, is_open=True),
    ]
    shown = withhold(text, citations, anything_closed=True)
    assert "salt" not in shown.text
    assert "- More walking. [2]" in shown.text


def source(number: int) -> Passage:
    return Passage(
        chunk_id=number,
        document_id=number,
        version_id=number,
        knowledge_base_id=1,
        title=f"Source {number}",
        heading_path=(),
        text=f"Word{number} stands here.",
        start=0,
        end=20,
        page=None,
        language="en",
        readability=0.5,
        readability_inputs={},
        effective_date=None,
        expires_at=None,
        superseded=False,
    )


LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "- ", "1. ", "## "]),
        st.sampled_from(
            ["Alpha beta gamma", "睡前放松", "It costs 3.5 dollars", "Dr. Smith says so"]
        ),
        st.sampled_from([".", "。", "!", ""]),
        st.lists(st.integers(1, 4), max_size=3),
        st.sampled_from([" ", "\n", "\n\n"]),
    ),
    max_size=8,
)


@given(LINES, st.sets(st.integers(1, 3)))
def test_no_statement_that_cites_a_closed_source_is_ever_shown(
    lines: list[tuple[str, str, str, list[int], str]], closed: set[int]
) -> None:
    text = "".join(
        f"{mark}{words} {place}{end}{''.join(f' [{n}]' for n in markers)}{gap}"
        for place, (mark, words, end, markers, gap) in enumerate(lines)
    )
    result = cite(text, [source(number) for number in (1, 2, 3)])
    citations = [
        CitedStatement(c.sentence_index, c.sentence, c.marker, is_open=c.marker not in closed)
        for c in result.citations
    ]
    shown = withhold(result.text, citations, anything_closed=bool(closed))
    assert closed.isdisjoint(marker.number for marker in shown.markers)
    for citation in citations:
        if not citation.is_open:
            assert citation.sentence not in shown.text
