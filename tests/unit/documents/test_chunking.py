from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.chunking import chunk, count_tokens
from documents.types import Block, BlockKind, ChunkDraft, ChunkRecipe, Line, ParsedDocument

SENTENCE = "One two three four five six seven."  # eight tokens with its point
BODY: dict[str, BlockKind] = {"p": "paragraph", "row": "table_row", "code": "code", "pair": "pair"}


def document(*parts: tuple[str, str], page: int | None = None) -> ParsedDocument:
    """A document of ``("h1", title)`` and ``("p", text)`` parts, paths filled as parsers do."""
    text = ""
    blocks = []
    path: list[str] = []
    for kind, content in parts:
        start = len(text) + (2 if text else 0)
        text = f"{text}\n\n{content}" if text else content
        if kind.startswith("h"):
            level = int(kind[1])
            path = path[: level - 1]
            blocks.append(Block("heading", start, len(text), tuple(path), level, page))
            path.append(content)
        else:
            blocks.append(Block(BODY[kind], start, len(text), tuple(path), 0, page))
    return ParsedDocument(text, tuple(blocks))


def texts(drafts: list[ChunkDraft]) -> list[str]:
    return [draft.text for draft in drafts]


def test_an_empty_document_has_no_passages() -> None:
    assert chunk(ParsedDocument("  \n ", ()), ChunkRecipe()) == []


def test_paragraphs_are_packed_into_one_passage_while_they_fit() -> None:
    drafts = chunk(document(("p", SENTENCE), ("p", SENTENCE)), ChunkRecipe(max_tokens=16))

    assert texts(drafts) == [f"{SENTENCE}\n\n{SENTENCE}"]
    assert drafts[0].token_count == 16


def test_a_heading_starts_a_passage_and_stays_with_its_text() -> None:
    drafts = chunk(
        document(("h1", "Sleep"), ("p", SENTENCE * 3), ("h2", "Diet"), ("p", SENTENCE * 3)),
        ChunkRecipe(),
    )

    assert [draft.text.splitlines()[0] for draft in drafts] == ["Sleep", "Diet"]
    assert [draft.heading_path for draft in drafts] == [("Sleep",), ("Sleep", "Diet")]


def test_each_question_with_its_answer_is_a_passage_by_itself() -> None:
    pairs = [f"Question {number}?\n{number}" for number in range(3)]
    drafts = chunk(
        document(("h1", "Sleep"), *(("pair", pair) for pair in pairs), ("p", "End")),
        ChunkRecipe(),
    )

    assert texts(drafts) == [f"Sleep\n\n{pairs[0]}", *pairs[1:], "End"]
    assert {draft.heading_path for draft in drafts} == {("Sleep",)}


def test_a_long_answer_goes_on_under_its_question() -> None:
    pair = "How long?\n" + " ".join([SENTENCE] * 4)
    drafts = chunk(document(("h1", "Sleep"), ("pair", pair)), ChunkRecipe(max_tokens=20))

    continued = [draft for draft in drafts if "How long?" not in draft.text]
    assert drafts[0].heading_path == ("Sleep",) and drafts[0].text.startswith("Sleep\n\nHow long?")
    assert len(continued) > 1
    assert {draft.heading_path for draft in continued} == {("Sleep", "How long?")}


def test_a_passage_is_not_repeated_as_a_whole_in_the_next() -> None:
    drafts = chunk(
        document(("p", "one two three four."), ("p", "Five six seven. Eight nine.")),
        ChunkRecipe(max_tokens=9, overlap_tokens=6),
    )

    assert drafts[0].text == "one two three four."
    assert not any("one" in draft.text for draft in drafts[1:])


def test_headings_that_follow_each_other_open_one_passage() -> None:
    drafts = chunk(document(("h1", "Guide"), ("h2", "Sleep"), ("p", SENTENCE * 3)), ChunkRecipe())

    assert len(drafts) == 1
    assert drafts[0].heading_path == ("Guide", "Sleep")


def test_a_heading_is_not_left_alone_when_the_next_sentence_does_not_fit() -> None:
    drafts = chunk(
        document(("h1", "Title"), ("p", "word " * 40)), ChunkRecipe(max_tokens=20, overlap_tokens=0)
    )

    assert drafts[0].text.startswith("Title\n\nword word")


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    drafts = chunk(
        document(("p", " ".join([SENTENCE] * 5))), ChunkRecipe(max_tokens=20, overlap_tokens=0)
    )

    assert texts(drafts) == [f"{SENTENCE} {SENTENCE}", f"{SENTENCE} {SENTENCE}", SENTENCE]


def test_a_passage_begins_with_the_last_whole_sentence_of_the_one_before() -> None:
    numbered = [f"Sentence number {number} has seven words." for number in range(6)]

    drafts = chunk(
        document(("p", " ".join(numbered))), ChunkRecipe(max_tokens=24, overlap_tokens=8)
    )

    assert texts(drafts) == [
        " ".join(numbered[0:3]),
        " ".join(numbered[2:5]),
        " ".join(numbered[4:6]),
    ]


def test_sections_do_not_overlap() -> None:
    drafts = chunk(
        document(("h1", "A"), ("p", SENTENCE * 3), ("h1", "B"), ("p", SENTENCE * 3)),
        ChunkRecipe(max_tokens=40, overlap_tokens=20),
    )

    assert drafts[0].end <= drafts[1].start


def test_a_passage_ends_at_a_paragraph_when_that_leaves_it_half_full() -> None:
    two = f"{SENTENCE} {SENTENCE}"

    drafts = chunk(document(("p", two), ("p", two)), ChunkRecipe(max_tokens=30, overlap_tokens=0))

    assert texts(drafts) == [two, two]


def test_chinese_is_cut_at_its_own_marks() -> None:
    drafts = chunk(
        document(("p", "睡眠很重要。少喝咖啡。早点休息。")),
        ChunkRecipe(max_tokens=12, overlap_tokens=0),
    )

    assert texts(drafts) == ["睡眠很重要。少喝咖啡。", "早点休息。"]
    assert [draft.language for draft in drafts] == ["zh", "zh"]


def test_a_sentence_over_the_budget_is_cut_at_a_clause_mark() -> None:
    drafts = chunk(
        document(("p", "睡眠障碍的机制，包括神经递质和激素的变化")),
        ChunkRecipe(max_tokens=12, overlap_tokens=4),
    )

    assert drafts[0].text == "睡眠障碍的机制，"
    assert all(draft.token_count <= 12 for draft in drafts)


def test_a_word_over_the_budget_is_cut_inside() -> None:
    drafts = chunk(document(("p", "x" * 100)), ChunkRecipe(max_tokens=3, overlap_tokens=1))

    assert "".join(texts(drafts)) == "x" * 100
    assert all(draft.token_count <= 3 for draft in drafts)


def test_table_rows_are_not_cut_at_points() -> None:
    row = "Zolpidem 5 mg. | At night. | Max. 4 weeks."

    drafts = chunk(
        document(("row", row), ("row", row)), ChunkRecipe(max_tokens=18, overlap_tokens=0)
    )

    assert texts(drafts) == [row, row]


def test_code_is_cut_between_lines() -> None:
    drafts = chunk(
        document(("code", "a = 1. B\n  b = 2\nc = 3")), ChunkRecipe(max_tokens=8, overlap_tokens=0)
    )

    assert texts(drafts) == ["a = 1. B\n  b = 2", "c = 3"]


def test_a_remnant_joins_its_neighbour_when_both_fit() -> None:
    drafts = chunk(
        document(("h1", "Sleep"), ("p", SENTENCE * 3), ("h1", "End"), ("p", "Bye.")), ChunkRecipe()
    )

    assert len(drafts) == 1
    assert drafts[0].heading_path == ("Sleep",)


def test_a_remnant_that_does_not_fit_stays_alone() -> None:
    drafts = chunk(
        document(("p", "word " * 100), ("h1", "End"), ("p", "Bye.")),
        ChunkRecipe(max_tokens=100, overlap_tokens=0),
    )

    assert [draft.heading_path for draft in drafts] == [(), ("End",)]


def test_pages_and_lines_of_the_span_are_carried() -> None:
    first, second = "First line here.", "Second line there."
    text = f"{first}\n{second}"
    lines = (
        Line(0, len(first), 1, (0, 90, 50, 100)),
        Line(len(first) + 1, len(text), 2, (0, 90, 50, 100)),
    )
    parsed = ParsedDocument(text, (Block("paragraph", 0, len(text), page=1),), lines)

    whole = chunk(parsed, ChunkRecipe())
    cut = chunk(parsed, ChunkRecipe(max_tokens=4, overlap_tokens=0))

    assert (whole[0].page_start, whole[0].page_end, whole[0].lines) == (1, 2, lines)
    assert [draft.lines for draft in cut] == [(lines[0],), (lines[1],)]
    assert [draft.page_start for draft in cut] == [1, 2]


def test_text_that_no_block_holds_is_kept_as_a_paragraph() -> None:
    text = "lost start. Kept. lost end."

    drafts = chunk(ParsedDocument(text, (Block("paragraph", 12, 17),)), ChunkRecipe())

    assert texts(drafts) == [text]


def test_a_short_passage_takes_the_language_of_its_document() -> None:
    drafts = chunk(
        document(
            ("p", "This is the text of a whole document in English."),
            ("h1", "12"),
            ("p", "34 | 56"),
        ),
        ChunkRecipe(max_tokens=12),
    )

    assert [draft.language for draft in drafts] == ["en", "en"]


def test_a_budget_below_one_token_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        chunk(document(("p", "text")), ChunkRecipe(max_tokens=0))


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    alphabet = st.sampled_from([*"ab1 \n。.，xyz睡眠é", "word ", "Sentence. ", "句子。", "\n\n"])
    text = "".join(draw(st.lists(alphabet, max_size=120)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    blocks = [
        Block(
            draw(st.sampled_from(["heading", "paragraph", "table_row", "code", "pair"])), start, end
        )
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    return ParsedDocument(text, tuple(blocks))


@given(documents(), st.integers(1, 40), st.integers(0, 50))
def test_no_text_is_lost_and_no_passage_is_over_budget(
    parsed: ParsedDocument, max_tokens: int, overlap_tokens: int
) -> None:
    recipe = ChunkRecipe(max_tokens=max_tokens, overlap_tokens=overlap_tokens)

    drafts = chunk(parsed, recipe)

    covered = {offset for draft in drafts for offset in range(draft.start, draft.end)}
    missing = [c for offset, c in enumerate(parsed.text) if offset not in covered]
    assert not "".join(missing).strip()
    assert [draft.ordinal for draft in drafts] == list(range(len(drafts)))
    for draft in drafts:
        assert draft.text == parsed.text[draft.start : draft.end]
        assert draft.text == draft.text.strip() != ""
        assert draft.token_count == count_tokens(draft.text) <= max_tokens
    starts = [draft.start for draft in drafts]
    assert starts == sorted(set(starts)), "each passage begins after the one before"
    assert chunk(parsed, recipe) == drafts


@given(st.text(max_size=80), st.text(max_size=20))
def test_a_prefix_never_counts_more_tokens(text: str, more: str) -> None:
    assert count_tokens(text) <= count_tokens(text + more)
    assert count_tokens(text + more) <= count_tokens(text) + count_tokens(more)


def test_white_space_counts_nothing() -> None:
    assert count_tokens(" \n\t　") == 0
