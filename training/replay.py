"""Rank a dump again, under another calibration or other weights, without running a model.

    python -m training.replay DUMP
    python -m training.replay DUMP --config inference/weights/NAME/config.json
    python -m training.replay DUMP --weights 0.6,0.2,0.15,0.05 --floor 0.1 --json out.json

``DUMP`` is a folder that ``manage.py evaluate_retrieval --dump DUMP`` wrote. Without ``--config``
each candidate keeps the relevance that the product computed then. Prints nDCG@10 per set and stage,
means per language, and how far the probability can be believed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from inference.bundled import read_config
from qa.reliability import Judged, reliability
from qa.replay import FLOOR, REPLAYED, relevances, replay
from qa.score_dumps import read_dumps
from qa.scoring import PRESETS
from qa.types import FactorWeights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.ports import RerankerCard
    from qa.score_dumps import ScoredQuestion

Dumps = dict[str, list["ScoredQuestion"]]


def language_of(questions: Sequence[ScoredQuestion]) -> str:
    """That of most questions."""
    return Counter(question.language for question in questions).most_common(1)[0][0]


def judged(questions: Sequence[ScoredQuestion], card: RerankerCard | None) -> list[Judged]:
    """Probabilities with outcomes, of the questions that a cross-encoder read."""
    return [
        Judged(relevances(question, card), question.relevant)
        for question in questions
        if question.reranked
    ]


def figures(
    dumps: Dumps, card: RerankerCard | None, weights: FactorWeights, floor: float
) -> dict[str, dict[str, float]]:
    """Set, or ``mean LANGUAGE`` -> stage or measure of honesty -> figure."""
    found: dict[str, dict[str, float]] = {}
    languages: dict[str, list[str]] = {}
    for name, questions in dumps.items():
        values = replay(questions, card, weights=weights, floor=floor)
        found[name] = {stage: fmean(each) for stage, each in values.items()}
        found[name] |= honesty({name: judged(questions, card)})
        languages.setdefault(language_of(questions), []).append(name)
    for language, names in languages.items():
        row = {stage: fmean(found[name][stage] for name in names) for stage in REPLAYED}
        row |= honesty({name: judged(dumps[name], card) for name in names})
        found[f"mean {language}"] = row
    return found


def honesty(sets: Mapping[str, Sequence[Judged]]) -> dict[str, float]:
    """Calibration error and spread; nothing where no question was reranked."""
    if not any(sets.values()):
        return {}
    found = reliability(sets)
    return {
        "ece": found.error,
        "ece_top10": found.top_error,
        "log_loss": found.log_loss,
        "best": found.best,
        "tenth": found.tenth,
        "sd_top10": found.deviation,
    }


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    columns = list(dict.fromkeys(column for row in found.values() for column in row))
    width = max(len(name) for name in found) + 2
    lines = [" " * width + "".join(f"{column:>15}" for column in columns)]
    for name, row in found.items():
        cells = (f"{row[c]:15.4f}" if c in row else " " * 15 for c in columns)
        lines.append(f"{name:{width}}" + "".join(cells))
    return "\n".join(lines) + "\n"


def weights_from(text: str) -> FactorWeights:
    """A preset by name, or relevance, completeness, readability, timeliness with commas."""
    if text in PRESETS:
        return PRESETS[text]
    try:
        relevance, completeness, readability, timeliness = (float(n) for n in text.split(","))
    except ValueError as error:
        message = f"{text!r} is no preset ({', '.join(PRESETS)}) and not four numbers"
        raise argparse.ArgumentTypeError(message) from error
    return FactorWeights(relevance, completeness, readability, timeliness)


def card_from(text: str) -> RerankerCard:
    """The card in a ``config.json``, with its calibrations."""
    return read_config(Path(text).parent).card


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("dump", type=Path)
    parser.add_argument("--config", type=card_from, help="config.json with other calibrations")
    parser.add_argument("--weights", type=weights_from, default=PRESETS["balanced"])
    parser.add_argument("--floor", type=float, default=FLOOR)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    chosen = parser.parse_args(arguments)
    found = figures(read_dumps(chosen.dump), chosen.config, chosen.weights, chosen.floor)
    sys.stdout.write(table(found))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
