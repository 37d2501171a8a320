from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.analysis import (
    MAX_TOKEN_LENGTH,
    ContentTerm,
    analyze,
    analyze_question,
    content_terms,
    detect_language,
    is_in_another_script,
)


def test_inflected_english_words_share_their_stem() -> None:
    assert analyze("Sleeping sleeps SLEEP") == ["sleep", "sleep", "sleep"]


def test_hyphens_part_words_and_digits_stay() -> None:
    assert analyze("COVID-19 and H2O, 100mg") == ["covid", "19", "and", "h2o", "100mg"]


def test_a_possessive_is_the_word_itself() -> None:
    assert analyze("Alzheimer's") == analyze("Alzheimer’s") == analyze("alzheimer")


def test_accents_case_and_width_do_not_part_a_word_from_its_plain_form() -> None:
    assert analyze("Ｃａｆé STRASSE ﬁbre") == analyze("cafe straße fibre")


def test_the_fast_path_for_ascii_gives_what_the_full_path_gives() -> None:
    text = "The patient's well-known snake_case v2.0 isn't 3,000 strong."

    with_full_path = analyze(text + " é")

    assert with_full_path[:-1] == analyze(text)


def test_chinese_gives_overlapping_pairs_and_single_characters() -> None:
    assert analyze("睡眠障碍") == ["睡眠", "眠障", "障碍", "睡", "眠", "障", "碍"]


def test_a_lone_chinese_character_is_a_token_once() -> None:
    assert analyze("补 A型") == ["补", "a", "型"]


def test_pairs_never_cross_punctuation() -> None:
    assert "眠，" not in analyze("失眠，焦虑")
    assert "眠焦" not in analyze("失眠，焦虑")


def test_mixed_text_keeps_the_order_of_its_words() -> None:
    assert analyze("使用GPT模型") == ["使用", "使", "用", "gpt", "模型", "模", "型"]


def test_korean_and_thai_become_pairs() -> None:
    assert analyze("안녕하") == ["안녕", "녕하"]
    assert analyze("สด") == ["สด"]


def test_words_with_combining_marks_stay_whole() -> None:
    assert analyze("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]


@given(st.text(max_size=200))
def test_every_token_is_short_and_not_empty(text: str) -> None:
    for token in analyze(text):
        assert 0 < len(token) <= MAX_TOKEN_LENGTH
        assert "\x00" not in token
        assert not any(character.isspace() for character in token)


def test_a_very_long_word_is_cut() -> None:
    assert analyze("x" * 500) == ["x" * MAX_TOKEN_LENGTH]
    assert analyze("é" * 500) == ["e" * MAX_TOKEN_LENGTH]


def test_threads_get_the_same_stems_as_one_thread() -> None:
    texts = [f"running studies {number} treatments" for number in range(200)]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(analyze, texts))

    assert together == [analyze(text) for text in texts]


def test_a_chinese_question_is_searched_without_its_question_words() -> None:
    assert analyze_question("怎样申请护照?") == ["申请", "请护", "护照", "申", "请", "护", "照"]
    assert "怎样" in analyze("怎样申请护照?")
    assert analyze_question("有什么办法能让我快点入睡")[:2] == ["办法", "法能"]
    # A character that says nothing where it stands alone is still half of a pair.
    assert "更" not in analyze_question("睡得更好")
    assert "更好" in analyze_question("睡得更好")


def test_a_question_of_nothing_but_question_words_is_searched_by_them() -> None:
    assert analyze_question("怎么办？") == analyze("怎么办？") != []


def test_words_around_chinese_stay_in_a_question() -> None:
    assert analyze_question("How do I 怎么用 the API") == ["how", "do", "i", "用", "the", "api"]


@given(st.text())
def test_every_token_of_a_question_is_one_of_the_index(text: str) -> None:
    assert set(analyze_question(text)) <= set(analyze(text))


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_a_question_without_such_scripts_is_searched_as_it_is_indexed(text: str) -> None:
    assert analyze_question(text) == analyze(text)


def test_content_terms_leave_out_question_words_and_keep_order() -> None:
    assert content_terms("What fruit can someone with diabetes eat?") == [
        ContentTerm("fruit", "fruit"),
        ContentTerm("diabet", "diabetes"),
        ContentTerm("eat", "eat"),
    ]


def test_content_terms_are_unique_by_token_and_show_the_first_surface() -> None:
    assert content_terms("Studies of a study") == [ContentTerm("studi", "Studies")]


def test_chinese_question_words_are_cut_out_before_pairs_are_made() -> None:
    surfaces = [term.surface for term in content_terms("失眠的原因是什么？")]

    assert surfaces == ["失眠", "原因"]


def test_traditional_question_words_are_cut_out_too() -> None:
    assert [term.token for term in content_terms("請問失眠怎麼辦")] == ["失眠"]


def test_a_word_that_contains_a_particle_stays_whole() -> None:
    assert ContentTerm("目的", "目的") in content_terms("研究目的")


@pytest.mark.parametrize("question", ["Why is that?", "怎么办", "", "?!"])
def test_a_question_of_stop_words_has_no_content_terms(question: str) -> None:
    assert content_terms(question) == []


@given(st.text(max_size=120))
def test_every_content_term_is_a_token_of_the_question(question: str) -> None:
    # Cutting out a stop phrase can leave one character, which the index holds for Han and kana.
    indexed = set(analyze(question))
    assert {term.token for term in content_terms(question)} <= indexed


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How can I sleep better?", "en"),
        ("diabetes diet", "en"),
        ("The term 失眠 means that a person cannot sleep well", "en"),
        ("怎样才能睡得更好", "zh"),
        ("補鈣要吃什麼", "zh"),
        ("ChatGPT 和 GPT-4 有什么区别", "zh"),
        ("どうすればよく眠れますか", "ja"),
        ("어떻게 하면 잘 수 있나요", "ko"),
        ("Wie kann ich besser schlafen?", ""),
        ("¿Cómo puedo dormir mejor?", ""),
        ("Как лучше спать", ""),
        ("12.5 | 13", ""),
        ("", ""),
    ],
)
def test_the_language_of_a_text_is_told_or_left_open(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(
    ("text", "is_in_another"),
    [
        ("Как лучше спать", True),
        ("كيف أنام بشكل أفضل", True),
        ("จะนอนหลับให้ดีขึ้นได้อย่างไร", True),
        ("Как настроить VPN", True),
        ("What does спать mean?", False),
        ("怎样才能睡得更好", False),
        ("俄语 Как лучше спать 是什么意思", False),
        ("Wie kann ich besser schlafen?", False),
        ("12.5", False),
        ("", False),
    ],
)
def test_a_script_of_another_language_is_told(text: str, *, is_in_another: bool) -> None:
    assert is_in_another_script(text) == is_in_another


def test_a_table_of_words_that_are_no_english_is_left_open() -> None:
    assert detect_language("Blutdruck Gewicht Datum Uhrzeit Puls Wert Notiz Arzt Praxis") == ""
