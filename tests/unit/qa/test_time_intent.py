"""Which questions ask for the newest, which for a year, and which only name one."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.time_intent import NO_WISH, time_intent

TODAY = date(2026, 6, 1)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What is the latest guideline for type 2 diabetes?", "latest"),
        ("newest advice on salt", "newest"),
        ("What is the most recent recommendation?", "most recent"),
        ("What are the current rules for travel?", "current"),
        ("What is our current leave policy?", "current"),
        ("Is coffee currently recommended?", "currently"),
        ("recent studies on melatonin", "recent studies"),
        ("What's new in diabetes care?", "What's new"),
        ("What has changed since 2020?", "2020"),
        ("rules from 2023 onwards", "2023"),
        ("最新的糖尿病指南", "最新"),
        ("目前推荐的血压标准是多少", "目前"),
        ("現行的標準", "現行"),
        ("现在的规定是什么", "现在的规定"),
        ("2020年以来有什么变化", "2020年"),
    ],
)
def test_words_for_the_newest_ask_for_the_newest(question: str, words: str) -> None:
    intent = time_intent(question, TODAY)
    assert (intent.kind, intent.label, intent.words) == ("latest", "latest", words)


@pytest.mark.parametrize(
    ("question", "year"),
    [
        ("What does the 2025 guideline say?", 2025),
        ("What was recommended in 2024?", 2024),
        ("sleep tips 2026", 2026),
        ("the latest rules for 2027", 2027),
        ("the 2003 edition of the handbook", 2003),
        ("What did the handbook of 1998 say?", 1998),
        ("this year's holiday rules", 2026),
        ("last year's budget", 2025),
        ("2025年的糖尿病指南怎么说", 2025),
        ("糖尿病指南2024", 2024),
        ("二〇二五年指南", 2025),
        ("2003年版手册", 2003),
        ("今年的放假安排", 2026),
    ],
)
def test_a_recent_year_or_one_beside_a_document_asks_for_that_year(
    question: str, year: int
) -> None:
    intent = time_intent(question, TODAY)
    assert (intent.kind, intent.year, intent.label) == ("year", year, str(year))
    assert intent.words in question


@pytest.mark.parametrize(
    "question",
    [
        # An older year is what the question is about.
        "How many people died of the 1918 flu?",
        "Who was president in 1974?",
        "What has changed since 1945?",
        "1918年流感死了多少人",
        "1949年以来的变化",
        # Two years are compared, an end is given, or the time is still to come.
        "What changed between 2019 and 2025?",
        "What changed in 2024-2026?",
        "guidelines before 2010",
        "2010年以前的规定",
        "What must be done by 2026?",
        "How hot will it be in 2050?",
        # Numbers of other things.
        "Is a diet of 2000 calories enough?",
        "How long do 2000 steps take?",
        "每天2000毫克可以吗",
        "2000年前的中国",
        "What does RFC 2045 say?",
        "COVID-2019 symptoms",
        # The asker, a deadline, and other senses.
        "My current weight is 80 kg, is that too much?",
        "I was recently diagnosed with diabetes, what now?",
        "What is the latest I can drink coffee?",
        "When must I apply at the latest?",
        "How does electric current flow?",
        "What is the collector current of a transistor?",
        "我目前怀孕，可以喝咖啡吗",
        "我最近睡不好怎么办",
        "How can I sleep better in New York?",
        "",
    ],
)
def test_these_ask_for_nothing_new(question: str) -> None:
    assert time_intent(question, TODAY) == NO_WISH


def test_which_years_are_recent_moves_with_the_day() -> None:
    question = "What was recommended in 2024?"
    assert time_intent(question, date(2025, 1, 1)).label == "2024"
    assert time_intent(question, date(2031, 1, 1)) == NO_WISH


@given(st.text(max_size=80), st.dates(date(2000, 1, 1), date(2090, 1, 1)))
def test_a_wish_always_has_its_words_and_a_year_only_with_its_kind(text: str, today: date) -> None:
    intent = time_intent(text, today)
    assert intent.words in text
    assert bool(intent.words) == bool(intent.kind)
    assert (intent.year is not None) == (intent.kind == "year")
