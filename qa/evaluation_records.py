"""What an evaluation measured, a file a set, so that an hour's run goes on where it ended. Pure.

Two runs may share a folder when they measure different sets: each writes its own files, whole or
not at all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qa.figures import Figures
from qa.metrics import Difference

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1


def record_path(folder: Path, set_name: str) -> Path:
    return folder / f"{set_name}.json"


def write_record(folder: Path, figures: Figures) -> None:
    """Keep the figures with each question's value, in place of what was kept of that set."""
    folder.mkdir(parents=True, exist_ok=True)
    form = {
        "format": FORMAT,
        "set": figures.set_name,
        "language": figures.language,
        "questions": figures.questions,
        "reranked_questions": figures.reranked_questions,
        "over_time": figures.over_time,
        "stages": figures.stages,
        "intervals": figures.intervals,
        "against": figures.against,
        "milliseconds": figures.milliseconds,
        "meta": figures.meta,
        "ndcg": figures.ndcg,
    }
    path = record_path(folder, figures.set_name)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(form, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def read_record(folder: Path, set_name: str) -> Figures | None:
    """What is kept of the set; ``None`` when nothing is, or not in this form."""
    try:
        form = json.loads(record_path(folder, set_name).read_text(encoding="utf-8"))
        if form["format"] != FORMAT:
            return None
        return Figures(
            set_name=form["set"],
            language=form["language"],
            questions=form["questions"],
            stages=form["stages"],
            intervals=_differences(form["intervals"]),
            milliseconds=form["milliseconds"],
            reranked_questions=form["reranked_questions"],
            meta=form["meta"],
            over_time=form["over_time"],
            ndcg={stage: tuple(values) for stage, values in form["ndcg"].items()},
            against={other: _differences(found) for other, found in form["against"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_measured_with(figures: Figures, settings: Mapping[str, object]) -> bool:
    """Whether the figures were made with these settings: same files, models, weights, questions.

    The commit is not asked: a run that was interrupted goes on after an unrelated change. The
    report says where commits differ.
    """
    # Through JSON, as the record was: tuples are lists there.
    wanted = json.loads(json.dumps(settings))
    made = json.loads(json.dumps(figures.meta))
    wanted.pop("commit", None)
    made.pop("commit", None)
    return bool(wanted == made)


def _differences(form: Mapping[str, Any]) -> dict[str, Difference]:
    return {stage: Difference(*found) for stage, found in form.items()}
