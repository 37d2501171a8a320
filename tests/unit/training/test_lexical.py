from __future__ import annotations

from training.lexical import LexicalIndex

TEXTS = ["Dim the lights to sleep.", "Fruit has sugar.", "Sleep, sleep, sleep.", "Rest a lot."]


def test_a_share_is_between_nothing_and_all_that_the_question_could_reach() -> None:
    shares = LexicalIndex(TEXTS).shares("sleep with dimmed lights")
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares.argmax() == 0
    assert shares[1] == 0


def test_a_word_that_no_passage_holds_lowers_the_share() -> None:
    index = LexicalIndex(TEXTS)
    assert index.shares("sleep zebra")[2] < index.shares("sleep")[2]


def test_repeats_of_a_word_bring_a_passage_nearer_to_the_highest_share() -> None:
    shares = LexicalIndex(TEXTS).shares("sleep")
    assert shares[2] > shares[0] > 0


def test_a_question_without_known_words_reaches_nothing() -> None:
    assert not LexicalIndex(TEXTS).shares("zebra").any()
