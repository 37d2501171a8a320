from __future__ import annotations

import random

import numpy as np
import pytest

from inference.fake import FakeEmbedder
from training.candidates import LexicalIndex, candidate_lists, draw_questions
from training.prepare import Pair, PairSet, Passage

TEXTS = ["Dim the lights to sleep.", "Fruit has sugar.", "Sleep, sleep, sleep.", "Rest a lot."]


def held_out_set() -> PairSet:
    passages = {f"p{n}": Passage(f"p{n}", f"g{n % 2}", text) for n, text in enumerate(TEXTS)}
    pairs = [
        Pair("dim lights", "g0", "p0", ("p1",)),
        Pair("sleep", "g0", "p2", ("p3",)),
        Pair("fruit sugar", "g1", "p1", ("p0",)),
    ]
    return PairSet("tiny", passages, held_out=pairs)


def test_a_lexical_share_is_between_nothing_and_all_that_the_question_could_reach() -> None:
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


def test_lists_hold_both_signals_and_mark_the_answer() -> None:
    lists = candidate_lists(held_out_set(), FakeEmbedder(), questions=3, pool_size=4, seed=1)
    assert len(lists) == 3
    for item in lists:
        assert len(item.passages) == 4 == len(item.cosine) == len(item.lexical)
        assert item.answers.sum() == 1
        assert item.answers[np.argmax(item.lexical)] == 1


def test_groups_take_turns_when_questions_are_drawn() -> None:
    drawn = draw_questions(held_out_set(), 2, random.Random(1))  # noqa: S311
    assert {pair.group for pair in drawn} == {"g0", "g1"}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_more_questions_are_drawn_than_asked_for(count: int) -> None:
    chance = random.Random(1)  # noqa: S311
    assert len(draw_questions(held_out_set(), count, chance)) == count
