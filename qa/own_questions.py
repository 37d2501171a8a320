"""A knowledge base's own test questions: kept in review, with the grades that people gave."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from documents.models import Chunk
from qa.models import EvaluationQuestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from documents.models import KnowledgeBase


@dataclass(frozen=True, slots=True)
class OwnQuestion:
    """A question with the grades of passages that are still searched."""

    key: str
    text: str
    grades: Mapping[str, float]
    """``passage_key`` -> grade 0 to 3."""


def passage_key(document_id: int, text: str) -> str:
    """How a judged passage is found again: by its document and its text, as review keeps it."""
    return f"{document_id}:{hashlib.sha256(text.encode()).hexdigest()}"


def own_questions(base: KnowledgeBase) -> list[OwnQuestion]:
    """The questions of ``base`` that can be measured, oldest first.

    Grades of passages whose text is not in the active index any more are left out, and so is a
    question without a grade above 0 among the rest.
    """
    rows = EvaluationQuestion.objects.filter(knowledge_base=base).order_by("pk")
    searched = _searched(base, {key for row in rows for key in row.grades})
    questions = []
    for row in rows:
        grades = {key: float(grade) for key, grade in row.grades.items() if key in searched}
        if any(grade > 0 for grade in grades.values()):
            questions.append(OwnQuestion(str(row.pk), row.text, grades))
    return questions


def _searched(base: KnowledgeBase, keys: set[str]) -> set[str]:
    documents = {int(key.partition(":")[0]) for key in keys}
    chunks = Chunk.objects.filter(
        generation=base.active_generation_id,
        document__in=documents,
        is_enabled=True,
        document__is_enabled=True,
        document__deleted_at=None,
    )
    # By the text as it is searched: an edited passage keeps the hash of the text as it was cut.
    return keys & {passage_key(*pair) for pair in chunks.values_list("document_id", "text")}
