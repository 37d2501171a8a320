from __future__ import annotations

from collections import Counter

import pytest

from training.prepare import Pair, PairSet, Passage
from training.sampling import FAR_NEGATIVES, HARD_NEGATIVES, Draft, Sampler, pool_of


def pair_set(name: str, groups: int) -> PairSet:
    """``groups`` subjects of five passages; one question about the first of each."""
    found = PairSet(name, {})
    for group in (f"{name} {n}" for n in range(groups)):
        ids = [f"{group}/{k}" for k in range(5)]
        found.passages.update({i: Passage(i, group, i) for i in ids})
        found.training.append(Pair(f"{group}?", group, ids[0], tuple(ids[1:])))
    return found


def sampler(seed: int = 1) -> Sampler:
    return Sampler([pair_set("big", 60), pair_set("small", 6)], {"big": 0.5, "small": 0.5}, seed)


def nearness_of(drafts: list[Draft]) -> list[list[float]]:
    return [[float(k) for k in range(len(pool_of(drafts)))] for _ in drafts]


def test_sets_get_their_share_whatever_their_size() -> None:
    drawn = Counter(d.group.split()[0] for d in sampler().drafts(1_000))
    assert drawn["small"] == pytest.approx(500, abs=60)


def test_a_list_holds_the_positive_first_then_hard_then_far_negatives() -> None:
    source = sampler()
    drafts = source.drafts(8)
    for item, draft in zip(source.complete(drafts, nearness_of(drafts)), drafts, strict=True):
        groups = [p.group for p in item.passages]
        assert item.passages[0].id == f"{draft.group}/0"
        assert groups[: 1 + HARD_NEGATIVES] == [draft.group] * (1 + HARD_NEGATIVES)
        assert len(groups) == 1 + HARD_NEGATIVES + FAR_NEGATIVES
        assert draft.group not in groups[1 + HARD_NEGATIVES :]
        assert len({p.id for p in item.passages}) == len(item.passages)


def test_the_nearest_passage_of_another_subject_is_among_the_negatives() -> None:
    source = sampler()
    drafts = source.drafts(8)
    pool = pool_of(drafts)
    for item in source.complete(drafts, nearness_of(drafts)):
        others = [p for p in pool if p.group != item.passages[0].group]
        assert others[-1] in item.passages


def test_no_question_comes_twice_before_all_have_come_once() -> None:
    source = Sampler([pair_set("only", 12)], {"only": 1.0}, seed=3)
    assert len({draft.question for draft in source.drafts(12)}) == 12


def test_the_same_seed_gives_the_same_stream_and_a_state_goes_on_with_it() -> None:
    first, second = sampler(5), sampler(5)
    first.drafts(10)
    second.drafts(10)
    state = first.state()
    expected = first.drafts(20)
    other = sampler(99)
    other.restore(state)
    assert second.drafts(20) == expected
    assert other.drafts(20) == expected
