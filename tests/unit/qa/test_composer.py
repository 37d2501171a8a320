"""The extractive answer: whole statements of the sources, each with its marker."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from documents.analysis import analyze
from qa.citations import cite
from qa.composer import MAX_EXCERPTS, MAX_LIST_ITEMS, compose
from qa.rendering import render_markdown
from qa.types import RankedCandidate
from tests.unit.qa.builders import candidate, passage, question_terms

SLEEP = "How can I sleep better?"
INSOMNIA = (
    "Insomnia is a common sleep disorder. Lifestyle changes, including better sleep habits, often "
    "help relieve acute insomnia. Beta blockers treat heart conditions."
)
TIPS = (
    "## Tips for better sleep\n\nTo sleep better, try this:\n\n- Go to bed at the same time.\n"
    "- Keep your room dark\n- Avoid coffee after noon.\n\nWhat about naps?"
)
FRUIT = (
    "If you have diabetes, your body cannot make or properly use insulin. Healthy diabetic eating "
    "includes - Limiting foods that are high in sugar - Eating a variety of whole-grain foods, "
    "fruits and vegetables every day - Using less salt NIH: National Institute of Diabetes"
)


def composed(question: str, *texts: str, title: str = "", headings: tuple[str, ...] = ()) -> str:
    sources = [
        candidate(
            passage(text, chunk_id=number, title=title, heading_path=headings),
            rank=number,
            relevance=1.0 - number / 20,
        )
        for number, text in enumerate(texts, start=1)
    ]
    return "".join(compose(question, question_terms(question), sources))


class TestChoice:
    def test_the_sentence_that_covers_the_question_is_chosen(self) -> None:
        answer = composed(SLEEP, INSOMNIA)
        assert "better sleep habits, often help relieve acute insomnia. [1]" in answer

    def test_what_shares_nothing_with_the_question_stays_out(self) -> None:
        assert "Beta blockers" not in composed(SLEEP, INSOMNIA)

    def test_a_tips_article_answers_as_a_list_under_its_lead_in(self) -> None:
        assert composed(SLEEP, TIPS) == (
            "To sleep better, try this:\n\n- Go to bed at the same time. [1]\n"
            "- Keep your room dark [1]\n- Avoid coffee after noon. [1]"
        )

    def test_a_list_run_into_a_sentence_is_unfolded(self) -> None:
        answer = composed("What fruit can someone with diabetes eat?", FRUIT)
        assert "Healthy diabetic eating includes:\n\n- Limiting foods" in answer
        assert (
            "- Eating a variety of whole-grain foods, fruits and vegetables every day [1]" in answer
        )
        assert "National Institute" not in answer

    def test_questions_headings_and_links_are_no_answer(self) -> None:
        text = (
            "# Sleep better\n\nHow can you sleep better?\n\nSource: https://example.org/better\n\n"
            "For more about how to sleep better see our page.\n\nTo sleep better, dim the light."
        )
        assert composed(SLEEP, text) == "To sleep better, dim the light. [1]"

    def test_a_repeated_sentence_is_said_once_and_credited_to_the_better_source(self) -> None:
        sentence = "To sleep better, go to bed at the same time every night."
        assert composed(SLEEP, sentence, sentence) == f"{sentence} [1]"

    def test_something_new_is_preferred_to_more_of_the_same(self) -> None:
        sources = [
            candidate(passage(text, chunk_id=n))
            for n, text in enumerate(
                (
                    "People sleep better in a dark bedroom at night.",
                    "You sleep better in a dark, cool and quiet place.",
                    "Better sleep follows exercise, sunlight and regular meals.",
                ),
                start=1,
            )
        ]
        pieces = compose(SLEEP, question_terms(SLEEP), sources, max_excerpts=2)
        assert [piece[-3:] for piece in pieces if piece.strip()] == ["[1]", "[3]"]

    def test_the_better_source_speaks_first(self) -> None:
        answer = composed(
            SLEEP,
            "You sleep better in a dark and cool bedroom.",
            "Sleep gets better with daily exercise and sunlight.",
        )
        assert answer.index("[1]") < answer.index("[2]")

    def test_a_heading_names_a_list_that_nothing_introduces(self) -> None:
        text = "- Dim the light before you sleep\n- Keep it cool"
        answer = composed(SLEEP, text, headings=("Better sleep tips",))
        assert answer.startswith("Better sleep tips:\n\n- Dim the light before you sleep [1]")

    def test_the_title_lends_its_words_to_the_text_under_it(self) -> None:
        text = "Keep your bedroom dark and cool. The heart has four chambers in all."
        assert "[1]" in composed(SLEEP, text, title="Sleep better")

    def test_a_question_without_content_terms_still_gets_the_best_source(self) -> None:
        assert composed("Why?", "Keep your bedroom dark and cool.") == (
            "Keep your bedroom dark and cool. [1]"
        )

    def test_a_long_list_is_cut_to_the_items_that_cover_most(self) -> None:
        items = [f"- Number {n} is about something else" for n in range(12)]
        items[9] = "- You sleep better without coffee"
        answer = composed(SLEEP, "Try this:\n\n" + "\n".join(items))
        assert answer.count("\n- ") == MAX_LIST_ITEMS
        assert "without coffee" in answer


class TestForm:
    def test_reference_numbers_of_a_source_do_not_become_citations(self) -> None:
        answer = composed(SLEEP, "Adults sleep better in dark rooms [12, 13]【4】.")
        assert re.findall(r"\[(\d+)\]", answer) == ["1"]

    def test_a_sentence_without_an_end_mark_gets_one(self) -> None:
        assert composed(SLEEP, "You sleep better in the dark") == (
            "You sleep better in the dark. [1]"
        )

    def test_a_bracket_alone_does_not_end_a_sentence(self) -> None:
        assert composed(SLEEP, "You sleep better in the dark (mostly)") == (
            "You sleep better in the dark (mostly). [1]"
        )

    def test_chinese_sources_give_a_chinese_answer(self) -> None:
        text = "饮食调理\n\n改善睡眠可以这样做：\n\n- 晚餐清淡，少喝浓茶。\n- 睡前泡脚。"
        assert composed("怎么改善睡眠？", text) == (
            "改善睡眠可以这样做：\n\n- 晚餐清淡，少喝浓茶。 [1]\n- 睡前泡脚。 [1]"
        )

    def test_tips_written_as_sections_become_one_list(self) -> None:
        answer = composed(
            "怎样才能睡得更好？",
            "想睡得更好，先从小习惯做起。",
            "1. 睡前放下手机\n\n屏幕的光让人睡得更浅。亮光不好。",
            "2. 卧室要凉爽\n\n室温低一点，睡得更好。",
            headings=("1. 睡前放下手机", "2. 卧室要凉爽"),
        )
        assert answer == (
            "想睡得更好，先从小习惯做起。 [1]\n\n"
            "* 卧室要凉爽：室温低一点，睡得更好。 [3]\n"
            "* 睡前放下手机：屏幕的光让人睡得更浅。 [2]"
        )

    def test_a_list_does_not_run_on_under_the_lead_in_of_another(self) -> None:
        answer = composed(
            SLEEP,
            "Try this:\n\n- You sleep better in the dark.\n- Go to bed early.",
            "- Exercise gives better sleep\n- Sunlight helps, too",
        )
        assert "early. [1]\n\n* Exercise" in answer
        assert render_markdown(answer).count("<ul>") == 2

    def test_nothing_to_say_is_an_empty_answer(self) -> None:
        assert composed(SLEEP) == ""
        assert composed(SLEEP, "Sleep?") == ""
        assert composed(SLEEP, "") == ""


TEXTS = [
    INSOMNIA, TIPS, FRUIT, "睡前泡脚。少喝浓茶。", "a", "", "- x\n- y", "Dark rooms help [3].",
]  # fmt: skip
sources = st.lists(st.sampled_from(TEXTS) | st.text(max_size=60), max_size=6)


def as_sources(texts: list[str]) -> list[RankedCandidate]:
    return [
        candidate(passage(text, chunk_id=n), relevance=1 / n, rank=n)
        for n, text in enumerate(texts, start=1)
    ]


@settings(max_examples=40)
@given(sources)
def test_every_statement_is_cited_and_stands_in_its_source(texts: list[str]) -> None:
    given_sources = as_sources(texts)
    answer = "".join(compose(SLEEP, question_terms(SLEEP), given_sources))
    for line in filter(None, re.split(r"(?<=\])\s+|\n", answer)):
        if line.endswith((":", "：")):
            continue
        match = re.search(r"\[(\d+)\]$", line)
        assert match is not None
        words = analyze(line[: match.start()])
        assert set(words) <= set(analyze(texts[int(match[1]) - 1]))


@settings(max_examples=40)
@given(sources)
def test_an_answer_has_a_bounded_number_of_excerpts(texts: list[str]) -> None:
    pieces = compose(SLEEP, question_terms(SLEEP), as_sources(texts))
    cited = [piece for piece in pieces if re.search(r"\[\d+\]$", piece)]
    assert len(cited) <= MAX_EXCERPTS * MAX_LIST_ITEMS


def test_the_citation_check_finds_every_excerpt_supported() -> None:
    texts = [TIPS, FRUIT, INSOMNIA]
    given_sources = as_sources(texts)
    answer = "".join(compose(SLEEP, question_terms(SLEEP), given_sources))
    cited = cite(answer, [each.passage for each in given_sources])
    assert cited.text == answer
    assert cited.citations
    assert {each.verdict for each in cited.citations} == {"supported"}
    for each in cited.citations:
        span = texts[each.marker - 1][each.start : each.end]
        assert set(analyze(each.sentence)) <= set(analyze(span))
