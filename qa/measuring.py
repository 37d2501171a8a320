"""Measures one reranker as chat would use it: same recall, same ranking, same settings.

The judged questions are those of the sample documents, which become a knowledge base for as long
as it takes, or a knowledge base's own. Each is ranked twice by ``ranking.rank``: with rerank
switched off, and with the reranker under its own limits. A question that it cannot read, or does
not finish in time, keeps the order without it, exactly as in chat, and is counted.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone

from documents.corpora import index_parsed
from documents.models import Document, DocumentVersion, KnowledgeBase
from inference import footprint
from inference.conf import get_embedder, get_reranker
from inference.errors import ModelError
from qa.configuration import pipeline_config
from qa.evaluation import discard, document_order, temporary_base
from qa.measured import Asked, figures_of
from qa.measurement_claims import Cancelled, Stage
from qa.metrics import ndcg_at_k
from qa.models import RerankerProfile
from qa.origins import code_of, machine, resident_mb
from qa.own_questions import own_questions, passage_key
from qa.querysets import bases_of
from qa.ranking import rank
from qa.recall import PostgresRetriever
from qa.rerankers import spec_of
from qa.sample_set import NoSampleSet, SampleSet, parse, read_sample_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from accounts.models import User
    from inference.ports import Embedder, Reranker
    from qa.measurement_claims import Claim
    from qa.models import RerankerMeasurement
    from qa.own_questions import OwnQuestion
    from qa.sample_set import SampleQuestion
    from qa.types import PipelineConfig, Ranking, Recalled

TIMED_PASSAGES = 30
TIMED_AT_LEAST = 10
"""Questions that have to be timed with 30 passages; the rest of them is asked once more for it."""
TIMING_LIMIT_S = 120.0
"""For one question and for all that are asked for their time alone."""
LOADING_LIMIT_S = 600.0
MOST_QUESTIONS = 200
"""Of a knowledge base's own; of more, so many are drawn."""
DOCUMENTS_AT_A_TIME = 6
SEED = 7

_OF_PROFILE = (
    *("kind", "model", "revision", "url", "dialect", "languages", "time_limit_ms", "candidates"),
    *("batch_tokens", "max_length", "documents_per_request", "score_scale"),
)


class CannotMeasure(Exception):
    """Nothing can be measured here; ``code`` is explained in ``measurement_problems``."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is asked, of whom, and how an order is held against the grades."""

    viewer: User
    base: KnowledgeBase
    questions: Sequence[SampleQuestion | OwnQuestion]
    order_of: Callable[[Ranking], list[str]]
    all_judged: bool
    """Whether what has no grade was judged too, and found beside the point."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    embedder: Embedder | None
    reranker: Reranker
    memory: Mapping[str, object] | None


def measure(claim: Claim) -> None:
    """Make the measurement; its row says how that ended. Raises ``ClaimLost``."""
    try:
        claim.finish(**_results(claim))
    except Cancelled:
        claim.cancel()
    except CannotMeasure as error:
        claim.fail(error.code, error.detail)
    except NoSampleSet as error:
        claim.fail("no_samples", str(error))
    except ModelError as error:
        claim.fail(error.reason, str(error))


def installed_samples() -> SampleSet:
    """The judged samples that come with the installation. Raises ``NoSampleSet``."""
    return read_sample_set(settings.BASE_DIR / "samples")


def settings_of(profile: RerankerProfile) -> dict[str, object]:
    """What of a reranker's row changes its figures; ready for JSON."""
    return {name: getattr(profile, name) for name in _OF_PROFILE}


def basis_of_samples(samples: SampleSet) -> str:
    """Equal for measurements on the sample documents that may be compared with each other."""
    return _basis(KnowledgeBase(), samples.sha256)


def basis_of_own(base: KnowledgeBase, questions: Sequence[OwnQuestion]) -> str:
    """The same for a knowledge base's own questions."""
    asked = [[each.key, each.text, sorted(each.grades.items())] for each in questions]
    return _basis(base, f"{base.active_generation_id} {json.dumps(asked)}")


def clean_up(measurement: RerankerMeasurement) -> None:
    """Remove what a measurement that ended badly left behind."""
    slug = measurement.origin.get("scratch")
    if slug:
        for base in KnowledgeBase.objects.filter(slug=slug):
            discard(base)


def _results(claim: Claim) -> dict[str, Any]:
    row = claim.row()
    origin: dict[str, Any] = {
        **code_of(settings.BASE_DIR),
        "machine": machine(),
        "settings": settings_of(row.profile),
        "seed": SEED,
    }
    claim.begin(Stage.LOAD)
    loaded = _load(row.profile)
    card = loaded.reranker.card
    origin |= {
        "reranker": f"{card.name} {card.revision}".strip(),
        "languages": list(card.languages),
        "embedder": settings.RAGSITE_EMBEDDER,
        "device": _device(row.profile),
        "memory": loaded.memory,
        "disk": _disk(row.profile),
    }
    with _ground(claim, row, origin) as ground:
        config = _config(ground.base, row.profile)
        origin |= {"weights": asdict(config.weights), "floor": config.floor}
        asked, timed = _Asker(claim, ground, loaded, config).ask_all()
    origin.pop("scratch", None)
    return {
        "figures": figures_of(asked, timed),
        "inputs": {"asked": [asdict(each) for each in asked], "timed": timed},
        "origin": origin,
    }


class _Asker:
    """Asks every question, and some once more when their time was not taken for 30 passages."""

    def __init__(
        self, claim: Claim, ground: _Ground, loaded: _Loaded, config: PipelineConfig
    ) -> None:
        self.claim = claim
        self.ground = ground
        self.reranker = loaded.reranker
        self.config = config
        self.retriever = PostgresRetriever(ground.viewer, [ground.base], loaded.embedder)
        self.today = timezone.localdate()
        self.timed: list[tuple[int, float]] = []
        self.untimed: list[tuple[str, Recalled]] = []

    def ask_all(self) -> tuple[list[Asked], list[tuple[int, float]]]:
        questions = self.ground.questions
        self.claim.begin(Stage.ASK, len(questions))
        asked = []
        for number, question in enumerate(questions, start=1):
            asked.append(self._ask(question))
            self.claim.progress(number)
        self._take_times()
        return asked, self.timed

    def _ask(self, question: SampleQuestion | OwnQuestion) -> Asked:
        limit = max(self.config.candidates, TIMED_PASSAGES)
        recalled = self.retriever.recall(question.text, limit)
        without = self._rank(question.text, recalled, replace(self.config, rerank=False))
        ranked = self._rank(question.text, recalled, self.config)
        order = self.ground.order_of(ranked)
        taken = ranked.timings_ms["rerank"] if ranked.reranked else None
        self._note_time(question.text, recalled, ranked)
        by_relevance = replace(
            ranked, candidates=tuple(sorted(ranked.candidates, key=lambda c: c.rerank_rank or 0))
        )
        return Asked(
            key=question.key,
            language=recalled.language,
            without=ndcg_at_k(self.ground.order_of(without), question.grades),
            blended=ndcg_at_k(order, question.grades),
            relevance=ndcg_at_k(self.ground.order_of(by_relevance), question.grades),
            judged=self._judged(order, question.grades),
            reranked=ranked.reranked,
            reason=next((r for r in ranked.reasons if r.startswith("rerank_")), ""),
            passages=len(ranked.candidates),
            rerank_ms=taken,
        )

    def _rank(self, text: str, recalled: Recalled, config: PipelineConfig) -> Ranking:
        reranker = self.reranker if config.rerank else None
        return rank(text, recalled, reranker=reranker, config=config, today=self.today)

    def _note_time(self, text: str, recalled: Recalled, ranked: Ranking) -> None:
        passages = len(ranked.candidates)
        # What recall did not find cannot be read: of a small knowledge base all there is counts.
        if ranked.reranked and passages == min(TIMED_PASSAGES, len(recalled.passages)):
            self.timed.append((passages, ranked.timings_ms["rerank"]))
        elif ranked.reranked or "rerank_timeout" in ranked.reasons:
            self.untimed.append((text, recalled))

    def _take_times(self) -> None:
        left = min(TIMED_AT_LEAST - len(self.timed), len(self.untimed))
        if left <= 0:
            return
        self.claim.begin(Stage.TIME, left)
        patient = replace(
            self.config, candidates=TIMED_PASSAGES, rerank_time_limit_s=TIMING_LIMIT_S
        )
        ends_at = time.monotonic() + TIMING_LIMIT_S
        for number, (text, recalled) in enumerate(self.untimed[:left], start=1):
            ranked = self._rank(text, recalled, patient)
            if ranked.reranked:
                self.timed.append((len(ranked.candidates), ranked.timings_ms["rerank"]))
            self.claim.progress(number)
            if time.monotonic() > ends_at:
                return

    def _judged(self, order: Sequence[str], grades: Mapping[str, float]) -> float:
        if self.ground.all_judged or not order:
            return 1.0
        first = order[:10]
        return sum(key in grades for key in first) / len(first)


def _load(profile: RerankerProfile) -> _Loaded:
    """Both models in memory, the reranker last, so that what it adds can be told."""
    embedder = _embedder()
    # Not by ``reranker_of``, which keeps to itself why there is none.
    reranker = get_reranker(spec_of(profile))
    if reranker is None:
        raise CannotMeasure("no_reranker")
    had_library = "torch" in sys.modules
    before = resident_mb()
    reranker.score("warm up", ["warm up"], time_limit_s=LOADING_LIMIT_S)
    after = resident_mb()
    memory = {"before_mb": before, "after_mb": after, "had_library": had_library}
    return _Loaded(embedder, reranker, memory if _is_local(profile) else None)


def _embedder() -> Embedder | None:
    """The embedder, ready; ``None`` where chat would search by words alone as well."""
    try:
        embedder = get_embedder()
        if embedder is not None:
            embedder.embed_query("warm up")
    except ModelError:
        return None
    return embedder


def _is_local(profile: RerankerProfile) -> bool:
    kinds = RerankerProfile.Kind
    return profile.kind in (kinds.BUNDLED, kinds.LOCAL)


def _device(profile: RerankerProfile) -> str:
    return footprint.local_device() if _is_local(profile) else ""


def _disk(profile: RerankerProfile) -> dict[str, float | None] | None:
    if profile.kind == RerankerProfile.Kind.BUNDLED:
        own, base = footprint.bundled_mb()
        return {"mb": own, "base_mb": base}
    if profile.kind == RerankerProfile.Kind.LOCAL:
        return {"mb": footprint.local_mb(profile.model, profile.revision), "base_mb": None}
    return None


def _config(base: KnowledgeBase, profile: RerankerProfile) -> PipelineConfig:
    """As chat has it, also where the knowledge base has rerank switched off: that is the point."""
    config = pipeline_config([base], profile)
    return replace(config, rerank=True, candidates=min(base.candidates, profile.candidates))


@contextmanager
def _ground(claim: Claim, row: RerankerMeasurement, origin: dict[str, Any]) -> Iterator[_Ground]:
    if row.knowledge_base is not None:
        yield _own_ground(row, row.knowledge_base, origin)
        return
    samples = installed_samples()
    origin["basis"] = basis_of_samples(samples)
    with temporary_base("Sample documents") as (viewer, base):
        origin["scratch"] = base.slug
        claim.write(origin=origin)
        yield _index_samples(claim, samples, viewer, base)


def _own_ground(row: RerankerMeasurement, base: KnowledgeBase, origin: dict[str, Any]) -> _Ground:
    viewer = row.requested_by
    if viewer is None or not bases_of(viewer, "curator").filter(pk=base.pk).exists():
        raise CannotMeasure("not_allowed")
    questions = own_questions(base)
    if not questions:
        raise CannotMeasure("no_questions")
    origin["basis"] = basis_of_own(base, questions)
    if len(questions) > MOST_QUESTIONS:
        drawn = random.Random(SEED).sample(range(len(questions)), MOST_QUESTIONS)  # noqa: S311
        questions = [questions[place] for place in sorted(drawn)]

    def order_of(ranking: Ranking) -> list[str]:
        passages = (each.passage for each in ranking.candidates)
        return [passage_key(passage.document_id, passage.text) for passage in passages]

    return _Ground(viewer, base, questions, order_of, all_judged=False)


def _index_samples(claim: Claim, samples: SampleSet, viewer: User, base: KnowledgeBase) -> _Ground:
    claim.begin(Stage.INDEX, len(samples.documents))
    index_parsed(
        base,
        ((each.key, parse(each)) for each in samples.documents),
        on_progress=claim.progress,
        batch_size=DOCUMENTS_AT_A_TIME,
    )
    base.refresh_from_db()
    versions = DocumentVersion.objects.filter(knowledge_base=base)
    keys = dict(versions.values_list("document_id", "metadata__external_id"))
    by_key = {key: pk for pk, key in keys.items()}
    by_name = {key.rpartition("/")[2]: pk for key, pk in by_key.items()}
    for each in samples.documents:
        Document.objects.filter(pk=by_key[each.key]).update(
            effective_date=each.effective_date, superseded_by=by_name.get(each.superseded_by)
        )

    def order_of(ranking: Ranking) -> list[str]:
        return document_order(keys[each.passage.document_id] for each in ranking.candidates)

    return _Ground(viewer, base, samples.questions, order_of, all_judged=True)


def _basis(base: KnowledgeBase, questions: str) -> str:
    config = pipeline_config([base], None)
    parts = [questions, settings.RAGSITE_EMBEDDER, asdict(config.weights), config.floor]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
