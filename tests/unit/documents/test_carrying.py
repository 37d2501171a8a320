from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from documents.carrying import applied, likest, orphans
from documents.fingerprints import sha256_of_text as name

SLEEP = "Go to bed at the same hour every day, and get up at the same hour as well."
COFFEE = "Coffee late in the day keeps people awake, since caffeine lasts for hours."
DARK = "Keep the bedroom dark, cool and quiet, and leave the telephone in another room."


@dataclass(frozen=True)
class Word:
    generated_text: str
    edited_text: str = ""
    is_disabled: bool = False


def said(*words: Word) -> dict[str, Word]:
    return {name(word.generated_text): word for word in words}


def holding(texts: list[str], *words: Word) -> dict[str, tuple[str, bool]]:
    found = applied(texts, said(*words))
    by_name = {name(text): text for text in texts}
    return {by_name[key]: (each.edited_text, each.is_disabled) for key, each in found.items()}


def test_what_was_said_of_a_text_that_is_cut_again_holds() -> None:
    words = [Word(SLEEP, "Sleep!"), Word(DARK, is_disabled=True)]
    assert holding([SLEEP, COFFEE, DARK], *words) == {SLEEP: ("Sleep!", False), DARK: ("", True)}
    assert orphans([SLEEP, COFFEE, DARK], said(*words)) == []


def test_an_edit_is_carried_into_the_passage_that_holds_the_whole_text() -> None:
    larger = f"{SLEEP} {COFFEE}"
    words = Word(COFFEE, "Tea is no better.")
    assert holding([larger, DARK], words) == {larger: (f"{SLEEP} Tea is no better.", False)}
    assert orphans([larger, DARK], said(words)) == []


def test_two_edits_are_carried_into_one_passage() -> None:
    larger = f"{SLEEP} {COFFEE} {DARK}"
    edited = {larger: (f"One. {COFFEE} Three.", False)}
    assert holding([larger], Word(DARK, "Three."), Word(SLEEP, "One.")) == edited


def test_an_edit_whose_text_is_cut_in_two_is_for_the_curator() -> None:
    texts = [SLEEP[:40], SLEEP[40:], COFFEE]
    words = Word(SLEEP, "Sleep!")
    assert holding(texts, words) == {}
    assert orphans(texts, said(words)) == [name(SLEEP)]


def test_disabled_is_carried_onto_parts_and_never_onto_what_says_more() -> None:
    first, second = SLEEP[:37], SLEEP[38:]
    words = Word(SLEEP, is_disabled=True)
    assert holding([first, second], words) == {first: ("", True), second: ("", True)}
    larger = f"{SLEEP} {COFFEE}"
    assert holding([larger], words) == {}
    assert orphans([larger], said(words)) == [name(SLEEP)]


def test_an_edit_that_was_disabled_as_well_is_carried_and_asked_about() -> None:
    larger = f"{SLEEP} {COFFEE}"
    words = Word(SLEEP, "Sleep!", is_disabled=True)
    assert holding([larger], words) == {larger: (f"Sleep! {COFFEE}", False)}
    assert orphans([larger], said(words)) == [name(SLEEP)]


def test_a_short_text_is_carried_nowhere() -> None:
    words = Word("Overview", "Summary")
    assert holding(["Overview of sleep, coffee, tea and much else besides."], words) == {}
    assert orphans([SLEEP], said(words)) == [name("Overview")]


def test_a_text_that_stands_in_many_passages_is_no_longer_one_place() -> None:
    texts = [f"{number}. {SLEEP}" for number in range(3)]
    assert holding(texts, Word(SLEEP, "Sleep!")) == {}
    assert set(holding(texts[:2], Word(SLEEP, "Sleep!"))) == set(texts[:2])


def test_the_last_word_on_a_passage_wins_over_what_would_be_carried() -> None:
    larger = f"{SLEEP} {COFFEE}"
    silent = Word(larger)
    assert holding([larger], Word(SLEEP, "Sleep!"), silent) == {larger: ("", False)}
    assert orphans([larger], said(Word(SLEEP, "Sleep!"), silent)) == []


def test_what_says_nothing_and_what_was_not_kept_are_carried_nowhere() -> None:
    lost = {name(SLEEP): Word("", "Sleep!")}
    assert applied([COFFEE], {**lost, **said(Word(DARK))}) == {}
    assert orphans([COFFEE], {**lost, **said(Word(DARK))}) == [name(SLEEP)]


def test_the_likest_texts_come_first_and_strangers_not_at_all() -> None:
    texts = ["睡前不要喝咖啡。", f"{COFFEE} {DARK}", "Nothing alike whatsoever.", COFFEE]
    assert likest(COFFEE, texts, 3) == [3, 1]
    assert likest("睡前不要喝茶。", texts, 1) == [0]


@given(st.lists(st.sampled_from([SLEEP, COFFEE, DARK]), min_size=1, max_size=3, unique=True))
def test_cutting_in_the_same_way_carries_nothing_anywhere_else(texts: list[str]) -> None:
    words = said(*(Word(text, f"edited {text}") for text in texts))
    assert applied([SLEEP, COFFEE, DARK], words) == words
