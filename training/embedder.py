"""A trial: does the bi-encoder read Chinese well enough once it has the characters?

    python -m training.embedder training/runs/mined --minutes 10

Only the rows of the new characters are trained, contrastively with the other passages of the
batch as negatives, so what the embedder makes of English is unchanged to the bit. Prints nDCG@10 of
dense, lexical and fused recall on held-out questions over all chunks of one set. It is worth
shipping as an embedding space only if fused beats lexical: see ``training/README.md``.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from qa.fusion import reciprocal_rank_fusion
from qa.metrics import ndcg_at_k
from training.lexical import LexicalIndex
from training.mining import LEG_LIMIT, top
from training.network import Runner, load_cross_encoder
from training.sampling import read_mined
from training.train import new_characters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from training.sampling import MinedSet

logger = logging.getLogger(__name__)

TRAINED = ("cmrc_train.zh", "drcd_dev.zh")
JUDGED = "drcd_dev.zh"
BATCH = 24
SHARPNESS = 20.0
RATE = 2e-3
PASSAGE_TOKENS = 128
JUDGED_QUESTIONS = 150


def contrastive_loss(questions: Tensor, passages: Tensor) -> Tensor:
    """Softmax loss of each question's own passage against the batch's; unit vectors ``(n, d)``."""
    logits = SHARPNESS * questions @ passages.T
    return cross_entropy(logits, torch.arange(len(questions)))


def train(runner: Runner, sets: Sequence[MinedSet], minutes: float, seed: int) -> int:
    """Train the rows of new characters for ``minutes``; the number of steps taken."""
    chance = random.Random(seed)
    rows = runner.network.added.weight
    for parameter in runner.network.parameters():
        parameter.requires_grad = parameter is rows
    optimizer = torch.optim.Adam([rows], lr=RATE)
    end, steps = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        source = chance.choice(sets)
        drawn = chance.sample(source.training, BATCH)
        positives = [source.texts[chance.choice(sorted(q.answers))] for q in drawn]
        questions = runner.vectors([q.question for q in drawn], PASSAGE_TOKENS)
        loss = contrastive_loss(questions, runner.vectors(positives, PASSAGE_TOKENS))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        steps += 1
        if steps % 20 == 0:
            logger.info("step %d, loss %.3f", steps, loss.item())
    return steps


@torch.no_grad()
def judge(runner: Runner, source: MinedSet) -> Mapping[str, float]:
    """nDCG@10 of held-out questions over every chunk of the set."""
    vectors = runner.vectors(source.texts, PASSAGE_TOKENS).numpy()
    lexical = LexicalIndex(source.texts)
    found: dict[str, list[float]] = {"dense": [], "lexical": [], "fused": []}
    for question in source.held_out[:JUDGED_QUESTIONS]:
        asked = runner.vectors([question.question], PASSAGE_TOKENS)[0].numpy()
        legs: list[NDArray[np.float64]] = [vectors @ asked, lexical.shares(question.question)]
        dense, words = (top(scores, LEG_LIMIT) for scores in legs)
        fused = [k for k, _ in reciprocal_rank_fusion([dense, words])]
        grades = dict.fromkeys(question.answers, 1.0)
        for name, order in (("dense", dense), ("lexical", words), ("fused", fused)):
            found[name].append(ndcg_at_k(order, grades))
    return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mined", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.manual_seed(arguments.seed)
    sets = [read_mined(path) for path in sorted(arguments.mined.glob("*.zh.jsonl.gz"))]
    characters, rows = new_characters(sets)
    network = load_cross_encoder(characters, rows, 0)
    runner = Runner(network, characters)
    trained = [s for s in sets if s.key in TRAINED]
    steps = train(runner, trained, arguments.minutes, arguments.seed)
    figures = judge(runner, next(s for s in sets if s.key == JUDGED))
    sys.stdout.write(json.dumps({"steps": steps, "ndcg@10": figures}) + "\n")


if __name__ == "__main__":
    main()
