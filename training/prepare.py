"""Read question and passage pairs, and keep a tenth of the subjects out of training.

python -m training.prepare DATA_DIR     # counts per set, to check a data folder
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HELD_OUT_OF_TEN = 1
"""Groups whose hash falls into this many of ten buckets are never trained on."""


def is_held_out(group: str) -> bool:
    """True for a fixed tenth of all groups, the same in every run and on every machine."""
    return hashlib.sha256(group.encode()).digest()[0] % 10 < HELD_OUT_OF_TEN


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a compressed file of lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def summary(folder: Path) -> str:
    """How much a set holds, by language, and how much of it is kept out of training."""
    passages = sum(1 for _ in records(folder / "passages.jsonl.gz"))
    pairs = Counter(
        (r["lang"], is_held_out(r["group"])) for r in records(folder / "pairs.jsonl.gz")
    )
    languages = sorted({language for language, _ in pairs})
    counts = (f"{n} {pairs[n, False]} to train on, {pairs[n, True]} held out" for n in languages)
    return f"{folder.name}: {passages} passages; {'; '.join(counts)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    for folder in sorted(parser.parse_args().data.iterdir()):
        if (folder / "pairs.jsonl.gz").exists():
            sys.stdout.write(summary(folder) + "\n")


if __name__ == "__main__":
    main()
