"""Measures recall and ranking on a judged test set, through the product's own path.

The set becomes a knowledge base of its own, is asked with the product's retriever and ranking,
and is removed. The order of documents at each stage is compared with the judgements.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from statistics import fmean, median
from typing import TYPE_CHECKING

from django.utils import timezone

from accounts.models import User
from documents.corpora import index_passages
from documents.models import (
    Chunk,
    ChunkEmbedding,
    Document,
    DocumentVersion,
    KnowledgeBase,
    Membership,
)
from inference.conf import get_embedder
from qa.bm25s_comparison import Bm25sSearch
from qa.configuration import pipeline_config
from qa.figures import Figures, compared, measures_of
from qa.models import EvaluationRun
from qa.querysets import TEMPORARY
from qa.ranking import rank
from qa.recall import LEG_LIMIT, PostgresRetriever
from qa.rerankers import reranker_for
from qa.rescoring import judged_again, rescored
from qa.score_dumps import scored_question
from qa.scoring import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from inference.ports import Embedder, Reranker, RerankerCard
    from qa.beir import JudgedQuestion, TestSet
    from qa.recall import Legs
    from qa.score_dumps import ScoredQuestion
    from qa.types import PipelineConfig, RankedCandidate, Ranking, Recalled

REPORT_EVERY = 25
PATIENCE_S = 600.0
"""For one rerank. The product waits less; what it would not have waited for is counted."""


@dataclass(frozen=True, slots=True)
class _Models:
    embedder: Embedder | None
    reranker: Reranker | None
    config: PipelineConfig


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A reranker that gives again what it gave, so that other weights cost no second reading."""

    card: RerankerCard
    scores: Sequence[float]

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        del question, passages, time_limit_s
        return list(self.scores)

    def unknown_share(self, text: str) -> float:
        del text
        return 0.0


@dataclass(slots=True)
class _Tally:
    """What was measured so far: a value per question, so that systems can be compared in pairs."""

    values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    languages: Counter[str] = field(default_factory=Counter)
    dense: int = 0
    reranked: int = 0
    over_time: int = 0

    def add(self, stage: str, order: Sequence[str], grades: Mapping[str, float]) -> None:
        for measure, value in measures_of(order, grades).items():
            self.values[stage][measure].append(value)


def evaluate(
    test_set: TestSet,
    *,
    queries: int | None = None,
    seed: int = 7,
    keep: bool = False,
    with_bm25s: bool = False,
    commit: str = "",
    report: Callable[[str], None] = lambda line: None,
    dump: Callable[[ScoredQuestion], None] = lambda question: None,
) -> Figures:
    """Measure every stage on (a seeded sample of) the set's questions; saves an ``EvaluationRun``.

    ``report`` hears about the progress, a line at a time; ``dump`` is handed each question with
    every score of its candidates. With ``keep`` the knowledge base stays, for a look at it.
    ``with_bm25s`` needs the ``bm25s`` library, which only developers install. Raises
    ``ModelError`` when the set cannot be embedded.
    """
    started_at = timezone.now()
    questions = test_set.sample(queries, seed=seed)
    with temporary_base(test_set.name, keep=keep) as (viewer, base):
        begun = time.monotonic()
        index_passages(
            base,
            ((entry.key, entry.title, entry.text) for entry in test_set.corpus),
            on_progress=lambda done: report(
                f"{test_set.name}: {done} of {len(test_set.corpus)} documents indexed"
            ),
        )
        base.refresh_from_db()
        report(f"{test_set.name}: indexed in {time.monotonic() - begun:.1f} s")
        models = _load_models(base)
        meta = _meta(
            test_set, models, queries=queries, seed=seed, with_bm25s=with_bm25s, commit=commit
        )
        tally = _Tally()
        asker = _Asker(viewer, base, models, tally, with_bm25s=with_bm25s)
        for number, question in enumerate(questions, start=1):
            dump(asker.ask(question))
            if number % REPORT_EVERY == 0 or number == len(questions):
                report(f"{test_set.name}: {number} of {len(questions)} questions asked")
    figures = _figures(test_set.name, len(questions), tally, seed=seed, meta=meta)
    EvaluationRun.objects.create(
        set_name=test_set.name[:120],
        configuration=dict(figures.meta),
        figures=figures.to_json(),
        commit=commit[:40],
        started_at=started_at,
        finished_at=timezone.now(),
    )
    return figures


def settings_of(
    test_set: TestSet,
    *,
    queries: int | None = None,
    seed: int = 7,
    with_bm25s: bool = False,
    commit: str = "",
) -> dict[str, object]:
    """What ``evaluate`` would note beside its figures, told without measuring anything."""
    models = _load_models(KnowledgeBase())
    return _meta(test_set, models, queries=queries, seed=seed, with_bm25s=with_bm25s, commit=commit)


def ranked_as_now(
    kept: Figures, questions: Sequence[ScoredQuestion], *, settings: Mapping[str, object], seed: int
) -> tuple[Figures, list[ScoredQuestion]] | None:
    """Figures and scores of an earlier run under today's calibrations; ``None`` without a reranker.

    ``settings`` are those of now (``settings_of``), equal to the kept ones but for the
    calibrations. Raises ``rescoring.NotTheSame``.
    """
    models = _load_models(KnowledgeBase())
    if models.reranker is None:
        return None
    card = models.reranker.card
    meta = {**settings, "commit": kept.meta.get("commit")}
    figures = rescored(kept, questions, card, floor=models.config.floor, meta=meta, seed=seed)
    return figures, [judged_again(question, card) for question in questions]


def document_order(chunk_documents: Iterable[str]) -> list[str]:
    """Documents by their best passage: each at the place of its first one."""
    return list(dict.fromkeys(chunk_documents))


class _Asker:
    """Asks one question after the other and notes the order of documents at each stage."""

    def __init__(
        self,
        viewer: User,
        base: KnowledgeBase,
        models: _Models,
        tally: _Tally,
        *,
        with_bm25s: bool,
    ) -> None:
        self.retriever = PostgresRetriever(viewer, [base], models.embedder)
        self.models = models
        self.tally = tally
        self.today = timezone.localdate()
        self.keys = dict(
            DocumentVersion.objects.filter(knowledge_base=base).values_list(
                "document_id", "metadata__external_id"
            )
        )
        self.other: Bm25sSearch | None = None
        if with_bm25s and base.active_generation is not None:
            self.other = Bm25sSearch(base.active_generation)
            chunks = Chunk.objects.filter(knowledge_base=base)
            self.chunk_documents = dict(chunks.values_list("pk", "document_id"))

    def ask(self, question: JudgedQuestion) -> ScoredQuestion:
        legs = self.retriever.search(question.text)
        recalled = self._without_keys(
            self.retriever.recall_from(legs, self.models.config.candidates)
        )
        config = replace(self.models.config, rerank_time_limit_s=PATIENCE_S)
        today = self.today
        ranking = rank(
            question.text, recalled, reranker=self.models.reranker, config=config, today=today
        )
        self.tally.dense += bool(legs.dense)
        self._add("dense", question, (hit.document_id for hit in legs.dense))
        self._add("lexical", question, (hit.document_id for hit in legs.lexical))
        if self.other is not None:
            found = self.other.search(question.text, LEG_LIMIT)
            self._add("bm25s", question, (self.chunk_documents[pk] for pk in found))
        self._add_ranked(question, legs, ranking)
        other = ranked_again(
            question.text,
            recalled,
            ranking,
            self.models.reranker,
            replace(config, weights=PRESETS["relevance_only"]),
            today,
        )
        final = (each.passage.document_id for each in other.candidates)
        self._add("relevance_only", question, final)
        self.tally.languages[recalled.language] += 1
        self.tally.reranked += ranking.reranked
        limit_ms = self.models.config.rerank_time_limit_s * 1000
        self.tally.over_time += ranking.timings_ms.get("rerank", 0.0) > limit_ms
        for step, value in ranking.timings_ms.items():
            self.tally.milliseconds[step].append(value)
        return scored_question(
            question.key, question.text, recalled.language, question.grades, ranking, self.keys
        )

    def _without_keys(self, recalled: Recalled) -> Recalled:
        """A document without a title goes by its key here, which a model must not read."""
        passages = tuple(
            replace(p, title="") if p.title == self.keys.get(p.document_id) else p
            for p in recalled.passages
        )
        return replace(recalled, passages=passages)

    def _add_ranked(self, question: JudgedQuestion, legs: Legs, ranking: Ranking) -> None:
        documents = {hit.chunk_id: hit.document_id for hit in legs.dense}
        documents |= {hit.chunk_id: hit.document_id for hit in legs.lexical}
        fused = self.retriever.fuse(legs)
        self._add("fused", question, (documents[chunk_id] for chunk_id, _score in fused))
        in_fused_order = sorted(ranking.candidates, key=_fused_rank)
        # Python's sort is stable: equal scores, and no scores at all, keep the fused order.
        orders = {
            "cross_encoder": sorted(in_fused_order, key=lambda each: -(each.rerank_score or 0.0)),
            "reranked": sorted(in_fused_order, key=lambda each: each.rerank_rank or 0),
            "blended": ranking.candidates,
        }
        for stage, order in orders.items():
            self._add(stage, question, (each.passage.document_id for each in order))

    def _add(self, stage: str, question: JudgedQuestion, documents: Iterable[int]) -> None:
        order = document_order(self.keys[pk] for pk in documents)
        self.tally.add(stage, order, question.grades)


def _fused_rank(candidate: RankedCandidate) -> int:
    return candidate.passage.fused_rank or 0


def ranked_again(
    question: str,
    recalled: Recalled,
    before: Ranking,
    reranker: Reranker | None,
    config: PipelineConfig,
    today: date,
) -> Ranking:
    """The same candidates with the same scores, under another configuration."""
    if reranker is None or not before.reranked:
        return before
    scores = [each.rerank_score or 0.0 for each in sorted(before.candidates, key=_fused_rank)]
    again = _Remembered(reranker.card, scores)
    return rank(question, recalled, reranker=again, config=config, today=today)


def _load_models(base: KnowledgeBase) -> _Models:
    reranker, profile = reranker_for(base)
    return _Models(get_embedder(), reranker, pipeline_config([base], profile))


def _meta(
    test_set: TestSet,
    models: _Models,
    *,
    queries: int | None,
    seed: int,
    with_bm25s: bool,
    commit: str,
) -> dict[str, object]:
    recipe = models.embedder.recipe if models.embedder is not None else None
    card = models.reranker.card if models.reranker is not None else None
    return {
        "seed": seed,
        "commit": commit,
        "content": test_set.content,
        "sampled": queries is not None and queries < len(test_set.questions),
        "asked": len(test_set.sample(queries, seed=seed)),
        "bm25s": with_bm25s,
        "embedder": f"{recipe.model} {recipe.revision}".strip() if recipe else "",
        "reranker": f"{card.name} {card.revision}".strip() if card else "",
        # Calibrations can change while the revision of the weights stays.
        "card": sha256(repr(card).encode()).hexdigest()[:16] if card else "",
        "candidates": models.config.candidates,
        "weights": asdict(models.config.weights),
        "floor": models.config.floor,
    }


def _figures(
    name: str, questions: int, tally: _Tally, *, seed: int, meta: Mapping[str, object]
) -> Figures:
    # Where vectors were searched for some questions only, the others found nothing by them.
    ran = {stage: m for stage, m in tally.values.items() if stage != "dense" or tally.dense}
    figures = Figures(
        set_name=name,
        language=tally.languages.most_common(1)[0][0] if tally.languages else "",
        questions=questions,
        stages={
            stage: {measure: fmean(values) for measure, values in measures.items()}
            for stage, measures in ran.items()
        },
        intervals={},
        milliseconds={step: median(values) for step, values in tally.milliseconds.items()},
        reranked_questions=tally.reranked,
        over_time=tally.over_time,
        meta=meta,
        ndcg={stage: tuple(measures["ndcg@10"]) for stage, measures in ran.items()},
    )
    if not questions or not tally.reranked:
        return figures
    return compared(figures, seed=seed)


@contextmanager
def temporary_base(name: str, *, keep: bool = False) -> Iterator[tuple[User, KnowledgeBase]]:
    """A private knowledge base of a user who cannot sign in; both are removed afterwards."""
    mark = f"{TEMPORARY}{secrets.token_hex(4)}"
    viewer = User(username=mark)
    viewer.set_unusable_password()
    viewer.save()
    base = KnowledgeBase.objects.create(
        name=f"{name} (evaluation)"[:120], slug=mark, created_by=viewer
    )
    Membership.objects.create(knowledge_base=base, user=viewer, roles=[Membership.Role.OWNER])
    try:
        yield viewer, base
    finally:
        if not keep:
            discard(base)


def discard(base: KnowledgeBase) -> None:
    """Drop a temporary knowledge base and its user; the large tables first, unread."""
    viewer = base.created_by
    KnowledgeBase.objects.filter(pk=base.pk).update(active_generation=None)
    for table in (ChunkEmbedding, Chunk):
        table.objects.filter(knowledge_base=base)._raw_delete("default")
    Document.objects.filter(knowledge_base=base).update(current_version=None)
    base.delete()
    if viewer is not None:
        viewer.delete()
