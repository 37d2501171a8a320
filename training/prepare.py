"""Read question and passage pairs, and keep a tenth of the subjects out of training.

python -m training.prepare DATA_DIR     # counts per set, to check a data folder
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.formatting import format_passage

if TYPE_CHECKING:
    from collections.abc import Iterator

HELD_OUT_OF_TEN = 1
"""Groups whose hash falls into this many of ten buckets are never trained on."""


@dataclass(frozen=True, slots=True)
class Passage:
    id: str
    group: str
    text: str
    """As the product passes it to a model: with its title (``format_passage``)."""


@dataclass(frozen=True, slots=True)
class Pair:
    question: str
    group: str
    positive: str
    negatives: tuple[str, ...]
    """Ids of passages that share words with the question and do not answer it."""


@dataclass(frozen=True, slots=True)
class PairSet:
    """One data set: its passages by id, its pairs apart by whether they may be trained on."""

    name: str
    passages: dict[str, Passage]
    training: list[Pair] = field(default_factory=list)
    held_out: list[Pair] = field(default_factory=list)


def is_held_out(group: str) -> bool:
    """True for a fixed tenth of all groups, the same in every run and on every machine."""
    return hashlib.sha256(group.encode()).digest()[0] % 10 < HELD_OUT_OF_TEN


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read_set(folder: Path, *, language: str = "en") -> PairSet:
    """The set in ``folder`` (``passages.jsonl.gz``, ``pairs.jsonl.gz``), pairs of one language.

    A training pair keeps only negatives of training groups, so that no held-out passage is seen.
    A pair that comes without negatives gets the other passages of its group.
    """
    passages: dict[str, Passage] = {}
    by_group: dict[str, list[str]] = {}
    for record in _records(folder / "passages.jsonl.gz"):
        text = format_passage(record.get("title") or "", (), record["text"])
        passages[record["id"]] = Passage(record["id"], record["group"], text)
        by_group.setdefault(record["group"], []).append(record["id"])
    result = PairSet(folder.name, passages)
    for record in _records(folder / "pairs.jsonl.gz"):
        if record["lang"] != language:
            continue
        group, positive = record["group"], record["positive_id"]
        negatives = record["neg_ids"] or [p for p in by_group[group] if p != positive]
        held_out = is_held_out(group)
        if not held_out:
            negatives = [n for n in negatives if not is_held_out(passages[n].group)]
        pair = Pair(record["query"], group, positive, tuple(negatives))
        (result.held_out if held_out else result.training).append(pair)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    for folder in sorted(parser.parse_args().data.iterdir()):
        if (folder / "pairs.jsonl.gz").exists():
            read = read_set(folder)
            sys.stdout.write(
                f"{read.name}: {len(read.passages)} passages, {len(read.training)} training pairs,"
                f" {len(read.held_out)} held out\n"
            )


if __name__ == "__main__":
    main()
