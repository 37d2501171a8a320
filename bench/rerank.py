"""How fast the bundled reranker answers, beside the library it could be run by.

    python -m bench.rerank EVAL/squad_dev EVAL/medquad_heldout --questions 200 \
        --markdown docs/benchmarks.md

The whole task is timed: question and passages as text in, one score for each out. The engines take
turns at each question, so that what else the machine does strikes all of them.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.library import BATCH, bundled_encoder, named_encoder, predictor
from bench.pages import write_part, yes
from bench.questions import Candidates, draw
from inference.lanes import Lanes
from inference.local import LocalReranker
from qa.origins import commit_of, machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from inference.pairs import PairModel

    Score = Callable[[str, Sequence[str]], Sequence[float]]

ROOT = Path(__file__).resolve().parents[1]
FP32, BF16, OURS = "library, fp32", "library, bf16", "ours"
PEOPLE = 10
NO_LIMIT_S = 3_600.0
TARGET, SAME_NDCG, WORTH_SHARING = 3.0, 0.003, 1.3


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """One engine over all questions."""

    name: str
    median_ms: float
    slowest_ms: float
    total_s: float
    times_as_fast: float
    """Of the first engine's total."""
    ndcg: float
    largest_difference: float
    """Of a score from the first engine's."""


@dataclass(frozen=True, slots=True)
class SharingFigures:
    """Ten people at once, each with a question: batches of their own, and batches shared."""

    rounds: int
    own_s: float
    shared_s: float


def compare(
    engines: Mapping[str, Score],
    questions: Sequence[Candidates],
    *,
    warm_up: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> list[EngineFigures]:
    """All engines at each question in turn; the first ``warm_up`` are asked once more before."""
    for item in questions[:warm_up]:
        for score in engines.values():
            score(item.question, item.passages)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    scores: dict[str, list[list[float]]] = {name: [] for name in engines}
    for item in questions:
        for name, score in engines.items():
            began = clock()
            found = score(item.question, item.passages)
            seconds[name].append(clock() - began)
            scores[name].append([float(each) for each in found])
    first = next(iter(engines))
    return [
        EngineFigures(
            name=name,
            median_ms=float(np.median(seconds[name])) * 1000,
            slowest_ms=max(seconds[name]) * 1000,
            total_s=sum(seconds[name]),
            times_as_fast=sum(seconds[first]) / sum(seconds[name]),
            ndcg=float(np.mean([q.ndcg(s) for q, s in zip(questions, scores[name], strict=True)])),
            largest_difference=max(
                abs(a - b)
                for ours, theirs in zip(scores[name], scores[first], strict=True)
                for a, b in zip(ours, theirs, strict=True)
            ),
        )
        for name in engines
    ]


def share(
    model: PairModel[Any],
    questions: Sequence[Candidates],
    token_budget: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> SharingFigures:
    """What ten people who ask at once would gain if their passages shared batches.

    ``own_s`` is until all ten have their scores from the product's own queue; ``shared_s`` the
    same when the pairs of all ten are put into batches together.
    """
    reranker = LocalReranker("bundled", load=lambda: model, batch_tokens=token_budget)
    lanes = Lanes("shared", model.lanes, most_requests=1, begin=model.begin)
    reranker.warm_up()
    rounds = len(questions) // PEOPLE
    own = shared = 0.0
    for number in range(rounds):
        asked = questions[number * PEOPLE : (number + 1) * PEOPLE]
        people = [
            threading.Thread(
                target=reranker.score,
                args=(item.question, item.passages),
                kwargs={"time_limit_s": NO_LIMIT_S},
            )
            for item in asked
        ]
        began = clock()
        for each in people:
            each.start()
        for each in people:
            each.join()
        own += clock() - began
        began = clock()
        pairs = [pair for item in asked for pair in model.read(item.question, item.passages)]
        batches = [[pairs[i] for i in batch] for batch in model.batches(pairs, token_budget)]
        lanes.run(
            [partial(model.run, batch) for batch in batches],
            time.monotonic() + NO_LIMIT_S,
        )
        shared += clock() - began
    return SharingFigures(rounds, own, shared)


def markdown(result: Mapping[str, Any], command: str) -> str:
    """The part of the page that tells a result, as ``main`` makes it."""
    extensions = ", ".join(result["instructions"]) or "no known extensions"
    lines = [
        f"## The reranker: {result['model']}",
        "",
        "```",
        command,
        "```",
        "",
        f"Commit {result['commit']}; {result['processor']}, {result['cores']} cores, "
        f"{result['threads']} threads, {extensions}; load before: {result['load']}; "
        f"torch {result['torch']}. Ours: {result['runs']}.",
        "",
        f"{result['questions']} questions of {', '.join(result['sets'])}, each with the first "
        f"passages of its fused recall ({result['pairs']} pairs, {result['tokens']:.0f} tokens "
        f"each on average). Timed from texts to scores. The library is `CrossEncoder.predict` "
        f"with the same weights and batch {BATCH}.",
        "",
        "| engine | median ms | slowest ms | times as fast | nDCG@10 | largest score difference |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {e['name']} | {e['median_ms']:.0f} | {e['slowest_ms']:.0f} | {e['times_as_fast']:.2f} "
        f"| {e['ndcg']:.4f} | {e['largest_difference']:.3f} |"
        for e in result["engines"]
    ]
    first, ours = result["engines"][0], result["engines"][-1]
    sharing = result["sharing"]
    rounds = sharing["rounds"]
    lines += [
        "",
        f"- At least {TARGET:g} times as fast as the library in fp32: "
        f"{yes(ours['times_as_fast'] >= TARGET)}.",
        f"- nDCG within {SAME_NDCG:g} of it: {yes(abs(ours['ndcg'] - first['ndcg']) <= SAME_NDCG)}"
        f" ({ours['ndcg'] - first['ndcg']:+.4f}).",
        "",
    ]
    if rounds:
        lines += [
            f"### {PEOPLE} people at once",
            "",
            f"{rounds} rounds of {PEOPLE} questions asked at the same moment. Until all have "
            f"their scores: {sharing['own_s'] / rounds:.2f} s a round in batches of their own, "
            f"{sharing['shared_s'] / rounds:.2f} s in batches shared by all. Sharing gains "
            f"{sharing['own_s'] / sharing['shared_s']:.2f} times; it would be worth having from "
            f"{WORTH_SHARING:g}.",
            "",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path, help="folders in the BEIR layout")
    parser.add_argument("--model", default="", help="a cross-encoder by name; else the bundled one")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=2_048)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    before = machine()
    torch.set_num_threads(arguments.threads)
    questions = draw(arguments.sets, arguments.questions, arguments.seed)
    if arguments.model:
        encoder, model = named_encoder(arguments.model)
    else:
        encoder, model = bundled_encoder()
    encoder = encoder.to(torch.float32).eval()
    reranker = LocalReranker("ours", load=lambda: model, batch_tokens=arguments.batch_tokens)
    figures = compare(
        {
            FP32: predictor(encoder),
            BF16: predictor(copy.deepcopy(encoder).to(torch.bfloat16)),
            OURS: lambda q, passages: reranker.score(q, passages, time_limit_s=NO_LIMIT_S),
        },
        questions,
    )
    lengths = [pair.length for q in questions for pair in model.read(q.question, q.passages)]
    result = {
        **{key: before[key] for key in ("processor", "cores", "instructions", "load")},
        "commit": commit_of(ROOT),
        "threads": arguments.threads,
        "torch": torch.__version__,
        "model": arguments.model or "bundled",
        "runs": model.runs,
        "questions": len(questions),
        "sets": sorted({q.set_name for q in questions}),
        "pairs": len(lengths),
        "tokens": float(np.mean(lengths)),
        "engines": [asdict(each) for each in figures],
        "sharing": asdict(share(model, questions, arguments.batch_tokens)),
    }
    page = markdown(result, "python -m bench.rerank " + " ".join(sys.argv[1:]))
    print(page)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if arguments.markdown:
        write_part(arguments.markdown, "bench.rerank", page)


if __name__ == "__main__":
    main()
