from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import variation
from training.sampling import TrainingList

SENTENCES = (
    "The valve of the pump closes when the pressure falls.",
    "It opens again after the engine has warmed up, 30 s later.",
    "A worn valve leaks.",
)


def training_list(
    question: str = "When does the valve close?", language: str = "en", text: str | None = None
) -> TrainingList:
    text = text if text is not None else " ".join(SENTENCES)
    passages = (f"Pumps\n{text}", "Engines\nAn engine (of 1910) warms up.", "no title; none")
    return TrainingList(question, passages, (0.8, 0.5, 0.1), (0.6, 0.3, 0.0), language)


def test_a_plain_passage_has_no_title_no_punctuation_and_no_figures() -> None:
    assert variation.plain(training_list()).passages[1:] == (
        "An engine of warms up",
        "no title none",
    )


def test_a_passage_of_one_line_keeps_it() -> None:
    assert variation.without_title("only this") == "only this"


def test_key_words_are_the_question_without_its_small_words() -> None:
    assert variation.keywords(training_list("How does the valve close?")).question == "valve close"


def test_a_question_of_small_words_alone_stays_as_it_is() -> None:
    item = training_list("What is it?")
    assert variation.keywords(item) == item


@given(st.integers(0, 1000))
def test_a_cloze_asks_for_a_sentence_that_its_passage_lacks(seed: int) -> None:
    item = variation.cloze(training_list(), random.Random(seed))
    assert item.question in SENTENCES[:2], "a short sentence says too little"
    assert item.question not in item.passages[0]
    assert item.passages[0].startswith("Pumps\n")
    kept = [sentence for sentence in SENTENCES if sentence in item.passages[0]]
    assert len(kept) == len(SENTENCES) - 1
    assert item.passages[1:] == training_list().passages[1:]


def test_a_cloze_knows_nothing_of_the_first_stage() -> None:
    item = variation.cloze(training_list(), random.Random(1))
    assert item.cosine == item.lexical == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("text", ["", "One sentence is all that this passage has to say of it."])
def test_a_passage_of_one_sentence_makes_no_cloze(text: str) -> None:
    item = training_list(text=text)
    assert variation.cloze(item, random.Random(1)) == item


def test_chinese_sentences_end_with_their_own_marks() -> None:
    text = "水泵的阀门在压力下降时就会自动关闭。发动机预热以后阀门又会再次自动打开！好。"
    item = variation.cloze(training_list("阀门何时关闭？", "zh", text), random.Random(2))
    assert item.question.endswith(("。", "！"))
    assert item.question not in item.passages[0]


def test_chinese_questions_are_never_made_key_words() -> None:
    item = training_list("what is 阀门?", "zh", "短。")
    chance = random.Random(3)
    assert all(variation.vary(item, chance).question == item.question for _ in range(200))


def test_lists_come_in_each_form_by_its_share() -> None:
    item, chance = training_list(), random.Random(4)
    forms: Counter[str] = Counter()
    for _ in range(2_000):
        varied = variation.vary(item, chance)
        if varied == item:
            forms["as it is"] += 1
        elif varied.cosine != item.cosine:
            forms["cloze"] += 1
        elif varied.question != item.question:
            forms["key words"] += 1
        else:
            forms["plain"] += 1
    assert forms["cloze"] == pytest.approx(2_000 * variation.CLOZE_SHARE, abs=60)
    assert forms["plain"] == pytest.approx(2_000 * variation.PLAIN_SHARE, abs=60)
    assert forms["key words"] == pytest.approx(2_000 * variation.KEYWORDS_SHARE, abs=60)
