from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from documents.sentences import sentence_spans, sentences


def test_english_sentences_end_at_marks_before_white_space() -> None:
    assert sentences("Rest well. Drink water! Why? It helps.") == [
        "Rest well.",
        "Drink water!",
        "Why?",
        "It helps.",
    ]


def test_abbreviations_initials_and_numbers_end_no_sentence() -> None:
    text = "Dr. A. Smith et al. (2020) gave 2.5 mg, e.g. Zolpidem, vs. placebo. It worked."

    assert len(sentences(text)) == 2


def test_a_point_before_a_small_letter_ends_no_sentence() -> None:
    assert sentences("approx. five. and more") == ["approx. five. and more"]


def test_a_list_number_stays_with_its_item() -> None:
    assert sentences("1. Sleep early. 2. Rest.") == ["1. Sleep early.", "2. Rest."]


def test_chinese_sentences_end_without_white_space() -> None:
    assert sentences("早睡早起。少喝咖啡！为什么？因为“有害。”对。") == [
        "早睡早起。",
        "少喝咖啡！",
        "为什么？",
        "因为“有害。”",
        "对。",
    ]


def test_closing_marks_stay_with_the_sentence() -> None:
    assert sentences('He said "Stop." Then he left.') == ['He said "Stop."', "Then he left."]


def test_a_blank_line_ends_a_sentence_without_a_mark() -> None:
    assert sentences("A title\n\nThe text") == ["A title", "The text"]


def test_spans_are_offsets_into_the_whole_text() -> None:
    text = "Skip. One. Two."

    assert [text[start:end] for start, end in sentence_spans(text, 6)] == ["One.", "Two."]


@given(st.text(alphabet=st.sampled_from(list('aB1.!? \n。！”"e.g')), max_size=80))
def test_no_character_is_lost_and_spans_never_overlap(text: str) -> None:
    spans = sentence_spans(text)

    covered = "".join(text[start:end] for start, end in spans)
    assert [c for c in covered if not c.isspace()] == [c for c in text if not c.isspace()]
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
