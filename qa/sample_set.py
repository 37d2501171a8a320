"""Reads the sample documents and the judged questions beside them. Pure.

``index.jsonl`` lists the documents, ``questions.jsonl`` the questions with the grade (1 to 3) of
each document that fits; any other document has grade 0.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from documents.parsing.base import ParseError, ParserContext
from documents.parsing.registry import detect_media_type, parser_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from documents.types import ParsedDocument

INDEX, QUESTIONS = "index.jsonl", "questions.jsonl"
_ENOUGH_TO_TELL_THE_TYPE = 2048


class NoSampleSet(Exception):
    """The folder is not there, lacks a file, or holds one that cannot be read."""


@dataclass(frozen=True, slots=True)
class SampleDocument:
    """One line of the index."""

    key: str
    """Its path below the folder, with forward slashes."""
    path: Path
    title: str
    effective_date: date | None
    superseded_by: str
    """The name, without a folder, of the file that takes its place, or ``""``."""


@dataclass(frozen=True, slots=True)
class SampleQuestion:
    key: str
    text: str
    grades: Mapping[str, float]
    """Key of a document -> grade."""


@dataclass(frozen=True, slots=True)
class SampleSet:
    documents: tuple[SampleDocument, ...]
    questions: tuple[SampleQuestion, ...]
    sha256: str
    """Of both lists: figures on different lists are not comparable."""


def read_sample_set(folder: Path) -> SampleSet:
    """Both lists, checked against each other. Raises ``NoSampleSet``."""
    try:
        index = (folder / INDEX).read_bytes()
        questions = (folder / QUESTIONS).read_bytes()
        documents = tuple(_document(folder, row) for row in _rows(index))
        asked = tuple(
            SampleQuestion(row["id"], row["query"], {k: float(v) for k, v in row["grades"].items()})
            for row in _rows(questions)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoSampleSet(f"the judged samples in {folder} cannot be read: {error!r}") from error
    unknown = {key for each in asked for key in each.grades} - {each.key for each in documents}
    if unknown or not asked:
        raise NoSampleSet(f"{QUESTIONS} names documents that are not in {INDEX}: {sorted(unknown)}")
    return SampleSet(documents, asked, hashlib.sha256(index + b"\0" + questions).hexdigest())


def parse(document: SampleDocument) -> ParsedDocument:
    """The document as the product reads it, under the title of the index.

    In this process: the samples are part of the installation. Raises ``NoSampleSet``.
    """
    try:
        with document.path.open("rb") as file:
            head = file.read(_ENOUGH_TO_TELL_THE_TYPE)
        parser = parser_for(detect_media_type(document.path.name, head))
        return replace(parser.parse(document.path, ParserContext()), title=document.title)
    except (OSError, ParseError) as error:
        raise NoSampleSet(f"{document.path} cannot be read: {error!r}") from error


def _rows(content: bytes) -> list[dict[str, Any]]:
    lines = content.decode("utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _document(folder: Path, row: Mapping[str, Any]) -> SampleDocument:
    return SampleDocument(
        key=row["file"],
        path=folder / row["file"],
        title=row["title"],
        effective_date=_date(row["date"]),
        superseded_by=row.get("superseded_by", ""),
    )


def _date(text: str | None) -> date | None:
    """A date, or the middle of a year where only that is known."""
    if not text:
        return None
    return date(int(text), 7, 1) if len(text) == len("2024") else date.fromisoformat(text)
