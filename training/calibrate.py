"""Fit what turns scores into the probability of an answer, and measure the model on the way.

    python -m training.calibrate DATA_DIR

Reads the exported model, adds ``calibrations`` to its ``config.json`` and prints the figures that
stand in the model card. All questions are of groups that training never saw.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inference.base_model import DIMENSION, NAME, base_model_path
from inference.bundled import WEIGHTS, bundled_reranker
from inference.local import LocalEmbedder
from qa.metrics import ndcg_at_k
from training.candidates import candidate_lists
from training.logistic import fit, probabilities
from training.prepare import read_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from inference.ports import Reranker, Signal
    from training.candidates import CandidateList

FITTED_SETS = ("squad_train", "medquad_train", "nq_qed_train", "selqa")
MEASURED_SETS = (*FITTED_SETS, "doc_headings")
"""Headings are not questions: good to measure another domain on, not to fit a probability on."""

SIGNAL_SETS: tuple[tuple[Signal, ...], ...] = (
    ("rerank", "cosine", "lexical"),
    ("rerank", "lexical"),
    ("cosine", "lexical"),
    ("lexical",),
    ("rerank",),
)
FOLDS = 5


class Cases:
    """Candidate lists with all their signals, as flat columns.

    Every set that calibrations are fitted on counts alike, the others count nothing.
    """

    def __init__(self, lists: Sequence[CandidateList], rerank: Sequence[NDArray[np.float64]]):
        self.lists = lists
        self.signals: dict[Signal, NDArray[np.float64]] = {
            "rerank": np.concatenate(rerank),
            "cosine": np.concatenate([item.cosine for item in lists]),
            "lexical": np.concatenate([item.lexical for item in lists]),
        }
        self.answers = np.concatenate([item.answers for item in lists])
        self.list_of = np.repeat(np.arange(len(lists)), [len(item.answers) for item in lists])
        names = np.array([item.set_name for item in lists])[self.list_of]
        self.importance = np.zeros(len(names))
        for name in FITTED_SETS:
            self.importance[names == name] = 1 / max(1, (names == name).sum())

    def only(self, keep: NDArray[np.bool_]) -> Mapping[Signal, NDArray[np.float64]]:
        return {name: values[keep] for name, values in self.signals.items()}

    def cross_fitted(self, names: Sequence[Signal]) -> NDArray[np.float64]:
        """Probabilities of each case from a calibration fitted without its question."""
        found = np.zeros(len(self.answers))
        fold_of = self.list_of % FOLDS
        for fold in range(FOLDS):
            rest, test = fold_of != fold, fold_of == fold
            fitted = fit(names, self.only(rest), self.answers[rest], self.importance[rest])
            found[test] = probabilities(fitted, self.only(test))
        return found

    def per_list(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        return [values[self.list_of == number] for number in range(len(self.lists))]


def ndcg(item: CandidateList, scores: NDArray[np.float64]) -> float:
    """nDCG@10 of the order by ``scores``; a list that lacks its answer counts 0."""
    order = [int(k) for k in np.argsort(-scores, kind="stable")]
    grades = {k: float(grade) for k, grade in enumerate(item.answers) if grade}
    return ndcg_at_k(order, grades) if grades else 0.0


def orders_of(cases: Cases) -> dict[str, list[NDArray[np.float64]]]:
    """The scores of every order that is compared, list by list."""
    return {
        "fused": [-np.arange(len(item.answers), dtype=np.float64) for item in cases.lists],
        "cosine": cases.per_list(cases.signals["cosine"]),
        "lexical": cases.per_list(cases.signals["lexical"]),
        "rerank": cases.per_list(cases.signals["rerank"]),
        **{
            "p(" + " ".join(names) + ")": cases.per_list(cases.cross_fitted(names))
            for names in SIGNAL_SETS
            if len(names) > 1
        },
    }


def report(cases: Cases) -> dict[str, dict[str, float]]:
    """nDCG@10 per set and over all sets, of each order over the same candidates."""
    figures: dict[str, dict[str, float]] = {}
    names = sorted({item.set_name for item in cases.lists})
    for order, scores in orders_of(cases).items():
        of_set: dict[str, list[float]] = {name: [] for name in names}
        for item, values in zip(cases.lists, scores, strict=True):
            of_set[item.set_name].append(ndcg(item, values))
        figures[order] = {name: float(np.mean(found)) for name, found in of_set.items()}
        figures[order]["mean"] = float(np.mean(list(figures[order].values())))
    return figures


def honesty(cases: Cases, names: Sequence[Signal]) -> dict[str, float]:
    """How far cross-fitted probabilities can be believed, and how they spread in a top 10."""
    found = cases.cross_fitted(names)
    share = cases.importance / cases.importance.sum()
    clipped = np.clip(found, 1e-9, 1 - 1e-9)
    losses = -(cases.answers * np.log(clipped) + (1 - cases.answers) * np.log(1 - clipped))
    error = 0.0
    for low in np.arange(0, 1, 0.1):
        bin_ = (found >= low) & (found < low + 0.1 + (low > 0.85))
        if bin_.any():
            weight = share[bin_].sum()
            error += abs(share[bin_] @ (found[bin_] - cases.answers[bin_])) if weight else 0.0
    top = [np.sort(values)[::-1][:10] for values in cases.per_list(found)]
    return {
        "log_loss": float(share @ losses),
        "calibration_error": float(error),
        "best_median": float(np.median([values[0] for values in top])),
        "tenth_median": float(np.median([values[-1] for values in top])),
        "spread_top10": float(np.mean([values.std() for values in top])),
    }


def score_lists(reranker: Reranker, lists: Sequence[CandidateList]) -> list[NDArray[np.float64]]:
    return [
        np.array(reranker.score(item.question, [p.text for p in item.passages], time_limit_s=600.0))
        for item in lists
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=WEIGHTS)
    parser.add_argument("--questions", type=int, default=80, help="of each set")
    parser.add_argument("--pool", type=int, default=1_000, help="passages of each set")
    arguments = parser.parse_args()
    embedder = LocalEmbedder(
        NAME, path=str(base_model_path()), dimension=DIMENSION, query_prefix="", passage_prefix=""
    )
    lists = [
        item
        for name in MEASURED_SETS
        for item in candidate_lists(
            read_set(arguments.data / name),
            embedder,
            questions=arguments.questions,
            pool_size=arguments.pool,
            seed=len(name),
        )
    ]
    cases = Cases(lists, score_lists(bundled_reranker(arguments.model), lists))
    calibrations = [
        fit(names, cases.signals, cases.answers, cases.importance) for names in SIGNAL_SETS
    ]
    path = arguments.model / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["calibrations"] = [{"weights": dict(c.weights), "bias": c.bias} for c in calibrations]
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    figures = {
        "ndcg@10": report(cases),
        "honesty": {" ".join(names): honesty(cases, names) for names in SIGNAL_SETS},
        "answer_among_candidates": float(np.mean([item.answers.any() for item in lists])),
        "calibrations": config["calibrations"],
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
