"""Sentences, list items and headings of passages as converters leave them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from qa.statements import Statement, split_statements, texts

PIECES = [
    "# Head\n", "Sleep well. ", "Try:", " - One", " - Two", "\n- item\n", "\n\n", "\n", "睡眠。",
    "1. a\n", "|a|b|\n", "===\n", "Your doctor will help. ", "如下：\n", "（1）泡脚\n", "  wrapped",
]  # fmt: skip
pieces = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=14).map("".join)


def kinds(text: str, *heading_path: str) -> list[tuple[str, str]]:
    statements = split_statements(text, heading_path)
    found = list(texts(text, statements))
    return [(each.kind, words) for each, words in zip(statements, found, strict=True)]


@given(pieces)
def test_statements_are_spans_in_order_without_overlap(text: str) -> None:
    statements = split_statements(text)
    for before, after in pairwise(statements):
        assert before.end <= after.start
    for each in statements:
        assert text[each.start : each.end] == text[each.start : each.end].strip() != ""
        if each.lead_in is not None:
            assert statements[each.lead_in].end <= each.start


@given(st.lists(st.sampled_from(["Sleep well.", "Rest a lot!", "Is it dark?"]), min_size=1))
def test_plain_prose_loses_no_sentence(sentences: list[str]) -> None:
    assert kinds(" ".join(sentences)) == [("sentence", each) for each in sentences]


def test_a_markdown_list_belongs_to_the_line_that_opens_it() -> None:
    text = "## Evening\n\nTry this:\n\n- Dim the light.\n- No coffee\n  after noon.\n\nSleep well."
    statements = split_statements(text)
    assert kinds(text) == [
        ("heading", "Evening"),
        ("sentence", "Try this:"),
        ("item", "Dim the light."),
        ("item", "No coffee after noon."),
        ("sentence", "Sleep well."),
    ]
    assert [each.lead_in for each in statements] == [None, None, 1, 1, None]
    assert [each.list_number for each in statements] == [None, None, 0, 0, None]


def test_a_list_run_into_a_sentence_is_taken_apart() -> None:
    text = (
        "Symptoms of insomnia include: - Lying awake for a long time - Waking up too early "
        "Your doctor will diagnose insomnia. Treatments include medicines."
    )
    assert kinds(text) == [
        ("sentence", "Symptoms of insomnia include:"),
        ("item", "Lying awake for a long time"),
        ("item", "Waking up too early"),
        ("sentence", "Your doctor will diagnose insomnia."),
        ("sentence", "Treatments include medicines."),
    ]


def test_a_run_in_list_needs_no_colon() -> None:
    text = "Healthy eating includes - Limiting sugar - Using less salt NIH: National Institute"
    statements = split_statements(text)
    assert kinds(text)[:3] == [
        ("sentence", "Healthy eating includes"),
        ("item", "Limiting sugar"),
        ("item", "Using less salt"),
    ]
    assert statements[1].lead_in == 0


def test_one_dash_is_punctuation_not_a_list() -> None:
    assert kinds("Insomnia - A common disorder - is treatable.")[0][0] == "sentence"
    assert kinds("Rest - It helps.") == [("sentence", "Rest - It helps.")]


def test_fragments_after_a_colon_are_items_and_elsewhere_headings() -> None:
    text = "Overview\n\nIt has causes, such as:\n\nAn overactive thyroid\n\nStroke\n\nSee a doctor."
    assert kinds(text) == [
        ("heading", "Overview"),
        ("sentence", "It has causes, such as:"),
        ("item", "An overactive thyroid"),
        ("item", "Stroke"),
        ("sentence", "See a doctor."),
    ]


def test_unmarked_items_may_be_sentences_if_all_are() -> None:
    assert [kind for kind, _ in kinds("Try this:\n\nRest.\n\nSleep well.\n\nMore\n\nEnd.")] == [
        "sentence", "item", "item", "heading", "sentence",
    ]  # fmt: skip


def test_a_lone_fragment_is_a_sentence() -> None:
    assert kinds("Sleep better") == [("sentence", "Sleep better")]


def test_a_line_of_the_heading_path_is_a_heading_whatever_its_form() -> None:
    assert kinds("What is Insomnia?\nIt is common.", "What is Insomnia?") == [
        ("heading", "What is Insomnia?"),
        ("sentence", "It is common."),
    ]


def test_underlined_titles_are_headings() -> None:
    assert kinds("Insomnia\n========\n\nIt is common.")[0] == ("heading", "Insomnia")


def test_wrapped_lines_are_one_sentence() -> None:
    assert kinds("You may not feel\nrefreshed at all.") == [
        ("sentence", "You may not feel refreshed at all.")
    ]


def test_chinese_lists_and_sentences() -> None:
    text = "饮食调理\n\n- 三餐定时，晚餐清淡。\n- 少喝浓茶。\n\n睡前泡脚。枕头不要太高。"
    assert kinds(text) == [
        ("heading", "饮食调理"),
        ("item", "三餐定时，晚餐清淡。"),
        ("item", "少喝浓茶。"),
        ("sentence", "睡前泡脚。"),
        ("sentence", "枕头不要太高。"),
    ]
    numbered = "可以这样做：\n1. 不要老看钟。\n（2）白天多活动。\n三、早点起床。"
    assert [kind for kind, _ in kinds(numbered)] == ["sentence", "item", "item", "item"]


def test_a_decimal_at_the_start_of_a_line_is_no_list() -> None:
    assert kinds("1.5 mg is the dose.") == [("sentence", "1.5 mg is the dose.")]


def test_table_rows_stand_alone() -> None:
    assert kinds("Fruit:\n| pear | 10 g |\n| fig | 16 g |")[1:] == [
        ("row", "| pear | 10 g |"),
        ("row", "| fig | 16 g |"),
    ]


def test_a_long_item_is_read_sentence_by_sentence() -> None:
    item = "Keep your room dark and cool all night long, as far as you can manage that. " * 4
    statements = split_statements(f"- {item}\n- Short.")
    assert [each.kind for each in statements] == ["item"] * 5
    assert {each.list_number for each in statements} == {0}


def test_two_lists_have_two_numbers() -> None:
    statements = split_statements("A:\n- x\n\nProse here.\n\nB:\n- y")
    assert [each.list_number for each in statements if each.kind == "item"] == [0, 1]
    assert isinstance(statements[0], Statement)
