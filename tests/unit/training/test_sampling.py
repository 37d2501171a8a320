from __future__ import annotations

from collections import Counter

import pytest

from training.sampling import LIST_SIZE, MinedQuestion, MinedSet, Sampler


def mined_set(name: str, groups: int, language: str = "en") -> MinedSet:
    """Each subject has six passages: an answer, a doubtful one, three others, one not recalled."""
    found = MinedSet(name, language, [], [])
    for group in (f"{name} {n}" for n in range(groups)):
        first = len(found.texts)
        found.texts.extend(f"{group}/{k}" for k in range(6))
        found.groups.extend([group] * 6)
        found.training.append(
            MinedQuestion(
                question=f"{group}?",
                group=group,
                candidates=tuple(first + k for k in (1, 2, 3, 4, 0)),
                recalled=4,
                cosine=(0.9, 0.8, 0.7, 0.6, 0.5) if language == "en" else None,
                lexical=(0.4, 0.3, 0.2, 0.1, 0.05),
                answers=frozenset({first}),
                doubtful=frozenset({first + 1}),
            )
        )
    return found


def sampler(seed: int = 1) -> Sampler:
    sets = [mined_set("big", 60), mined_set("small", 6, "zh")]
    return Sampler(sets, {"big.en": 0.5, "small.zh": 0.5}, seed)


def test_sets_get_their_share_whatever_their_size() -> None:
    drawn = Counter(item.question.split()[0] for item in sampler().draw(1_000))
    assert drawn["small"] == pytest.approx(500, abs=60)


def test_a_set_without_a_share_is_never_drawn() -> None:
    source = Sampler([mined_set("a", 5), mined_set("b", 5)], {"a.en": 1.0}, seed=1)
    assert {item.question.split()[0] for item in source.draw(50)} == {"a"}


def test_a_list_holds_the_answer_first_then_what_was_confused_with_it_then_others() -> None:
    for item in sampler().draw(50):
        group = item.question.removesuffix("?")
        assert item.passages[0] == f"{group}/0"
        assert {p.split("/")[0] for p in item.passages[1:4]} == {group}
        assert group not in {p.split("/")[0] for p in item.passages[4:]}
        assert len(set(item.passages)) == LIST_SIZE


def test_a_doubtful_passage_is_never_a_negative() -> None:
    for item in sampler().draw(100):
        assert f"{item.question.removesuffix('?')}/1" not in item.passages


def test_scores_stand_beside_their_passages_and_are_low_for_those_from_afar() -> None:
    item = Sampler([mined_set("only", 9)], {"only.en": 1.0}, seed=2).draw(1)[0]
    assert item.cosine[0] == 0.5
    assert max(item.cosine[4:]) < min(item.cosine[:4])
    assert item.lexical[4:] == (0.0, 0.0)


def test_a_language_that_the_bi_encoder_does_not_read_has_no_cosines() -> None:
    item = Sampler([mined_set("only", 9, "zh")], {"only.zh": 1.0}, seed=2).draw(1)[0]
    assert item.cosine == (0.0,) * LIST_SIZE
    assert item.language == "zh"


def test_no_question_comes_twice_before_all_have_come_once() -> None:
    source = Sampler([mined_set("only", 12)], {"only.en": 1.0}, seed=3)
    assert len({item.question for item in source.draw(12)}) == 12


def test_the_same_seed_gives_the_same_stream_and_a_state_goes_on_with_it() -> None:
    first, second = sampler(5), sampler(5)
    first.draw(10)
    second.draw(10)
    state = first.state()
    expected = first.draw(20)
    other = sampler(99)
    other.restore(state)
    assert second.draw(20) == expected
    assert other.draw(20) == expected


def test_lists_come_in_other_forms_only_where_that_is_asked_for() -> None:
    shares = {"big.en": 1.0}
    as_they_are = Sampler([mined_set("big", 60)], shares, seed=1).draw(60)
    varied = Sampler([mined_set("big", 60)], shares, seed=1, varied=True).draw(60)
    assert all(item.question.endswith("?") for item in as_they_are)
    assert not all(item.question.endswith("?") for item in varied)
