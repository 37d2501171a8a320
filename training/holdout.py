"""How good a checkpoint is, on groups and domains it never saw. ``eval/`` sets are never used."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import torch

from qa.metrics import ndcg_at_k

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from training.network import Runner
    from training.sampling import MinedQuestion, MinedSet

FIRST_STAGE = {"en": (4.0, 2.0), "zh": (0.0, 10.0)}
"""Per language: what the cosine and the BM25 share weigh beside the logit (also in the loss)."""


def held_out_questions(
    sets: Sequence[MinedSet], *, per_set: int, seed: int
) -> list[tuple[MinedSet, MinedQuestion]]:
    """``per_set`` held-out questions of each set whose answer was recalled."""
    chance = random.Random(seed)
    chosen: list[tuple[MinedSet, MinedQuestion]] = []
    for source in sets:
        usable = [q for q in source.held_out if q.answers & set(q.candidates[: q.recalled])]
        chance.shuffle(usable)
        chosen += [(source, question) for question in usable[:per_set]]
    return chosen


def ndcg_of(question: MinedQuestion, scores: Sequence[float]) -> float:
    """nDCG@10 of the recalled candidates by ``scores``; doubtful ones are left out."""
    judged = [
        (score, k)
        for score, k in zip(scores, question.candidates[: question.recalled], strict=True)
        if k not in question.doubtful
    ]
    order = [k for _, k in sorted(judged, key=lambda pair: -pair[0])]
    return ndcg_at_k(order, dict.fromkeys(question.answers, 1.0))


@torch.no_grad()
def held_out_figures(
    runner: Runner, questions: Sequence[tuple[MinedSet, MinedQuestion]]
) -> Mapping[str, Mapping[str, float]]:
    """nDCG@10 per set and over all of four orders: fused, lexical, the logit alone, and the logit
    with what the first stage says (``FIRST_STAGE``)."""
    runner.network.eval()
    found: dict[str, dict[str, list[float]]] = {}
    for source, question in questions:
        recalled = question.candidates[: question.recalled]
        texts = [source.texts[k] for k in recalled]
        logits = np.array(runner.scores([question.question] * len(texts), texts).tolist())
        lexical = np.array(question.lexical[: len(texts)])
        cosine = np.array((question.cosine or (0.0,) * len(question.lexical))[: len(texts)])
        of_cosine, of_lexical = FIRST_STAGE[source.language]
        orders = {
            "fused": -np.arange(len(texts)),
            "lexical": lexical,
            "logit": logits,
            "both": logits + of_cosine * cosine + of_lexical * lexical,
        }
        for order, scores in orders.items():
            values = found.setdefault(source.key, {}).setdefault(order, [])
            values.append(ndcg_of(question, scores.tolist()))
    runner.network.train()
    means = {
        key: {order: round(float(np.mean(values)), 4) for order, values in orders.items()}
        for key, orders in found.items()
    }
    means["mean"] = {
        order: round(float(np.mean([of_set[order] for of_set in means.values()])), 4)
        for order in ("fused", "lexical", "logit", "both")
    }
    return means
