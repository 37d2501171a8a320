"""What is asked about a subject, and what in a passage speaks of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.aspects import ASPECTS, asked_aspects, covers

BY_NAME = {aspect.name: aspect for aspect in ASPECTS}


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Who wrote it?", {"person"}),
        ("When was the bridge built?", {"time"}),
        ("In which country is it?", {"place"}),
        ("How many people work there?", {"number"}),
        ("Why do I snore?", {"reason"}),
        ("How can I sleep better?", {"way"}),
        ("What is the difference between type 1 and type 2?", {"difference"}),
        ("How much does insulin cost?", {"number", "price"}),
        ("What are the treatments for asthma?", {"treatment"}),
        ("What are the symptoms of measles?", {"symptoms"}),
        ("Is measles inherited?", {"inheritance"}),
        ("Are employees entitled to sick leave?", {"rule"}),
        ("谁写的", {"person"}),
        ("桥是什么时候建的", {"time"}),
        ("它在哪里", {"place"}),
        ("有多少人", {"number"}),
        ("为什么会打鼾", {"reason"}),
        ("怎样才能睡得更好", {"way"}),
        ("高血压怎么治疗", {"way", "treatment"}),
        ("糖尿病有什么症狀", {"symptoms"}),
        ("Pears", set()),
        ("wholesale", set()),
    ],
)
def test_the_words_of_a_question_say_what_is_asked(question: str, names: set[str]) -> None:
    assert {each.aspect.name for each in asked_aspects(question)} == names


@pytest.mark.parametrize(
    ("name", "speaks", "silent"),
    [
        ("person", "It was written by Jane Austen.", "It was written by hand."),
        ("time", "Built in 1932.", "Built of stone."),
        ("place", "It stands in Sydney.", "It stands."),
        ("number", "Some 300 people.", "Some people."),
        ("reason", "You snore because air is blocked.", "You snore."),
        ("way", "You should dim the light.", "The light is dim."),
        ("treatment", "Antibiotics are given.", "It is a disease."),
        ("symptoms", "Signs include a fever.", "It is a disease."),
        ("price", "A dose is $30.", "A dose is small."),
        ("rule", "Staff must apply in March.", "Staff eat in March."),
        ("time", "建于1932年。", "建得很好。"),
        ("reason", "由于气道变窄，会打鼾。", "打鼾很响。"),
        ("treatment", "服用药物。", "这是一种病。"),
    ],
)
def test_a_passage_speaks_of_an_aspect_in_its_own_words(
    name: str, speaks: str, silent: str
) -> None:
    assert covers(BY_NAME[name], speaks)
    assert not covers(BY_NAME[name], silent)


def test_every_aspect_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(ASPECTS)


@given(st.text(max_size=200))
def test_an_aspect_is_asked_by_words_that_stand_in_the_question(text: str) -> None:
    assert all(each.words in text for each in asked_aspects(text))
