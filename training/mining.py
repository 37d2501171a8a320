"""Hard negatives by the product's own recall: cut as it cuts, searched as it searches.

    python -m training.mining DATA_DIR --output training/runs/mined

For each set: passages are cut by ``documents.chunking``, embedded by the bundled bi-encoder (where
it reads their language) and indexed by BM25 on the product's tokens; each question gets the fused
top 30. What may answer it too is marked, so that training never punishes it. A set that is mined
already is left as it is, so a stopped run goes on.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from documents.chunking import chunk
from documents.types import Block, ChunkRecipe, ParsedDocument
from inference.base_embedder import base_embedder
from inference.base_model import DIMENSION
from inference.formatting import format_passage
from qa.fusion import reciprocal_rank_fusion
from training.lexical import LexicalIndex
from training.prepare import is_held_out, records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from inference.ports import Embedder

logger = logging.getLogger(__name__)

LEG_LIMIT = 100
CANDIDATES = 30
FEWEST_NEGATIVES = 3
TWIN_COSINE = 0.95
"""Passages this near to the answer say the same; they are no negatives."""
NEAREST_SHARE, NEAREST_COSINE = 0.97, 0.5
"""Where no answer string tells, a passage of another subject that the bi-encoder puts this near to
the question, and about as near as the answer itself, may be its equal."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set in one language, and how much of it is mined."""

    name: str
    language: str
    passages: int
    """About this many passages, whole groups at a time, held-out groups first."""
    questions: int
    """At most this many training questions."""
    held_out: int = 300


SOURCES = (
    Source("squad_train", "en", 6_000, 14_000),
    Source("nq_qed_train", "en", 5_500, 6_000),
    Source("medquad_train", "en", 3_500, 4_500),
    Source("doc_headings", "en", 3_500, 3_000),
    Source("selqa", "en", 700, 0),
    Source("cmrc_train", "zh", 2_659, 9_000),
    Source("drcd_dev", "zh", 1_000, 3_200),
    Source("doc_headings", "zh", 5_000, 3_500),
    Source("csl_title_abstract", "zh", 2_000, 1_200),
)


@dataclass(slots=True)
class Corpus:
    """The chunks of some passages, each with where it comes from."""

    texts: list[str] = field(default_factory=list)
    passages: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    chunks: dict[str, list[int]] = field(default_factory=dict)
    """Positions in ``texts`` of each passage, by its id."""

    def add(self, passage: Record, title: str) -> None:
        for text in cut(title, passage["text"]):
            self.chunks.setdefault(passage["id"], []).append(len(self.texts))
            self.texts.append(text)
            self.passages.append(passage["id"])
            self.groups.append(passage["group"])


def cut(title: str, text: str) -> list[str]:
    """``text`` in the product's chunks, each written out as the product passes it to a model."""
    blocks: list[Block] = []
    start = 0
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            blocks.append(Block("paragraph", start, start + len(paragraph)))
        start += len(paragraph) + 2
    drafts = chunk(ParsedDocument(text, tuple(blocks)), ChunkRecipe())
    return [format_passage(title, draft.heading_path, draft.text) for draft in drafts]


def draw(folder: Path, source: Source, chance: random.Random) -> tuple[Corpus, list[Record]]:
    """The chunks to search and the pairs to ask, those of training groups first.

    A title that is the question itself (a heading) may not stand above its own answer.
    """
    pairs = [r for r in records(folder / "pairs.jsonl.gz") if r["lang"] == source.language]
    asked = {r["positive_id"]: r["query"].strip().lower() for r in pairs}
    groups: dict[str, list[Record]] = {}
    for passage in records(folder / "passages.jsonl.gz"):
        # A set in two languages has passages of both; only what is asked about tells them apart.
        if source.name != "doc_headings" or passage["id"] in asked:
            groups.setdefault(passage["group"], []).append(passage)
    order = sorted(groups)
    chance.shuffle(order)
    order.sort(key=lambda group: not is_held_out(group))
    corpus = Corpus()
    for group in order:
        if len(corpus.chunks) >= source.passages:
            break
        for passage in groups[group]:
            title = (passage.get("title") or "").strip()
            corpus.add(passage, "" if title.lower() == asked.get(passage["id"]) else title)
    usable = [r for r in pairs if r["positive_id"] in corpus.chunks]
    chance.shuffle(usable)
    training = [r for r in usable if not is_held_out(r["group"])][: source.questions]
    held_out = [r for r in usable if is_held_out(r["group"])][: source.held_out]
    return corpus, training + held_out


class Miner:
    """Searches one corpus. Without vectors it searches by words alone."""

    def __init__(self, corpus: Corpus, embedder: Embedder | None) -> None:
        self.corpus, self._embedder = corpus, embedder
        self._lexical = LexicalIndex(corpus.texts)
        self._vectors: NDArray[np.float32] = np.zeros((len(corpus.texts), DIMENSION), np.float32)
        if embedder is not None:
            self._vectors = embedder.embed_passages(corpus.texts)

    def mine(self, pairs: Sequence[Record]) -> list[Record]:
        """What is recalled for each question; those with too few negatives are left out."""
        vectors: NDArray[np.float32] = np.zeros((len(pairs), DIMENSION), np.float32)
        if self._embedder is not None:
            vectors = self._embedder.embed_passages([pair["query"] for pair in pairs])
        mined = (self._mined(pair, v) for pair, v in zip(pairs, vectors, strict=True))
        return [record for record in mined if record is not None]

    def _mined(self, pair: Record, vector: NDArray[np.float32]) -> Record | None:
        answers = self.answers_of(pair)
        lexical, cosine = self._lexical.shares(pair["query"]), self._vectors @ vector
        legs = [top(lexical, LEG_LIMIT)]
        if self._embedder is not None:
            legs.insert(0, top(cosine, LEG_LIMIT))
        fused = [k for k, _ in reciprocal_rank_fusion(legs)[:CANDIDATES]]
        doubtful = {k for k in fused if k not in answers and self._may_answer(k, pair, cosine)}
        if len(set(fused) - set(answers) - doubtful) < FEWEST_NEGATIVES:
            return None
        kept = list(dict.fromkeys([*fused, *answers]))
        return {
            "question": pair["query"],
            "group": pair["group"],
            "held_out": is_held_out(pair["group"]),
            "candidates": kept,
            "recalled": len(fused),
            "cosine": [round(float(cosine[k]), 4) for k in kept] if self._embedder else None,
            "lexical": [round(float(lexical[k]), 4) for k in kept],
            "answers": answers,
            "doubtful": sorted(doubtful),
        }

    def answers_of(self, pair: Record) -> list[int]:
        """The chunks of the positive passage that hold the answer, else its first chunk."""
        own = self.corpus.chunks[pair["positive_id"]]
        holding = [k for k in own if holds(self.corpus.texts[k], pair)]
        return holding or own[:1]

    def _may_answer(self, k: int, pair: Record, cosine: NDArray[np.float32]) -> bool:
        """Whether a recalled chunk may answer too, and so is neither positive nor negative."""
        texts = self.corpus.texts
        best = max(self.answers_of(pair), key=lambda answer: float(cosine[answer]))
        if (
            self.corpus.passages[k] == pair["positive_id"]
            or holds(texts[k], pair)
            or texts[k].lower() == texts[best].lower()
            or float(self._vectors[k] @ self._vectors[best]) > TWIN_COSINE
        ):
            return True
        tells = bool(answer_strings(pair)) or self.corpus.groups[k] == pair["group"]
        near = max(NEAREST_COSINE, float(cosine[best]) / NEAREST_SHARE)
        return not tells and float(cosine[k]) > near


def answer_strings(pair: Mapping[str, Any]) -> list[str]:
    """Short beginnings of what answers the question, in lower case, where the set says it."""
    answers = pair.get("answers") or pair.get("answer_sentences") or []
    return [answer.strip().lower()[:60] for answer in answers if answer.strip()]


def holds(text: str, pair: Mapping[str, Any]) -> bool:
    return any(answer in text.lower() for answer in answer_strings(pair))


def top(scores: NDArray[Any], limit: int) -> list[int]:
    """Positions of the best positive scores, best first."""
    limit = min(limit, len(scores))
    some = np.argpartition(-scores, limit - 1)[:limit]
    return [int(k) for k in some[np.argsort(-scores[some], kind="stable")] if scores[k] > 0]


def write(corpus: Corpus, mined: Sequence[Record], target: Path) -> None:
    """The file that ``training.sampling.read_mined`` reads; it appears whole or not at all."""
    waiting = target.with_suffix(".writing")
    with gzip.open(waiting, "wt", encoding="utf-8", compresslevel=3) as out:
        out.write(json.dumps({"texts": corpus.texts, "groups": corpus.groups}) + "\n")
        out.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in mined)
    waiting.rename(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", default="", help="a set and language, e.g. cmrc_train.zh")
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    arguments.output.mkdir(parents=True, exist_ok=True)
    embedder = base_embedder()
    for source in SOURCES:
        key = f"{source.name}.{source.language}"
        target = arguments.output / f"{key}.jsonl.gz"
        if target.exists() or arguments.only not in ("", key):
            continue
        chance = random.Random(arguments.seed)
        corpus, pairs = draw(arguments.data / source.name, source, chance)
        logger.info("%s: %d chunks, %d questions", key, len(corpus.texts), len(pairs))
        miner = Miner(corpus, embedder if source.language == "en" else None)
        mined = miner.mine(pairs)
        write(corpus, mined, target)
        logger.info("%s: %d questions kept", key, len(mined))


if __name__ == "__main__":
    main()
