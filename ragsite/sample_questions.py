"""Asks the sample questions and notes whether the first source is one for lay readers.

Through the product's own recall and ranking, of a knowledge base that exists or of a folder of
documents that becomes one for as long as it takes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from documents.corpora import index_parsed
from documents.models import Document
from documents.parsing.base import ParseError
from documents.parsing.registry import detect_media_type
from documents.parsing.runner import parse_file
from inference.conf import get_embedder
from qa.configuration import pipeline_config
from qa.evaluation import PATIENCE_S, ranked_again
from qa.first_sources import NONE, AskedQuestion, FirstSource, FirstSources
from qa.ranking import rank, sources_of
from qa.recall import PostgresRetriever
from qa.rerankers import reranker_for
from qa.scoring import PRESETS
from ragsite.demo import read_samples
from ragsite.problems import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from accounts.models import User
    from documents.models import KnowledgeBase
    from documents.types import ParsedDocument
    from qa.types import Passage, Ranking
    from ragsite.demo import Sample

FILES = {"health": "health_questions.jsonl", "sleep": "sleep_questions.jsonl"}
"""Group -> the file of its questions in ``samples/``."""
_KINDS = {"consumer": "lay"}
_HEAD_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Question:
    group: str
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Kinds:
    """For whom each file of a collection was written, and in which languages there are any."""

    by_name: Mapping[str, str]
    languages: frozenset[str]


def read_questions(folder: Path) -> list[Question]:
    """Those of every group, in their order. Raises ``DemoError``."""
    return [
        Question(group, row["query"], row.get("language", "en"))
        for group, name in FILES.items()
        for row in _rows(folder / name)
    ]


def read_kinds(folder: Path) -> Kinds:
    """What ``index.jsonl`` says of the files in ``folder``. Raises ``DemoError``."""
    rows = _rows(folder / "index.jsonl")
    return Kinds(
        {PurePath(row["file"]).name: _KINDS.get(row["kind"], row["kind"]) for row in rows},
        frozenset(row.get("language", "en") for row in rows),
    )


def load(
    viewer: User,
    base: KnowledgeBase,
    folder: Path,
    *,
    report: Callable[[str], None] = lambda line: None,
) -> int:
    """Index the documents of ``folder`` as the demonstration does. Returns how many.

    Titles, dates and what replaces what come from the index, as they do there. Raises
    ``DemoError`` for a file that cannot be read.
    """
    samples = read_samples(folder)
    done = index_parsed(
        base,
        _parsed(samples),
        on_progress=lambda count: report(f"{count} of {len(samples)} documents indexed"),
        batch_size=20,
    )
    by_name = {name: pk for pk, name in names_of(viewer, base).items()}
    for sample in samples:
        Document.objects.filter(pk=by_name[sample.path.name]).update(
            effective_date=sample.effective_date, superseded_by=by_name.get(sample.superseded_by)
        )
    base.refresh_from_db()
    return done


def names_of(viewer: User, base: KnowledgeBase) -> dict[int, str]:
    """Document id -> file name, of the documents that the viewer may read."""
    documents = Document.objects.visible_to(viewer).filter(knowledge_base=base)
    return dict(documents.values_list("pk", "current_version__filename"))


def ask_all(
    viewer: User,
    base: KnowledgeBase,
    questions: Sequence[Question],
    kinds: Kinds,
    *,
    collection: str,
    commit: str = "",
    report: Callable[[str], None] = lambda line: None,
) -> FirstSources:
    """Ask each question in a language that the collection has documents in.

    "balanced" and "relevance only" are those presets, whatever the knowledge base has set; recall
    alone puts first what recall found first, also below the floor.
    """
    reranker, profile = reranker_for(base)
    embedder = get_embedder()
    config = replace(
        pipeline_config([base], profile),
        weights=PRESETS["balanced"],
        rerank=True,
        rerank_time_limit_s=PATIENCE_S,
    )
    retriever = PostgresRetriever(viewer, [base], embedder)
    names, today = names_of(viewer, base), timezone.localdate()

    def source(passage: Passage | None) -> FirstSource:
        if passage is None:
            return FirstSource("", NONE)
        name = names[passage.document_id]
        return FirstSource(name, kinds.by_name.get(name, "unlisted"))

    asked: list[AskedQuestion] = []
    wanted = [each for each in questions if each.language in kinds.languages]
    for question in wanted:
        recalled = retriever.recall(question.text, config.candidates)
        balanced = rank(question.text, recalled, reranker=reranker, config=config, today=today)
        only = replace(config, weights=PRESETS["relevance_only"])
        relevance_only = ranked_again(question.text, recalled, balanced, reranker, only, today)
        first = {
            "fused": source(recalled.passages[0] if recalled.passages else None),
            "relevance_only": source(_first(relevance_only)),
            "balanced": source(_first(balanced)),
            "ordered": source(balanced.candidates[0].passage if balanced.candidates else None),
        }
        reason = next((each for each in balanced.reasons if each.startswith("rerank_")), "")
        asked.append(AskedQuestion(question.group, question.text, question.language, reason, first))
    report(f"{len(asked)} questions asked")
    card = reranker.card if reranker is not None else None
    recipe = embedder.recipe if embedder is not None else None
    return FirstSources(
        collection=collection,
        documents=len(names),
        meta={
            "commit": commit,
            "embedder": f"{recipe.model} {recipe.revision}".strip() if recipe else "",
            "reranker": f"{card.name} {card.revision}".strip() if card else "",
        },
        questions=asked,
    )


def _first(ranking: Ranking) -> Passage | None:
    found = sources_of(ranking, 1)
    return found[0].passage if found else None


def _parsed(samples: Sequence[Sample]) -> Iterator[tuple[str, ParsedDocument]]:
    for sample in samples:
        try:
            with sample.path.open("rb") as file:
                media_type = detect_media_type(sample.path.name, file.read(_HEAD_BYTES))
            found = parse_file(sample.path, media_type)
        except (OSError, ParseError) as error:
            message = f"{sample.path} cannot be read: {error}"
            raise DemoError(message) from error
        yield sample.path.name, replace(found, title=sample.title)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {error}"
        raise DemoError(message) from error
