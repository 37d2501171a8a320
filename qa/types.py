"""Values that cross layers inside ``qa``. Frozen, plain, no Django.

A type stands for a level of trust: only ``recall`` makes a ``Passage``, after the database has
checked that the viewer may read it, and only a ``Passage`` may reach a prompt or a page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

Reason = Literal[
    "",
    "dense_language",
    "dense_unavailable",
    "dense_no_space",
    "rerank_off",
    "rerank_language",
    "rerank_unavailable",
    "rerank_timeout",
    "rerank_busy",
    "rerank_invalid",
    "rerank_rate_limited",
    "rerank_refused",
    "chat_model_none",
    "chat_model_unavailable",
    "chat_model_timeout",
    "no_evidence",
]
"""Why a stage did not run as configured. Stored on the answer and shown in words."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that the viewer may read, as it was when recalled, with its first-stage scores."""

    chunk_id: int
    document_id: int
    version_id: int
    knowledge_base_id: int
    title: str
    heading_path: tuple[str, ...]
    text: str
    start: int
    end: int
    page: int | None
    language: str
    readability: float
    readability_inputs: Mapping[str, float]
    effective_date: date | None
    expires_at: date | None
    superseded: bool
    cosine: float | None = None
    lexical_score: float | None = None
    lexical_share: float | None = None
    dense_rank: int | None = None
    lexical_rank: int | None = None
    fused_rank: int | None = None
    fused_score: float = 0.0


@dataclass(frozen=True, slots=True)
class QuestionTerm:
    """A content term of the question with its inverse document frequency (natural log, >= 0)."""

    token: str
    surface: str
    idf: float


@dataclass(frozen=True, slots=True)
class Recalled:
    """The fused candidates of one question, best first, and what kept a leg out."""

    passages: tuple[Passage, ...]
    question_terms: tuple[QuestionTerm, ...]
    language: str
    reasons: tuple[Reason, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FactorWeights:
    """Weights of the final score; they need not sum to 1, the blend divides by their sum."""

    relevance: float = 0.40
    completeness: float = 0.30
    readability: float = 0.20
    timeliness: float = 0.10


@dataclass(frozen=True, slots=True)
class Factors:
    """The four factors, each in [0, 1], and what each was computed from (JSON-ready)."""

    relevance: float
    completeness: float
    readability: float
    timeliness: float
    inputs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By factor; and ``evidence``, what was held against the floor, with its ``value``."""


@dataclass(frozen=True, slots=True)
class RankedCandidate:
    """A passage with everything the ranking stages said of it. Ranks are 1-based."""

    passage: Passage
    rerank_score: float | None
    """The cross-encoder's raw score; ``None`` when it did not run."""
    rerank_rank: int | None
    """Rank by calibrated relevance; ``None`` when the reranker did not run."""
    factors: Factors
    final_score: float
    """Without personal fit: the blend of the four factors."""
    final_rank: int
    """The place in the order that the reader gets, personal fit included."""
    above_floor: bool
    neutral_rank: int | None = None
    """The place without personal fit; ``None`` where none was applied: the final rank is it."""
    fit_bonus: float = 0.0
    """What personal fit added to the final score, in [0, ``fit.CAP``]."""
    fit_reasons: tuple[str, ...] = ()
    """Why personal fit moved it up, as ``fit`` words it; empty when it did not."""
    fit_inputs: Mapping[str, object] = field(default_factory=dict)
    """What the bonus was computed from (JSON-ready)."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """All candidates in final order, the weights and the floor that made it."""

    candidates: tuple[RankedCandidate, ...]
    weights: FactorWeights
    """As used: with timeliness raised where ``time_intent`` is set."""
    floor: float
    reranked: bool
    reranker: str = ""
    reranker_revision: str = ""
    reasons: tuple[Reason, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    time_intent: str = ""
    """What the question asked of the documents' age: ``""``, ``latest``, or a year as text."""
    time_words: str = ""
    """The words of the question that asked for it."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an asker wants otherwise than the knowledge base has it, for one answer."""

    follow_time: bool = True
    """Whether "latest" or a year in the question counts."""
    preset: str = ""
    """A name of ``scoring.PRESETS``; empty keeps the weights of the knowledge base."""


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """One answer's whole configuration; stored with it, so that it can be replayed."""

    candidates: int = 30
    """Passages handed to the reranker."""
    sources: int = 5
    """Passages handed to the chat model."""
    rerank: bool = True
    rerank_time_limit_s: float = 10.0
    weights: FactorWeights = FactorWeights()
    follow_time: bool = True
    """Whether "latest" or a year in the question raises the weight of timeliness."""
    floor: float = 0.15
    half_life_days: int = 1095
    answer_max_tokens: int = 700
    answer_time_limit_s: float = 120.0
    context_tokens: int = 3000


Support = Literal["supported", "partly", "unsupported"]


@dataclass(frozen=True, slots=True)
class CitationDraft:
    """One sentence of the answer citing one source, resolved to a span of the passage's text."""

    sentence_index: int
    sentence: str
    marker: int
    """The number shown in brackets: 1-based position among the answer's sources."""
    chunk_id: int
    start: int
    end: int
    """The supporting span, in characters of the passage's text."""
    support: float
    """Lexical or semantic overlap of the sentence with the span, in [0, 1]."""
    verdict: Support


@dataclass(frozen=True, slots=True)
class AnswerDraft:
    """The finished text with ``[n]`` markers, its resolved citations, and how it was made."""

    text: str
    citations: tuple[CitationDraft, ...]
    generator: str
    """The chat model's name, or ``extractive``."""
    no_evidence: bool = False
    reasons: tuple[Reason, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
