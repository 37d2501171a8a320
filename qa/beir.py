"""Reads a test set in the BEIR layout: ``corpus.jsonl``, ``queries.jsonl``, ``qrels.tsv``. Pure."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")


class NotATestSet(ValueError):
    """The folder lacks a file of the layout, or a line of one cannot be read."""


@dataclass(frozen=True, slots=True)
class CorpusEntry:
    """A document of the set; ``title`` may be empty."""

    key: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """A question with the grade of each judged document; above 0 is relevant."""

    key: str
    text: str
    grades: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TestSet:
    """A whole set. Only questions with at least one relevant document are in it."""

    name: str
    corpus: Sequence[CorpusEntry]
    questions: Sequence[JudgedQuestion]
    content: str = ""
    """Hash of the three files, so that figures of another state of the set are told apart."""

    __test__ = False  # Not a test case, whatever its name suggests to pytest.

    def sample(self, count: int | None, *, seed: int) -> tuple[JudgedQuestion, ...]:
        """``count`` questions drawn by ``seed``, in the set's order; all when there are fewer."""
        if count is None or count >= len(self.questions):
            return tuple(self.questions)
        # Chosen from sorted keys, so that the order of lines in the file changes nothing.
        keys = sorted(question.key for question in self.questions)
        chosen = set(random.Random(seed).sample(keys, count))  # noqa: S311
        return tuple(question for question in self.questions if question.key in chosen)


def is_test_set(folder: Path) -> bool:
    """Whether the folder holds the three files."""
    return all((folder / name).is_file() for name in FILES)


def read_test_set(folder: Path) -> TestSet:
    """Read the set. Raises ``NotATestSet`` with the file and line that cannot be read."""
    if not is_test_set(folder):
        message = f"{folder} needs corpus.jsonl, queries.jsonl and qrels.tsv"
        raise NotATestSet(message)
    corpus = tuple(
        CorpusEntry(str(row["_id"]), str(row.get("title") or ""), str(row.get("text") or ""))
        for row in _json_lines(folder / "corpus.jsonl", "_id")
    )
    grades = _read_grades(folder / "qrels.tsv")
    questions = tuple(
        JudgedQuestion(str(row["_id"]), str(row["text"]), grades[str(row["_id"])])
        for row in _json_lines(folder / "queries.jsonl", "_id", "text")
        if any(grade > 0 for grade in grades.get(str(row["_id"]), {}).values())
    )
    return TestSet(folder.resolve().name, corpus, questions, _hash_of(folder))


def _hash_of(folder: Path) -> str:
    found = hashlib.sha256()
    for name in FILES:
        with (folder / name).open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16]


def _read_grades(path: Path) -> dict[str, dict[str, float]]:
    grades: dict[str, dict[str, float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t"), start=1):
            if number == 1 and row[-1:] == ["score"]:
                continue
            try:
                question, document, grade = row[0], row[1], float(row[-1])
            except (IndexError, ValueError) as error:
                message = f"{path.name}, line {number}: expected question, document and grade"
                raise NotATestSet(message) from error
            grades.setdefault(question, {})[document] = grade
    return grades


def _json_lines(path: Path, *required: str) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                missing = [key for key in required if key not in row]
            except (json.JSONDecodeError, TypeError) as error:
                message = f"{path.name}, line {number}: not a JSON object"
                raise NotATestSet(message) from error
            if missing:
                message = f"{path.name}, line {number}: lacks {', '.join(missing)}"
                raise NotATestSet(message)
            yield row
