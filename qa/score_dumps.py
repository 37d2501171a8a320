"""What was known of each candidate of each question, kept so that no model need run again. Pure.

One file a set, gzip JSON lines, one question a line; the candidates are columns in fused order.
Other calibrations, other weights and the calibration's honesty are computed from it in seconds.
"""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from qa.types import Ranking

SUFFIX = ".jsonl.gz"
_DIGITS = 9
"""Significant digits kept of a score: more than any model gives."""


@dataclass(frozen=True, slots=True)
class ScoredQuestion:
    """One judged question with its candidates: column ``i`` is candidate ``i`` in fused order."""

    key: str
    text: str
    language: str
    """ISO 639-1, as the product detected it."""
    grades: Mapping[str, float]
    """Judged documents, those that are no candidates too; above 0 is relevant."""
    documents: Sequence[str]
    """The document of each candidate. Several candidates may be of one document."""
    dense_ranks: Sequence[int | None]
    lexical_ranks: Sequence[int | None]
    rerank: Sequence[float | None]
    """Raw scores of the cross-encoder, ``None`` for all where it did not run."""
    cosine: Sequence[float | None]
    lexical: Sequence[float | None]
    """BM25 over the highest BM25 that the question could reach."""
    relevance: Sequence[float]
    """As the product computed it then, with the calibration of that time."""
    evidence: Sequence[float]
    """Likewise: what was held against the floor."""
    completeness: Sequence[float]
    readability: Sequence[float]
    timeliness: Sequence[float]
    dates: Sequence[str | None]
    """Effective dates, ISO 8601."""
    outdated: Sequence[bool]
    """Expired or superseded: what makes timeliness 0 whatever the date."""

    @property
    def reranked(self) -> bool:
        return bool(self.rerank) and None not in self.rerank

    @property
    def relevant(self) -> list[bool]:
        """Whether each candidate's document was judged relevant; unjudged counts as not."""
        return [self.grades.get(document, 0.0) > 0 for document in self.documents]


class NotADump(ValueError):
    """A file is not one of these, or a line of it cannot be read."""


def scored_question(
    key: str,
    text: str,
    language: str,
    grades: Mapping[str, float],
    ranking: Ranking,
    keys: Mapping[int, str],
) -> ScoredQuestion:
    """What ``ranking`` knows of its candidates. ``keys`` names each document id."""
    found = sorted(ranking.candidates, key=lambda each: each.passage.fused_rank or 0)
    passages = [each.passage for each in found]
    return ScoredQuestion(
        key=key,
        text=text,
        language=language,
        grades=dict(grades),
        documents=[keys[passage.document_id] for passage in passages],
        dense_ranks=[passage.dense_rank for passage in passages],
        lexical_ranks=[passage.lexical_rank for passage in passages],
        rerank=[each.rerank_score for each in found],
        cosine=[passage.cosine for passage in passages],
        lexical=[passage.lexical_share for passage in passages],
        relevance=[each.factors.relevance for each in found],
        evidence=[cast("float", each.factors.inputs["evidence"]["value"]) for each in found],
        completeness=[each.factors.completeness for each in found],
        readability=[each.factors.readability for each in found],
        timeliness=[each.factors.timeliness for each in found],
        dates=[_iso(passage.effective_date) for passage in passages],
        outdated=[
            passage.superseded or (passage.expires_at is not None and each.factors.timeliness == 0)
            for passage, each in zip(passages, found, strict=True)
        ],
    )


@contextmanager
def writing(path: Path) -> Iterator[Callable[[ScoredQuestion], None]]:
    """Hand over question after question; the file appears under its name when all are written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    # Neither name nor time in the header: equal scores give equal bytes.
    with partial.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        yield lambda question: _write(file, question)
    partial.replace(path)


def read_dump(path: Path) -> list[ScoredQuestion]:
    """The questions of one file. Raises ``NotADump`` with file and line."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, EOFError, ValueError) as error:
        message = f"{path} cannot be read: {error}"
        raise NotADump(message) from error
    return [_read(path, number, line) for number, line in enumerate(lines, start=1)]


def read_dumps(folder: Path) -> dict[str, list[ScoredQuestion]]:
    """The questions of every set whose dump lies in ``folder``, by the set's name."""
    found = {
        path.name.removesuffix(SUFFIX): read_dump(path)
        for path in sorted(folder.glob(f"*{SUFFIX}"))
    }
    if not found:
        message = f"{folder} holds no dump (*{SUFFIX})"
        raise NotADump(message)
    return found


def _read(path: Path, number: int, line: str) -> ScoredQuestion:
    try:
        row = json.loads(line)
        # Until the place had a say in the relevance, evidence was the same number.
        row.setdefault("evidence", row["relevance"])
        return ScoredQuestion(**row)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        message = f"{path}, line {number}: {error}"
        raise NotADump(message) from error


def _write(file: gzip.GzipFile, question: ScoredQuestion) -> None:
    row = {each.name: _short(getattr(question, each.name)) for each in fields(question)}
    file.write((json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n").encode())


def _short(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, (list, tuple)):
        return [_short(each) for each in value]
    return value


def _iso(date: object) -> str | None:
    return None if date is None else str(date)
