"""Both embedders are timed in turn at the same texts, and their vectors compared and searched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import embedding
from qa.beir import read_test_set


def letters(texts: Sequence[str]) -> Any:
    """A text is its letters counted."""
    return np.array([[t.count(chr(c)) + 0.01 for c in range(97, 123)] for t in texts], np.float32)


def turned(texts: Sequence[str]) -> Any:
    """The same, a little off."""
    return letters(texts) + np.eye(26, dtype=np.float32)[0] * 0.2


def test_engines_take_turns_and_are_held_against_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedding, "PORTION", 2)
    asked: list[tuple[str, int]] = []
    now = 0.0

    def engine(name: str, seconds: float, make: Any) -> Any:
        def embed(texts: Sequence[str]) -> Any:
            nonlocal now
            asked.append((name, len(texts)))
            now += seconds
            return 3 * make(texts)

        return embed

    figures, vectors = embedding.embed_in_turns(
        {"a": engine("a", 4.0, letters), "b": engine("b", 1.0, turned)},
        ["sleep", "rest", "fruit"],
        clock=lambda: now,
    )
    assert asked == [("a", 3), ("b", 3), ("a", 2), ("b", 2), ("a", 1), ("b", 1)]
    assert [(each.name, each.seconds, each.times_as_fast) for each in figures] == [
        *(("a", 8.0, 1.0), ("b", 2.0, 4.0)),
    ]
    assert figures[0].least_cosine == pytest.approx(1.0)
    assert figures[1].least_cosine < figures[1].mean_cosine < 0.9999
    np.testing.assert_allclose(np.linalg.norm(vectors["b"], axis=1), 1.0, rtol=1e-5)


def test_better_vectors_have_the_better_ndcg(tmp_path: Path) -> None:
    texts = ["zzz qqq", "vvv xxx", "zzz zzz"]
    rows = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(texts)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "xv"}))
    (tmp_path / "qrels.tsv").write_text("query\tcorpus\tscore\nq\td1\t1\n")
    source = read_test_set(tmp_path)
    documents = ["d0", "d1", "d2"]
    right = letters(texts)
    wrong = right[[1, 0, 2]]
    best = embedding.fused_ndcg(source, texts, documents, right, letters, 5)
    assert best == 1.0
    assert embedding.fused_ndcg(source, texts, documents, wrong, letters, 5) < 0.8


@pytest.mark.parametrize(
    ("faster", "cosine", "ndcg", "answers"), [(2.5, 0.9999, 0.851, 3), (1.9, 0.99, 0.84, 0)]
)
def test_the_page_says_what_was_measured_and_whether_it_suffices(
    faster: float, cosine: float, ndcg: float, answers: int
) -> None:
    page = embedding.markdown(
        {
            **{"commit": "abc", "processor": "P", "cores": 2, "threads": 2, "load": 0.1},
            **{"instructions": ["avx2"], "torch": "2", "runs": "packed", "texts": 100},
            **{"questions": 20, "sets": ["a"]},
            "engines": [
                {
                    **{"name": name, "seconds": 10 / times, "times_as_fast": times},
                    **{"mean_cosine": mean, "least_cosine": mean},
                }
                for name, times, mean in (("library", 1.0, 1.0), ("ours", faster, cosine))
            ],
            "ndcg": {"a": {embedding.LIBRARY: 0.85, embedding.OURS: ndcg}},
        },
        "python -m bench.embedding a",
    )
    assert f"| ours | {10 * faster:.1f} | {faster:.2f} | {cosine:.5f} | {cosine:.5f} |" in page
    assert (page.count(": yes"), page.count("**no**")) == (answers, 3 - answers)
