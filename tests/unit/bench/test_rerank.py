from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import questions, rerank
from bench.questions import Candidates, draw
from inference.batching import even_batches
from inference.pairs import TextPair
from qa.recall import CHUNKS_PER_DOCUMENT

RIGHT, WRONG = 5.0, 1.0


def question(number: int) -> Candidates:
    return Candidates("set", f"q{number}", ("wrong", "right"), ("d1", "d2"), {"d2": 1.0})


class Clock:
    """Time that passes only when somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def worker(self, seconds: float, scores: Sequence[float]) -> Callable[[str, Any], list[float]]:
        def work(asked: str, passages: Sequence[str]) -> list[float]:
            self.now += seconds
            return list(scores)

        return work


def test_engines_are_compared_by_time_order_and_scores_with_the_first() -> None:
    clock = Clock()
    engines = {
        "slow": clock.worker(3.0, (WRONG, RIGHT)),
        "fast": clock.worker(1.0, (WRONG, RIGHT + 0.25)),
        "wrong": clock.worker(6.0, (RIGHT, WRONG)),
    }
    slow, fast, wrong = rerank.compare(engines, [question(1), question(2)], clock=clock)
    assert (slow.times_as_fast, fast.times_as_fast, wrong.times_as_fast) == (1.0, 3.0, 0.5)
    assert (slow.median_ms, fast.slowest_ms) == (3000.0, 1000.0)
    assert (slow.ndcg, fast.ndcg) == (1.0, 1.0)
    assert wrong.ndcg == pytest.approx(1 / np.log2(3))
    assert (slow.largest_difference, fast.largest_difference) == (0.0, 0.25)


class CountingModel:
    """Scores nothing; notes the batches that it is given."""

    lanes, runs = 2, "counting"

    def __init__(self) -> None:
        self.batches_run: list[list[str]] = []

    def begin(self) -> None:
        """Nothing to begin."""

    def read(self, asked: str, passages: Sequence[str]) -> list[TextPair]:
        return [TextPair(asked, passage, 10) for passage in passages]

    def batches(self, pairs: Sequence[TextPair], token_budget: int) -> list[list[int]]:
        return even_batches([pair.length for pair in pairs], token_budget, self.lanes)

    def run(self, pairs: Sequence[TextPair], go_on: Callable[[], None]) -> list[float]:
        go_on()
        self.batches_run.append([pair.question for pair in pairs])
        return [0.0] * len(pairs)

    def unknown_share(self, text: str) -> float:
        return 0.0


def test_ten_at_once_are_run_in_batches_of_their_own_and_then_in_shared_ones() -> None:
    model = CountingModel()
    figures = rerank.share(model, [question(n) for n in range(13)], token_budget=100)
    assert figures.rounds == 1
    assert figures.own_s > 0
    assert figures.shared_s > 0
    own = [batch for batch in model.batches_run[1:] if len(set(batch)) == 1]
    shared = [batch for batch in model.batches_run[1:] if len(set(batch)) > 1]
    assert {name for batch in own for name in batch} == {f"q{n}" for n in range(10)}
    assert sum(len(batch) for batch in shared) == 20


@pytest.mark.parametrize(("fast", "ndcg", "answers"), [(3.2, 0.899, 2), (2.9, 0.8, 0)])
def test_the_page_says_what_was_measured_and_whether_it_suffices(
    fast: float, ndcg: float, answers: int
) -> None:
    figures = {"median_ms": 1.0, "slowest_ms": 2.0, "total_s": 1.0, "largest_difference": 0.1}
    page = rerank.markdown(
        {
            **{"commit": "abc", "processor": "P", "cores": 2, "threads": 2, "load": 0.1},
            **{"instructions": ["avx2"], "torch": "2", "runs": "packed", "model": "bundled"},
            **{"questions": 20, "sets": ["a", "b"], "pairs": 600, "tokens": 150.0},
            "engines": [
                {**figures, "name": rerank.FP32, "times_as_fast": 1.0, "ndcg": 0.9},
                {**figures, "name": rerank.OURS, "times_as_fast": fast, "ndcg": ndcg},
            ],
            "sharing": {"rounds": 2, "own_s": 4.2, "shared_s": 4.0},
        },
        "python -m bench.rerank a b",
    )
    assert "```\npython -m bench.rerank a b\n```" in page
    assert f"| ours | 1 | 2 | {fast:.2f} | {ndcg:.4f} | 0.100 |" in page
    assert page.count(": yes") == answers
    assert page.count("**no**") == 2 - answers
    assert "Sharing gains 1.05 times" in page


def test_as_many_chunks_of_a_document_are_read_as_in_the_product() -> None:
    assert questions.PER_DOCUMENT == CHUNKS_PER_DOCUMENT


class WordEmbedder:
    """Reads English only; a text is its letters counted."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.embedded = 0

    def unknown_share(self, text: str) -> float:
        return 0.0 if text.isascii() else 1.0

    def embed_passages(self, texts: Sequence[str]) -> Any:
        return np.array([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Any:
        counts = np.array([text.count(chr(letter)) for letter in range(97, 123)], np.float32)
        return counts / max(1.0, float(np.linalg.norm(counts)))


def write_set(folder: Path, texts: Sequence[str], asked: Sequence[str]) -> Path:
    folder.mkdir()
    corpus = [{"_id": f"d{n}", "title": "", "text": text} for n, text in enumerate(texts)]
    queries = [{"_id": f"q{n}", "text": text} for n, text in enumerate(asked)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    grades = "\n".join(f"q{n}\td{n}\t1" for n in range(len(asked)))
    (folder / "qrels.tsv").write_text(f"query\tcorpus\tscore\n{grades}\n", encoding="utf-8")
    return folder


def test_questions_of_all_sets_come_in_turn_with_what_recall_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "base_embedder", WordEmbedder)
    english = write_set(
        tmp_path / "english",
        ["Dim the lights before you sleep.", "Fruit has sugar.", "Zebras."],
        ["How do I sleep?", "Is there sugar in fruit?"],
    )
    chinese = write_set(
        tmp_path / "chinese", ["睡前不要喝咖啡。", "水果含糖。"], ["怎样睡得更好", "水果含糖吗"]
    )
    drawn = draw([english, chinese], 3, seed=1)
    assert [item.set_name for item in drawn] == ["english", "chinese", "english"]
    for item in drawn:
        assert len(item.passages) == len(item.documents) <= questions.CANDIDATES
        right = [1.0 if item.grades.get(document) else 0.0 for document in item.documents]
        assert item.ndcg(right) == 1.0
    # Without vectors, what shares no word with the question is not found.
    assert len(drawn[1].passages) == 1
