"""Questions with the passages that the product would have a reranker read, from BEIR folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inference.base_embedder import base_embedder
from inference.coverage import can_read
from qa.beir import read_test_set
from qa.fusion import cap_per_document, reciprocal_rank_fusion
from qa.metrics import ndcg_at_k
from training.lexical import LexicalIndex
from training.mining import cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from inference.local import LocalEmbedder

LEG_LIMIT = 100
CANDIDATES = 30
PER_DOCUMENT = 4
"""Chunks; ``qa.recall.CHUNKS_PER_DOCUMENT``, which cannot be imported without a database."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """One question with the first ``CANDIDATES`` of its fused recall, best first."""

    set_name: str
    question: str
    passages: tuple[str, ...]
    documents: tuple[str, ...]
    """The document of each passage, which ``grades`` judges."""
    grades: Mapping[str, float]

    def ndcg(self, scores: Sequence[float]) -> float:
        """nDCG@10 of the documents in the order of their best passages."""
        order = np.argsort(-np.asarray(scores), kind="stable")
        return ndcg_at_k([self.documents[place] for place in order], self.grades)


def draw(folders: Sequence[Path], count: int, seed: int) -> list[Candidates]:
    """``count`` questions, as many of each set, in turn."""
    embedder = base_embedder()
    each = -(-count // len(folders))
    drawn = [_of_set(folder, each, seed, embedder) for folder in folders]
    turns = [
        questions[turn] for turn in range(each) for questions in drawn if turn < len(questions)
    ]
    return turns[:count]


def _of_set(folder: Path, count: int, seed: int, embedder: LocalEmbedder) -> list[Candidates]:
    source = read_test_set(folder)
    texts: list[str] = []
    documents: list[str] = []
    for entry in source.corpus:
        for text in cut(entry.title, entry.text):
            texts.append(text)
            documents.append(entry.key)
    lexical = LexicalIndex(texts)
    questions = source.sample(count, seed=seed)
    readable = {q.key for q in questions if can_read(embedder, (), q.text, "")}
    vectors = embedder.embed_passages(texts) if readable else None
    found: list[Candidates] = []
    for question in questions:
        legs = [_top(lexical.shares(question.text))]
        if vectors is not None and question.key in readable:
            legs.insert(0, _top(vectors @ embedder.embed_query(question.text)))
        fused = [place for place, _ in reciprocal_rank_fusion(legs)]
        chosen = cap_per_document(fused, documents.__getitem__, PER_DOCUMENT)[:CANDIDATES]
        found.append(
            Candidates(
                source.name,
                question.text,
                tuple(texts[place] for place in chosen),
                tuple(documents[place] for place in chosen),
                question.grades,
            )
        )
    return found


def _top(scores: NDArray[np.floating]) -> list[int]:
    """The places of the best scores above 0, best first."""
    order = np.argsort(-scores, kind="stable")[:LEG_LIMIT]
    return [int(place) for place in order if scores[place] > 0]
