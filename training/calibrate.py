"""Fit what turns scores into the probability of an answer, and measure the model on the way.

    python -m training.calibrate training/runs/mined

Reads the exported model, adds ``calibrations`` to its ``config.json`` and prints the figures that
stand in the model card. All questions are of groups that training never saw; the candidates are
the fused top 30 as the product recalls them.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inference.bundled import WEIGHTS, bundled_reranker
from qa.fusion import place_share
from training.holdout import held_out_questions, ndcg_of
from training.logistic import fit, logits_of, with_probability
from training.sampling import read_mined

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from inference.ports import Calibration, Reranker, Signal
    from training.sampling import MinedQuestion, MinedSet

FITTED_SETS = {
    "en": ("squad_train", "medquad_train", "nq_qed_train", "selqa"),
    "zh": ("cmrc_train", "drcd_dev"),
}
"""Each counts alike within its language, however many questions it has. Headings are left out: a
title shares so few words with its section that with them a fit says little of questions."""

SIGNAL_SETS: Mapping[str, tuple[tuple[Signal, ...], ...]] = {
    "en": (
        ("rerank", "cosine", "lexical"),
        ("rerank", "lexical"),
        ("cosine", "lexical"),
        ("lexical",),
        ("rerank",),
    ),
    "zh": (("rerank", "lexical"), ("lexical",), ("rerank",)),
}
"""What evidence is judged by. Not by the place in the fused order: there is a first place also
where nothing answers, so a probability that rests on it finds evidence for any question."""

PLACED_SETS: Mapping[str, tuple[tuple[Signal, ...], ...]] = {
    "en": (("rerank", "cosine", "lexical"), ("rerank", "lexical")),
    "zh": (("rerank", "lexical"),),
}
"""What the order is made by, each with the place beside it (``Cases.placed``)."""

PLACE_WEIGHTS = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
"""Of the place, beside a weight of 1 for the cross-encoder's score."""
STORED_AS = {"en": "", "zh": "zh"}
"""English calibrations also serve questions too short to tell their language."""
FOLDS = 5


class Cases:
    """The candidates of one language's questions with all their signals, as flat columns."""

    def __init__(
        self,
        language: str,
        questions: Sequence[tuple[MinedSet, MinedQuestion]],
        rerank: Sequence[NDArray[np.float64]],
    ) -> None:
        self.language, self.questions = language, questions
        judged = [question for _, question in questions]
        self.signals: dict[Signal, NDArray[np.float64]] = {
            "rerank": np.concatenate(rerank),
            "lexical": np.concatenate([q.lexical[: q.recalled] for q in judged]),
            "fused": np.concatenate(
                [[place_share(rank) for rank in range(1, q.recalled + 1)] for q in judged]
            ),
        }
        if language == "en":
            self.signals["cosine"] = np.concatenate(
                [(q.cosine or ())[: q.recalled] for q in judged]
            )
        recalled = [q.candidates[: q.recalled] for q in judged]
        self.answers = np.array(
            [float(k in q.answers) for q, ks in zip(judged, recalled, strict=True) for k in ks]
        )
        doubtful = np.array(
            [k in q.doubtful for q, ks in zip(judged, recalled, strict=True) for k in ks]
        )
        self.list_of = np.repeat(np.arange(len(judged)), [q.recalled for q in judged])
        names = np.array([source.name for source, _ in questions])[self.list_of]
        self.importance = np.zeros(len(names))
        for name in FITTED_SETS[language]:
            self.importance[names == name] = 1 / max(1, (names == name).sum())
        self.importance[doubtful] = 0.0

    def cross_fitted(self, names: Sequence[Signal]) -> NDArray[np.float64]:
        """The logit of each case by a calibration fitted without its question."""
        found = np.zeros(len(self.answers))
        fold_of = self.list_of % FOLDS
        for fold in range(FOLDS):
            test = fold_of == fold
            fitted = self.fitted(names, ~test)
            found[test] = logits_of(fitted, {n: v[test] for n, v in self.signals.items()})
        return found

    def fitted(self, names: Sequence[Signal], keep: NDArray[np.bool_] | None = None) -> Calibration:
        keep = np.ones(len(self.answers), bool) if keep is None else keep
        return fit(
            names,
            {name: values[keep] for name, values in self.signals.items()},
            self.answers[keep],
            self.importance[keep],
            self.list_of[keep],
            language=STORED_AS[self.language],
        )

    def placed(self, names: Sequence[Signal]) -> Calibration:
        """The calibration of ``names`` and the place, which has the greatest harmless weight.

        A fit on subjects that training knew gives the place next to nothing: there the network
        needs no advice. On a subject that it never saw the fused order is what there is to fall
        back on. So of ``PLACE_WEIGHTS`` the greatest is taken whose mean nDCG@10 on held-out
        questions is within one standard error of the best one's, paired (the one-standard-error
        rule of Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees", 1984,
        with the fused order as the simpler model).
        """
        plain = self.fitted(names)
        weights = dict(plain.weights)
        scores = logits_of(plain, self.signals)
        placed = {
            share: scores + share * weights["rerank"] * self.signals["fused"]
            for share in PLACE_WEIGHTS
        }
        chosen = greatest_harmless({share: self._values(score) for share, score in placed.items()})
        return with_probability(
            {**weights, "fused": chosen * weights["rerank"]},
            self.signals,
            self.answers,
            self.importance,
            language=STORED_AS[self.language],
        )

    def _values(self, scores: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """nDCG@10 of each question under these scores, an array a fitted set that has any."""
        found: dict[str, list[float]] = {}
        for (source, question), values in zip(self.questions, self.per_list(scores), strict=True):
            if source.name in FITTED_SETS[self.language]:
                found.setdefault(source.name, []).append(ndcg_of(question, values.tolist()))
        return [np.array(values) for values in found.values()]

    def per_list(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        return [values[self.list_of == number] for number in range(len(self.questions))]

    def figures(self) -> dict[str, dict[str, float]]:
        """nDCG@10 per set and over all sets, of each order over the same candidates."""
        orders: dict[str, list[NDArray[np.float64]]] = {
            **{name: self.per_list(values) for name, values in self.signals.items()},
            **{
                "p(" + " ".join(names) + ")": self.per_list(self.cross_fitted(names))
                for names in SIGNAL_SETS[self.language]
                if len(names) > 1
            },
            "as shipped": self.per_list(
                logits_of(self.placed(PLACED_SETS[self.language][0]), self.signals)
            ),
        }
        return {order: self._by_set(scores) for order, scores in orders.items()}

    def _by_set(self, scores: Sequence[NDArray[np.float64]]) -> dict[str, float]:
        of_set: dict[str, list[float]] = {}
        for (source, question), values in zip(self.questions, scores, strict=True):
            of_set.setdefault(source.name, []).append(ndcg_of(question, values.tolist()))
        means = {name: float(np.mean(found)) for name, found in of_set.items()}
        return {**means, "mean": float(np.mean(list(means.values())))}

    def honesty(self, names: Sequence[Signal]) -> dict[str, float]:
        """How far cross-fitted probabilities can be believed, and how they spread in a top 10."""
        logits = self.cross_fitted(names)
        found = 1 / (1 + np.exp(-logits))
        share = self.importance / self.importance.sum()
        error = 0.0
        for bin_ in bins_of(found):
            weight = share[bin_].sum()
            if weight:
                error += abs(share[bin_] @ (found[bin_] - self.answers[bin_]))
        top = [np.sort(values)[::-1][:10] for values in self.per_list(found)]
        return {
            "calibration_error": float(error),
            "best_median": float(np.median([values[0] for values in top])),
            "tenth_median": float(np.median([values[-1] for values in top])),
            "spread_top10": float(np.mean([values.std() for values in top])),
        }


def greatest_harmless(
    values: Mapping[float, Sequence[NDArray[np.float64]]],
) -> float:
    """The greatest key whose mean is no more than a standard error below the best one's.

    ``values`` holds each question's nDCG under each key, one array a set; sets count alike. The
    standard error is that of the mean of paired differences.
    """
    means = {key: float(np.mean([each.mean() for each in sets])) for key, sets in values.items()}
    best = max(means, key=lambda key: means[key])
    return max(
        key
        for key, sets in values.items()
        if means[best] - means[key] <= _standard_error(sets, values[best])
    )


def _standard_error(
    left: Sequence[NDArray[np.float64]], right: Sequence[NDArray[np.float64]]
) -> float:
    variances = [
        (a - b).var(ddof=1) / len(a) for a, b in zip(left, right, strict=True) if len(a) > 1
    ]
    return float(np.sqrt(sum(variances))) / len(left)


def bins_of(probabilities: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """Masks of ten equal bins of [0, 1]."""
    number = np.minimum((probabilities * 10).astype(int), 9)
    return [number == k for k in range(10)]


def score_lists(
    reranker: Reranker, questions: Sequence[tuple[MinedSet, MinedQuestion]]
) -> list[NDArray[np.float64]]:
    return [
        np.array(
            reranker.score(
                question.question,
                [source.texts[k] for k in question.candidates[: question.recalled]],
                time_limit_s=600.0,
            )
        )
        for source, question in questions
    ]


def main(make: Callable[[Path], Reranker] = bundled_reranker) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mined", type=Path)
    parser.add_argument("--model", type=Path, default=WEIGHTS)
    parser.add_argument("--questions", type=int, default=100, help="of each set")
    parser.add_argument("--report", type=Path, help="write the figures to this file, as JSON")
    arguments = parser.parse_args()
    sets = [read_mined(path) for path in sorted(arguments.mined.glob("*.jsonl.gz"))]
    reranker = make(arguments.model)
    path = arguments.model / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["calibrations"] = []
    report: dict[str, object] = {}
    for language, names in FITTED_SETS.items():
        mine = [s for s in sets if s.language == language and s.name in names]
        questions = held_out_questions(mine, per_set=arguments.questions, seed=7)
        cases = Cases(language, questions, score_lists(reranker, questions))
        fitted = [cases.placed(signals) for signals in PLACED_SETS[language]]
        fitted += [cases.fitted(signals) for signals in SIGNAL_SETS[language]]
        config["calibrations"] += [
            {"weights": dict(c.weights), "bias": c.bias, "language": c.language} for c in fitted
        ]
        report[language] = {
            "questions": len(questions),
            "ndcg@10": cases.figures(),
            "honesty": {" ".join(n): cases.honesty(n) for n in SIGNAL_SETS[language]},
        }
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    printed = json.dumps({**report, "calibrations": config["calibrations"]}, indent=2) + "\n"
    sys.stdout.write(printed)
    if arguments.report is not None:
        arguments.report.write_text(printed, encoding="utf-8")


if __name__ == "__main__":
    main()
