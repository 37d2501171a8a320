from __future__ import annotations

import pytest
import torch

from training.holdout import held_out_figures, held_out_questions, ndcg_of
from training.sampling import MinedQuestion, MinedSet


def question(answers: set[int], doubtful: set[int] = frozenset()) -> MinedQuestion:  # type: ignore[assignment]
    return MinedQuestion(
        "q",
        "g",
        (0, 1, 2),
        3,
        (0.1, 0.2, 0.9),
        (0.3, 0.2, 0.1),
        frozenset(answers),
        frozenset(doubtful),
    )


class SaysByText:
    """A runner whose network gives each passage the number that it is."""

    network = torch.nn.Identity()

    def scores(self, questions: list[str], passages: list[str]) -> torch.Tensor:
        return torch.tensor([float(text) for text in passages])


def test_the_answer_on_top_is_a_perfect_order() -> None:
    assert ndcg_of(question({1}), [0.1, 0.9, 0.3]) == 1.0
    assert ndcg_of(question({1}), [0.9, 0.5, 0.3]) < 1.0


def test_a_doubtful_passage_above_the_answer_costs_nothing() -> None:
    assert ndcg_of(question({1}, {0}), [0.9, 0.5, 0.3]) == 1.0


def test_questions_whose_answer_was_not_recalled_are_not_judged() -> None:
    source = MinedSet("any", "en", ["0", "1", "2"], ["g"] * 3)
    source.held_out.extend([question({1}), question({7})])
    assert held_out_questions([source], per_set=5, seed=1) == [(source, source.held_out[0])]


def test_figures_compare_the_logit_with_recall_and_with_both() -> None:
    source = MinedSet("any", "en", ["0", "1", "2"], ["g"] * 3)
    source.held_out.append(question({2}))
    found = held_out_figures(SaysByText(), [(source, source.held_out[0])])  # type: ignore[arg-type]
    assert found["any.en"]["logit"] == found["any.en"]["both"] == 1.0
    assert found["any.en"]["fused"] == pytest.approx(0.5)
    assert found["mean"] == found["any.en"]
