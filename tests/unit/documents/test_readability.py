from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.readability import NEUTRAL, measure_readability, reading_words

LAY = (
    "Sleep helps your body heal. Go to bed at the same time each night. Keep your room dark "
    "and cool. Do not drink coffee late in the day."
)
TECHNICAL = (
    "Orexinergic hyperactivation of monoaminergic neurotransmission constitutes a plausible "
    "pathophysiological substrate of chronic insomnia, notwithstanding considerable "
    "heterogeneity of polysomnographic characteristics across investigated populations."
)
LAY_ZH = "睡前不要喝咖啡。每天同一时间上床。房间要安静，光线要暗。白天多走动，晚上早点睡。"
TECHNICAL_ZH = (
    "慢性失眠的病理生理学基础被认为与下丘脑食欲素能神经元过度激活所致单胺能神经递质系统功能失衡"
    "以及γ-氨基丁酸（GABA）受体α1亚基表达下调和HPA轴皮质醇节律紊乱密切相关"
)


def test_a_lay_text_reads_easier_than_a_technical_one() -> None:
    lay, technical = measure_readability(LAY, "en"), measure_readability(TECHNICAL, "en")

    assert lay.score > 0.9
    assert technical.score < 0.1


def test_the_english_score_follows_from_its_stored_inputs() -> None:
    for text in (LAY, LAY + " " + TECHNICAL):
        result = measure_readability(text, "en")
        score = (
            64 - 95 * result.inputs["unfamiliar_share"] - 0.69 * result.inputs["words_per_sentence"]
        )
        assert result.measure == "new_dale_chall"
        assert result.inputs["dale_chall"] == pytest.approx(score, abs=0.02)
        assert result.score == pytest.approx(min(1.0, max(0.0, score / 64)), abs=0.001)


def test_a_word_is_familiar_in_all_its_forms() -> None:
    plain = "The boy walks. She is walking. They walked. We ate berries and apples. " * 2
    hard = plain.replace("apples", "dalteparin")

    assert measure_readability(plain, "en").inputs["unfamiliar_share"] == 0
    assert measure_readability(hard, "en").inputs["unfamiliar_share"] == pytest.approx(
        2 / 26, abs=1e-4
    )


def test_the_items_of_a_list_are_read_one_by_one() -> None:
    items = [
        "keep your room dark and cool",
        "go to bed at the same time",
        "eat a little less late at night",
    ]
    sentence = "You should " + " and ".join(items)
    marked = "You should - " + " - ".join(items)
    broken = "You should\n" + "\n".join(items)

    assert measure_readability(sentence, "en").inputs["words_per_sentence"] > 18
    assert measure_readability(marked, "en").inputs["words_per_sentence"] < 6
    assert measure_readability(broken, "en").inputs["words_per_sentence"] < 6


def test_a_chinese_lay_text_reads_easier_than_a_technical_one() -> None:
    lay, technical = measure_readability(LAY_ZH, "zh"), measure_readability(TECHNICAL_ZH, "zh")

    assert lay.score > 0.85
    assert technical.score < 0.4
    assert lay.measure == technical.measure == "zh_sentence_and_characters"
    assert technical.inputs["latin_share"] > lay.inputs["latin_share"] == 0


def test_rare_characters_make_a_chinese_text_harder() -> None:
    common = "医生说每天喝水对身体很好，大家都可以这样做。" * 2
    rare = common.replace("医生", "髑髅")

    assert (
        measure_readability(rare, "zh").inputs["rare_character_share"]
        > measure_readability(common, "zh").inputs["rare_character_share"]
        == 0
    )
    assert measure_readability(rare, "zh").score < measure_readability(common, "zh").score


def test_common_traditional_characters_are_not_rare() -> None:
    text = "睡覺前請不要喝咖啡，讓房間安靜，這樣會睡得比較好。"

    assert measure_readability(text, "zh").inputs["rare_character_share"] == 0


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Too short to judge.", "en"),
        ("12 | 30 | 7.5\n14 | 31 | 8.5\n" * 20, "en"),
        ("太短了。", "zh"),
        ("", "en"),
        ("", "zh"),
        ("ein deutscher Text " * 20, ""),
        ("日本語の文章です。" * 20, "ja"),
    ],
)
def test_what_cannot_be_judged_is_neutral(text: str, language: str) -> None:
    assert measure_readability(text, language).score == NEUTRAL


@given(st.text(max_size=300), st.sampled_from(["en", "zh"]))
def test_the_score_is_between_nothing_and_one(text: str, language: str) -> None:
    assert 0 <= measure_readability(text, language).score <= 1


def test_two_chinese_characters_are_as_much_to_read_as_a_word() -> None:
    assert reading_words("Sleep well, 8 hours.") == 3
    assert reading_words("怎样才能睡得更好？") == 4
    assert reading_words("") == 0
