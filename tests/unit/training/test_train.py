from __future__ import annotations

import pytest
import torch

from training.holdout import reciprocal_rank
from training.train import Plan, listwise_loss


def test_the_loss_falls_when_the_answer_s_logit_rises() -> None:
    cosines = torch.tensor([[0.4, 0.6, 0.1]])
    losses = [
        listwise_loss(torch.tensor([[logit, 0.0, 0.0]]), cosines).item() for logit in (-1, 0, 1, 2)
    ]
    assert losses == sorted(losses, reverse=True)


def test_among_wrong_passages_the_one_on_the_subject_should_stand_higher() -> None:
    cosines = torch.tensor([[0.5, 0.6, 0.0]])
    near_higher = listwise_loss(torch.tensor([[3.0, 0.5, -0.5]]), cosines)
    far_higher = listwise_loss(torch.tensor([[3.0, -0.5, 0.5]]), cosines)
    assert near_higher < far_higher


def test_a_network_that_knows_nothing_starts_from_the_bi_encoder_s_order() -> None:
    silent = torch.zeros(1, 3)
    right = listwise_loss(silent, torch.tensor([[0.9, 0.1, 0.1]]))
    wrong = listwise_loss(silent, torch.tensor([[0.1, 0.9, 0.1]]))
    assert right < wrong


def test_the_rate_rises_to_its_peak_and_ends_at_zero() -> None:
    plan = Plan(minutes=1, learning_rate=1e-4, warm_up=0.1)
    assert plan.rate_at(0) == 0
    assert plan.rate_at(0.05) == pytest.approx(5e-5)
    assert plan.rate_at(0.1) == pytest.approx(1e-4)
    assert plan.rate_at(0.55) == pytest.approx(5e-5)
    assert plan.rate_at(1.0) == plan.rate_at(1.2) == 0


@pytest.mark.parametrize(
    ("scores", "expected"), [([3, 2, 1], 1.0), ([2, 3, 1], 0.5), ([1, 1, 1], 1 / 3)]
)
def test_equal_scores_count_against_the_answer(scores: list[float], expected: float) -> None:
    assert reciprocal_rank(scores) == pytest.approx(expected)
