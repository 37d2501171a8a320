from __future__ import annotations

import numpy as np

from training.characters import characters_of, company_vectors, first_rows

# Two of each kind keep the same company: 猫 and 狗 with 吃, 红 and 蓝 with 色.
TEXTS = ["猫吃鱼。狗吃鱼。", "红色花。蓝色花。"] * 30


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_only_what_the_base_lacks_and_the_texts_use_often_enough_is_added() -> None:
    assert characters_of(["睡眠abc", "睡。 好"], {"。"}) == ["睡"]
    assert characters_of(["睡眠", "好"], set(), at_least=1) == sorted("睡眠好")


def test_characters_in_the_same_company_start_alike() -> None:
    characters = sorted("猫狗红蓝吃色")
    vectors = dict(zip(characters, company_vectors(TEXTS, characters, dimensions=3), strict=True))
    assert cosine(vectors["猫"], vectors["狗"]) > cosine(vectors["猫"], vectors["红"])


def test_a_traditional_character_starts_where_its_simplified_form_does() -> None:
    characters = sorted("鱼魚狗红")
    vectors = company_vectors(TEXTS, characters, dimensions=2)
    places = {c: k for k, c in enumerate(characters)}
    assert np.array_equal(vectors[places["鱼"]], vectors[places["魚"]])


def test_first_rows_join_the_rows_they_stand_beside_in_place_and_size() -> None:
    chance = np.random.default_rng(1)
    like = (3 + chance.standard_normal((50, 16))).astype(np.float32)
    rows = first_rows(chance.standard_normal((40, 4)).astype(np.float32), like, seed=2)
    assert rows.shape == (40, 16)
    expected = np.linalg.norm(like - like.mean(0), axis=1).mean()
    assert np.allclose(np.linalg.norm(rows - like.mean(0), axis=1), expected, rtol=1e-3)


def test_first_rows_tell_even_twins_apart() -> None:
    like = np.random.default_rng(1).standard_normal((9, 16)).astype(np.float32)
    one, two = first_rows(np.ones((2, 4), np.float32), like, seed=2)
    assert not np.allclose(one, two)
