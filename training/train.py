"""Train the compact cross-encoder on top of what its bi-encoder already knows.

    python -m training.train DATA_DIR --output training/runs/v1 --minutes 60

Every checkpoint can be resumed: run the same command again. See training/README.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy, softmax

from training.holdout import held_out_lists, mean_reciprocal_ranks
from training.network import Runner, load_cross_encoder
from training.prepare import read_set
from training.sampling import Sampler, pool_of
from training.similarity import FrozenCosine

if TYPE_CHECKING:
    from torch import Tensor

    from training.holdout import HeldOutList

logger = logging.getLogger(__name__)

SHARES = {"squad_train": 0.42, "medquad_train": 0.23, "nq_qed_train": 0.35}
HELD_OUT_DOMAINS = ("selqa", "doc_headings")
"""Judged, never trained on: other articles, and another kind of text (technical documentation)."""

COSINE_WEIGHT = 8.0
SOFT_SHARE, SOFT_SHARPNESS = 0.2, 12.0
EVALUATED_PER_SET = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """A run's whole configuration, stored with its checkpoints."""

    minutes: float
    batch: int = 16
    learning_rate: float = 1e-4
    warm_up: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 20
    checkpoint_minutes: float = 5.0
    evaluate_every: int = 4
    """Checkpoints per evaluation."""

    def rate_at(self, share: float) -> float:
        """Learning rate after ``share`` in [0, 1] of the time: linear up, then linear to zero."""
        if share < self.warm_up:
            return self.learning_rate * share / self.warm_up
        return self.learning_rate * max(0.0, (1 - share) / (1 - self.warm_up))


def listwise_loss(logits: Tensor, cosines: Tensor) -> Tensor:
    """Softmax losses over lists whose first passage answers the question; both ``(lists, size)``.

    Half of it scores ``logit + 8 * cosine``: there the network need only learn what the bi-encoder
    lacks. The other half scores the logit alone, against a target of which a fifth is spread over
    the list as the bi-encoder would: so that the cross-encoder can also stand by itself and, among
    wrong passages, still tells one on the subject from one about something else.
    """
    first = torch.zeros(len(logits), dtype=torch.long)
    on_top = cross_entropy(logits + COSINE_WEIGHT * cosines, first)
    soft = SOFT_SHARE * softmax(SOFT_SHARPNESS * cosines, dim=1)
    soft[:, 0] += 1 - SOFT_SHARE
    return 0.5 * on_top + 0.5 * cross_entropy(logits, soft)


class Trainer:
    def __init__(self, data: Path, output: Path, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.output = plan, output
        output.mkdir(parents=True, exist_ok=True)
        sets = {name: read_set(data / name) for name in (*SHARES, *HELD_OUT_DOMAINS)}
        self.sampler = Sampler(list(sets.values()), SHARES, plan.seed)
        self.cosine = FrozenCosine()
        self.network = load_cross_encoder()
        # The network that runs holds bf16 copies of the fp32 weights that are updated: steps as
        # small as these would be lost in bf16, and running in bf16 is three times as fast.
        self.runner = Runner(copy.deepcopy(self.network).to(torch.bfloat16))
        self.lists: list[HeldOutList] = held_out_lists(
            list(sets.values()), self.cosine, per_set=EVALUATED_PER_SET, seed=plan.seed
        )
        matrices = [p for p in self.parameters() if p.ndim > 1]
        others = [p for p in self.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": plan.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=0.0,
        )
        self.step, self.elapsed, self.checkpoints = 0, 0.0, 0

    def parameters(self) -> list[Tensor]:
        return [p for p in self.network.parameters() if p.requires_grad]

    def copies(self) -> list[Tensor]:
        return [p for p in self.runner.network.parameters() if p.requires_grad]

    @property
    def state_file(self) -> Path:
        return self.output / "last.pt"

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        if not self.state_file.exists():
            return
        state: dict[str, Any] = torch.load(self.state_file, weights_only=False)
        self.network.load_state_dict(state["network"])
        self.runner.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.sampler.restore(state["sampler"])
        self.step, self.elapsed = state["step"], state["elapsed"]
        self.checkpoints = state["checkpoints"]
        logger.info("resumed at step %d, %.0f s", self.step, self.elapsed)

    def train_step(self) -> float:
        drafts = self.sampler.drafts(self.plan.batch)
        pool = pool_of(drafts)
        nearness = self.cosine.between([d.question for d in drafts], pool)
        lists = self.sampler.complete(drafts, nearness.tolist())
        column = {p.id: k for k, p in enumerate(pool)}
        columns = torch.tensor([[column[p.id] for p in item.passages] for item in lists])
        questions = [item.question for item in lists for _ in item.passages]
        logits = self.runner.scores(questions, [p.text for item in lists for p in item.passages])
        loss = listwise_loss(logits.view(columns.shape), nearness.gather(1, columns))
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate_at(self.elapsed / (60 * self.plan.minutes))
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter, running in zip(self.parameters(), self.copies(), strict=True):
            parameter.grad = None if running.grad is None else running.grad.float()
            running.grad = None
        torch.nn.utils.clip_grad_norm_(self.parameters(), self.plan.clip)
        self.optimizer.step()
        with torch.no_grad():
            for parameter, running in zip(self.parameters(), self.copies(), strict=True):
                running.copy_(parameter)
        self.step += 1
        return loss.item()

    def checkpoint(self, *, final: bool = False) -> None:
        self.checkpoints += 1
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "sampler": self.sampler.state(),
            "step": self.step,
            "elapsed": self.elapsed,
            "checkpoints": self.checkpoints,
        }
        # Written beside and renamed: a run killed while it writes keeps the checkpoint before.
        self.output.mkdir(parents=True, exist_ok=True)
        waiting = self.state_file.with_suffix(".writing")
        torch.save(state, waiting)
        waiting.rename(self.state_file)
        if final or self.checkpoints % self.plan.evaluate_every == 0:
            self.evaluate()

    def evaluate(self) -> None:
        """Log the held-out figures and keep these weights under the step's number."""
        figures = mean_reciprocal_ranks(self.runner, self.lists, cosine_weight=COSINE_WEIGHT)
        torch.save(self.network.state_dict(), self.output / f"step-{self.step:05d}.pt")
        record = {"step": self.step, "elapsed_s": round(self.elapsed), "mrr": figures}
        with (self.output / "held_out.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        logger.info("held out, step %d: %s", self.step, json.dumps(figures))

    def run(self) -> None:
        """Train until the time is used up. Time spent on judging checkpoints counts."""
        budget, last_saved = 60 * self.plan.minutes, self.elapsed
        losses: list[float] = []
        started = time.monotonic() - self.elapsed
        while self.elapsed < budget:
            losses.append(self.train_step())
            self.elapsed = time.monotonic() - started
            if self.step % 10 == 0:
                mean = sum(losses[-10:]) / len(losses[-10:])
                logger.info("step %d, %.0f s, loss %.4f", self.step, self.elapsed, mean)
            if self.elapsed - last_saved > 60 * self.plan.checkpoint_minutes:
                last_saved = self.elapsed
                self.checkpoint()
        self.checkpoint(final=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with squad_train/, medquad_train/, ...")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    trainer = Trainer(arguments.data, arguments.output, Plan(minutes=arguments.minutes))
    trainer.resume()
    trainer.run()


if __name__ == "__main__":
    main()
