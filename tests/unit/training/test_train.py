from __future__ import annotations

import pytest
import torch

from training.sampling import TrainingList
from training.train import Plan, first_stage_of, listwise_loss, target_of


def training_list(
    language: str = "en", cosine: tuple[float, ...] = (0.5, 0.7, 0.1)
) -> TrainingList:
    return TrainingList("q", ("a", "b", "c"), cosine, (0.3, 0.2, 0.0), language)


def loss(logits: list[float], first_stage: list[float]) -> float:
    target = torch.tensor([[1.0] + [0.0] * (len(logits) - 1)])
    return listwise_loss(torch.tensor([logits]), torch.tensor([first_stage]), target).item()


def test_the_loss_falls_when_the_answer_s_logit_rises() -> None:
    losses = [loss([logit, 0.0, 0.0], [0.4, 0.6, 0.1]) for logit in (-1.0, 0.0, 1.0, 2.0)]
    assert losses == sorted(losses, reverse=True)


def test_a_network_that_knows_nothing_starts_from_what_recall_says() -> None:
    assert loss([0.0, 0.0], [0.9, 0.1]) < loss([0.0, 0.0], [0.1, 0.9])


def test_english_lists_weigh_the_cosine_and_chinese_ones_the_words_alone() -> None:
    english, chinese = first_stage_of([training_list(), training_list("zh", (0.0,) * 3)]).tolist()
    assert english[1] - english[2] > 0.6
    assert chinese == pytest.approx([10 * 0.3, 10 * 0.2, 0.0])


def test_a_target_gives_most_to_the_answer_and_a_little_to_what_is_near() -> None:
    [target] = target_of([training_list()]).tolist()
    assert sum(target) == pytest.approx(1.0)
    assert target[0] > 0.9
    assert target[1] > target[2]


def test_where_nothing_tells_what_is_near_the_answer_gets_all() -> None:
    assert target_of([training_list("zh", (0.0,) * 3)]).tolist() == [[1.0, 0.0, 0.0]]


def test_the_rate_rises_to_its_peak_and_ends_at_zero() -> None:
    plan = Plan(minutes=1, warm_up=0.1)
    assert plan.rate_at(0) == 0
    assert plan.rate_at(0.05) == pytest.approx(0.5)
    assert plan.rate_at(0.1) == pytest.approx(1.0)
    assert plan.rate_at(0.55) == pytest.approx(0.5)
    assert plan.rate_at(1.0) == plan.rate_at(1.2) == 0
