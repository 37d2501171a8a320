"""How fast the shipped embedder is, beside the library, and whether its vectors are as good.

    python -m bench.embedding EVAL/mediqa_gov --questions 199 --markdown docs/benchmarks.md

All chunks of the sets are embedded by both, portion by portion in turn, so that what else the
machine does strikes both. The library is ``SentenceTransformer.encode`` with its defaults and the
same weights. Both kinds of vectors are then searched, fused with the words, as recall does.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.pages import write_part, yes
from bench.questions import LEG_LIMIT, PER_DOCUMENT
from inference.base_embedder import base_embedder
from inference.base_model import base_model_path
from qa.beir import read_test_set
from qa.fusion import cap_per_document, reciprocal_rank_fusion
from qa.metrics import ndcg_at_k
from qa.origins import commit_of, machine
from training.lexical import LexicalIndex
from training.mining import cut

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qa.beir import TestSet

ROOT = Path(__file__).resolve().parents[1]
TARGET, LEAST_COSINE, SAME_NDCG = 2.0, 0.998, 0.003
PORTION = 256
LIBRARY, OURS = "library, fp32", "ours"

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """One way to embed, over all texts."""

    name: str
    seconds: float
    times_as_fast: float
    """Of the first one."""
    mean_cosine: float
    """Of its vectors with the first one's of the same texts."""
    least_cosine: float


def embed_in_turns(
    engines: Mapping[str, Embed],
    texts: Sequence[str],
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[list[EngineFigures], dict[str, Vectors]]:
    """All engines at each portion in turn, after a few texts that nobody times."""
    for embed in engines.values():
        embed(texts[:4])
    seconds = dict.fromkeys(engines, 0.0)
    made: dict[str, list[Vectors]] = {name: [] for name in engines}
    for start in range(0, len(texts), PORTION):
        portion = texts[start : start + PORTION]
        for name, embed in engines.items():
            began = clock()
            found = embed(portion)
            seconds[name] += clock() - began
            made[name].append(found / np.linalg.norm(found, axis=1, keepdims=True))
    vectors = {name: np.concatenate(parts) for name, parts in made.items()}
    first = next(iter(engines))
    cosines = {name: (each * vectors[first]).sum(axis=1) for name, each in vectors.items()}
    return [
        EngineFigures(
            name,
            seconds[name],
            seconds[first] / seconds[name],
            float(cosines[name].mean()),
            float(cosines[name].min()),
        )
        for name in engines
    ], vectors


def fused_ndcg(
    source: TestSet,
    texts: Sequence[str],
    documents: Sequence[str],
    vectors: Vectors,
    embed: Embed,
    questions: int,
) -> float:
    """Mean nDCG@10 of words and vectors fused, over a sample of the set's questions."""
    lexical = LexicalIndex(list(texts))
    values = []
    for question in source.sample(questions, seed=7):
        asked = embed([question.text])[0]
        legs = [_top(vectors @ (asked / np.linalg.norm(asked)))]
        legs.append(_top(lexical.shares(question.text)))
        fused = [place for place, _ in reciprocal_rank_fusion(legs)]
        kept = cap_per_document(fused, documents.__getitem__, PER_DOCUMENT)
        order = list(dict.fromkeys(documents[place] for place in kept))
        values.append(ndcg_at_k(order, question.grades))
    return float(np.mean(values))


def markdown(result: Mapping[str, Any], command: str) -> str:
    """The part of the page that tells a result, as ``main`` makes it."""
    extensions = ", ".join(result["instructions"]) or "no known extensions"
    lines = [
        "## The embedder",
        "",
        "```",
        command,
        "```",
        "",
        f"Commit {result['commit']}; {result['processor']}, {result['cores']} cores, "
        f"{result['threads']} threads, {extensions}; load before: {result['load']}; "
        f"torch {result['torch']}. Ours: {result['runs']}.",
        "",
        f"{result['texts']} chunks of {', '.join(result['sets'])}. The library is "
        "`SentenceTransformer.encode` with the same weights and its defaults.",
        "",
        "| engine | chunks a second | times as fast | mean cosine | least cosine |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {e['name']} | {result['texts'] / e['seconds']:.1f} | {e['times_as_fast']:.2f} "
        f"| {e['mean_cosine']:.5f} | {e['least_cosine']:.5f} |"
        for e in result["engines"]
    ]
    ours = result["engines"][-1]
    lines += [
        "",
        f"- At least {TARGET:g} times as fast: {yes(ours['times_as_fast'] >= TARGET)}.",
        f"- Mean cosine to fp32 at least {LEAST_COSINE:g}: "
        f"{yes(ours['mean_cosine'] >= LEAST_COSINE)}.",
    ]
    for name, values in result["ndcg"].items():
        change = values[OURS] - values[LIBRARY]
        lines.append(
            f"- nDCG@10 of {name}, words and vectors fused, {result['questions']} questions at "
            f"most: {values[OURS]:.4f}, with the library's vectors {values[LIBRARY]:.4f}; within "
            f"{SAME_NDCG:g}: {yes(abs(change) <= SAME_NDCG)} ({change:+.4f})."
        )
    return "\n".join(lines)


def _top(scores: NDArray[np.floating]) -> list[int]:
    """The places of the best scores above 0, best first."""
    order = np.argsort(-scores, kind="stable")[:LEG_LIMIT]
    return [int(place) for place in order if scores[place] > 0]


def _library() -> Embed:
    from sentence_transformers import SentenceTransformer

    network = SentenceTransformer(str(base_model_path()), device="cpu")
    return lambda texts: np.asarray(network.encode(list(texts), show_progress_bar=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path, help="folders in the BEIR layout")
    parser.add_argument("--questions", type=int, default=200, help="of each set, at most")
    parser.add_argument("--chunks", type=int, default=0, help="of each set, at most, for a try")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    before = machine()
    torch.set_num_threads(arguments.threads)
    ours = base_embedder()
    engines: dict[str, Embed] = {LIBRARY: _library(), OURS: ours.embed_passages}
    texts: list[str] = []
    documents: list[str] = []
    parts: list[tuple[TestSet, int, int]] = []
    for folder in arguments.sets:
        source, start = read_test_set(folder), len(texts)
        for entry in source.corpus:
            for text in cut(entry.title, entry.text):
                if not arguments.chunks or len(texts) < start + arguments.chunks:
                    texts.append(text)
                    documents.append(entry.key)
        parts.append((source, start, len(texts)))
    figures, vectors = embed_in_turns(engines, texts)
    ndcg = {
        source.name: {
            name: fused_ndcg(
                source,
                texts[start:end],
                documents[start:end],
                vectors[name][start:end],
                embed,
                arguments.questions,
            )
            for name, embed in engines.items()
        }
        for source, start, end in parts
        # Nothing is found in a part of a corpus.
        if not arguments.chunks
    }
    result = {
        **{key: before[key] for key in ("processor", "cores", "instructions", "load")},
        "commit": commit_of(ROOT),
        "threads": arguments.threads,
        "torch": torch.__version__,
        "runs": ours.runs,
        "texts": len(texts),
        "questions": arguments.questions,
        "sets": [folder.name for folder in arguments.sets],
        "engines": [asdict(each) for each in figures],
        "ndcg": ndcg,
    }
    part = markdown(result, "python -m bench.embedding " + " ".join(sys.argv[1:]))
    print(part)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if arguments.markdown:
        write_part(arguments.markdown, "bench.embedding", part)


if __name__ == "__main__":
    main()
