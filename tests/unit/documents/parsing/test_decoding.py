from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.parsing.base import ParseError
from documents.parsing.decoding import decode

CHINESE = "睡眠是人的基本需要，我们在晚上要有七到八个小时的睡眠。不要在睡前喝咖啡。"
TRADITIONAL = "睡眠是人的基本需要，我們在晚上要有七到八個小時的睡眠。不要在睡前喝咖啡。"
JAPANESE = "睡眠は健康のためにとても大切です。寝る前にコーヒーを飲まないでください。"
RUSSIAN = "Сон очень важен для здоровья. Не пейте кофе перед сном, это мешает."
POLISH = "Sen jest bardzo ważny dla zdrowia. Nie pij kawy przed snem, żeby nie spać źle."
FRENCH = "Le sommeil réparateur est nécessaire à la santé de l'être humain, dès la naissance."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "utf-8"),
        (CHINESE, "utf-8-sig"),
        (CHINESE, "utf-16"),
        (CHINESE, "utf-16-le"),
        (CHINESE, "utf-32"),
        (CHINESE, "gb18030"),
        (TRADITIONAL, "big5"),
        (FRENCH, "cp1252"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        ("名前,年齢,住所\n佐藤太郎,30,東京\n三木英子,25,大阪\n", "cp932"),
        ("睡眠指南", "gb18030"),
        ("姓名,年齡,住址\n張三,30,臺北\n李四,25,高雄\n", "big5"),
        ("The term 睡眠 means sleep, and English goes on.", "gb18030"),
        ("수면은 건강에 매우 중요합니다.", "cp949"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (RUSSIAN, "cp866"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859_2"),
        ("Tous les êtres humains naissent libres.", "cp1252"),
        ("¿Cuánto sueño necesita un niño?", "cp1252"),
        ("Plain words in a row.", "utf-16-be"),
        ("Plain words in a row.", "ascii"),
    ],
)
def test_common_encodings_are_told_without_a_declaration(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declared_encoding_goes_before_guessing() -> None:
    assert decode("żółć".encode("iso-8859-2"), "iso-8859-2") == "żółć"


@pytest.mark.parametrize("declared", ["utf-8", "no-such-encoding", "base64", "hex"])
def test_a_wrong_declaration_is_ignored(declared: str) -> None:
    assert decode(CHINESE.encode("gb18030"), declared) == CHINESE


def test_a_cut_last_character_does_not_change_the_encoding() -> None:
    data = CHINESE.encode()[:-1]

    assert decode(data)[:-1] == CHINESE[:-1]


def test_lone_surrogates_pass_to_be_cleaned_later() -> None:
    assert decode(b"a \xed\xa0\x80 b") == "a \ud800 b"


@pytest.mark.parametrize("data", [b"", b" \n\t", b"\x00\x00"])
def test_nothing_but_space_is_empty(data: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        decode(data)

    assert caught.value.code == "empty"


def test_binary_data_is_mislabelled() -> None:
    with pytest.raises(ParseError) as caught:
        decode(bytes(range(256)) * 20)

    assert caught.value.code == "mislabelled"


@given(st.text(min_size=1).filter(lambda text: text.isprintable() and text.strip()))
def test_utf8_is_always_read_back(text: str) -> None:
    assert decode(text.encode()) == text
