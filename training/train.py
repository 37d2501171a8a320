"""Train the compact cross-encoder on lists that the product's own recall made.

    python -m training.train training/runs/mined --output training/runs/v2 --minutes 60

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

from training.characters import characters_of, company_vectors, first_rows
from training.holdout import FIRST_STAGE, held_out_figures, held_out_questions
from training.network import Runner, base_rows, base_words, load_cross_encoder
from training.sampling import LIST_SIZE, Sampler, read_mined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from training.pair_scorer import PairScorer
    from training.sampling import MinedSet, TrainingList

logger = logging.getLogger(__name__)

MIXES = {
    "first": {
        "squad_train.en": 0.30,
        "nq_qed_train.en": 0.16,
        "medquad_train.en": 0.15,
        "doc_headings.en": 0.06,
        "cmrc_train.zh": 0.19,
        "drcd_dev.zh": 0.08,
        "csl_title_abstract.zh": 0.02,
    },
    "chinese": {
        "squad_train.en": 0.18,
        "nq_qed_train.en": 0.12,
        "medquad_train.en": 0.10,
        "doc_headings.en": 0.06,
        "cmrc_train.zh": 0.28,
        "drcd_dev.zh": 0.15,
        "doc_headings.zh": 0.11,
    },
    "even": {
        "squad_train.en": 0.19,
        "nq_qed_train.en": 0.13,
        "medquad_train.en": 0.10,
        "doc_headings.en": 0.08,
        "cmrc_train.zh": 0.22,
        "drcd_dev.zh": 0.13,
        "doc_headings.zh": 0.10,
        "csl_title_abstract.zh": 0.05,
    },
}
"""Shares of the lists for each round, however large a set is. SelQA is only judged."""

SOFT_SHARE, SOFT_SHARPNESS = 0.1, 12.0
"""How much of the target is spread over the list as the bi-encoder would, where it can read it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A run's whole configuration, stored with its checkpoints."""

    minutes: float
    mix: str = "first"
    varied: bool = False
    """Whether some lists come in the other forms of ``training.variation``."""
    batch: int = 16
    learning_rate: float = 1e-4
    row_rate: float = 10.0
    """Rate of the rows of new characters, which start from little, as a multiple."""
    warm_up: float = 0.05
    weight_decay: float = 0.01
    clip: float = 1.0
    apart: int = 2
    seed: int = 21
    checkpoint_minutes: float = 5.0
    evaluate_every: int = 5
    """Checkpoints per evaluation."""
    evaluated_per_set: int = 12

    def rate_at(self, share: float) -> float:
        """Share of the peak rate after ``share`` of the time: linear up, then linear to zero."""
        if share < self.warm_up:
            return share / self.warm_up
        return max(0.0, (1 - share) / (1 - self.warm_up))


def listwise_loss(logits: Tensor, first_stage: Tensor, target: Tensor) -> Tensor:
    """Softmax losses over lists whose first passage answers the question; all ``(lists, size)``.

    Half of it scores the logit with what the first stage says: there the network need only learn
    what recall lacks. The other half scores the logit alone against ``target``, so that it can
    also stand by itself and, among wrong passages, still tells one on the subject from another.
    """
    first = torch.zeros(len(logits), dtype=torch.long)
    return 0.5 * cross_entropy(logits + first_stage, first) + 0.5 * cross_entropy(logits, target)


def first_stage_of(lists: Sequence[TrainingList]) -> Tensor:
    """What cosine and BM25 share say of each passage, weighed as ``FIRST_STAGE``."""
    rows = []
    for item in lists:
        of_cosine, of_lexical = FIRST_STAGE[item.language]
        rows.append(
            [of_cosine * c + of_lexical * x for c, x in zip(item.cosine, item.lexical, strict=True)]
        )
    return torch.tensor(rows)


def target_of(lists: Sequence[TrainingList]) -> Tensor:
    """The answer's 1, of which the bi-encoder spreads a share over what it finds near."""
    soft = SOFT_SHARE * softmax(SOFT_SHARPNESS * torch.tensor([x.cosine for x in lists]), dim=1)
    soft *= torch.tensor([[1.0 if item.language == "en" else 0.0] for item in lists])
    soft[:, 0] += 1 - soft.sum(1)
    return soft


def new_characters(sets: Sequence[MinedSet]) -> tuple[list[str], Tensor]:
    """The characters that the training texts need and the base lacks, with their first rows."""
    words = base_words()
    texts = [t for s in sets if s.language == "zh" for t in s.texts]
    texts += [q.question for s in sets if s.language == "zh" for q in s.training]
    characters = characters_of(texts, set(words))
    chinese = [words[word] for word in words if len(word) == 1 and "\u4e00" <= word <= "\u9fff"]
    vectors = company_vectors(texts, characters)
    rows = first_rows(vectors, base_rows()[sorted(chinese)].numpy(), seed=20)
    return characters, torch.from_numpy(rows)


class Trainer:
    """One round. It begins with ``start``, a checkpoint of an earlier round, else with the base."""

    def __init__(self, mined: Path, output: Path, plan: Plan, start: Path | None = None) -> None:
        torch.manual_seed(plan.seed)
        self.plan, self.output = plan, output
        output.mkdir(parents=True, exist_ok=True)
        sets = [read_mined(path) for path in sorted(mined.glob("*.jsonl.gz"))]
        self.sampler = Sampler(sets, MIXES[plan.mix], plan.seed, varied=plan.varied)
        self.characters, self.network = self._begin(sets, start)
        # The network that runs holds bf16 copies of the fp32 weights that are updated: steps as
        # small as these would be lost in bf16, and running in bf16 is three times as fast.
        self.runner = Runner(copy.deepcopy(self.network).to(torch.bfloat16), self.characters)
        self.questions = held_out_questions(sets, per_set=plan.evaluated_per_set, seed=plan.seed)
        named = [(n, p) for n, p in self.network.named_parameters() if p.requires_grad]
        added = [p for n, p in named if n.startswith("added")]
        matrices = [p for n, p in named if p.ndim > 1 and not n.startswith("added")]
        others = [p for n, p in named if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": plan.weight_decay, "factor": 1.0},
                {"params": others, "weight_decay": 0.0, "factor": 1.0},
                {"params": added, "weight_decay": 0.0, "factor": plan.row_rate},
            ],
            lr=0.0,
        )
        self.step, self.elapsed, self.checkpoints = 0, 0.0, 0

    def _begin(self, sets: Sequence[MinedSet], start: Path | None) -> tuple[list[str], PairScorer]:
        """The characters, once for a run (a resumed one keeps its own), and the first network."""
        if start is not None:
            stored = torch.load(start, weights_only=True)
            characters: list[str] = stored["characters"]
            network = load_cross_encoder(characters, None, stored["apart"])
            network.load_state_dict(stored["network"])
            return characters, network
        path = self.output / "characters.json"
        characters, rows = new_characters(sets)
        if path.exists() and json.loads(path.read_text(encoding="utf-8")) != characters:
            raise SystemExit(f"{path} is of other data: choose another output folder")
        path.write_text(json.dumps(characters, ensure_ascii=False), encoding="utf-8")
        return characters, load_cross_encoder(characters, rows, self.plan.apart)

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
        lists = self.sampler.draw(self.plan.batch)
        questions = [item.question for item in lists for _ in item.passages]
        logits = self.runner.scores(questions, [text for item in lists for text in item.passages])
        loss = listwise_loss(
            logits.view(len(lists), LIST_SIZE), first_stage_of(lists), target_of(lists)
        )
        for group in self.optimizer.param_groups:
            share = self.plan.rate_at(self.elapsed / (60 * self.plan.minutes))
            group["lr"] = self.plan.learning_rate * group["factor"] * share
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
        figures = held_out_figures(self.runner, self.questions)
        weights = {
            "network": self.network.state_dict(),
            "characters": self.characters,
            "apart": self.network.shape.apart,
        }
        torch.save(weights, self.output / f"step-{self.step:05d}.pt")
        record = {"step": self.step, "elapsed_s": round(self.elapsed), "ndcg@10": figures}
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
    parser.add_argument("mined", type=Path, help="what training.mining wrote")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--start", type=Path, help="a checkpoint of an earlier round")
    parser.add_argument("--mix", choices=sorted(MIXES), default="first")
    parser.add_argument("--varied", action="store_true", help="lists in other forms as well")
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    plan = Plan(
        arguments.minutes,
        mix=arguments.mix,
        varied=arguments.varied,
        learning_rate=arguments.rate,
        seed=arguments.seed,
    )
    trainer = Trainer(arguments.mined, arguments.output, plan, arguments.start)
    trainer.resume()
    trainer.run()


if __name__ == "__main__":
    main()
