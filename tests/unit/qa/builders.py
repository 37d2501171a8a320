"""Passages, candidates and small fakes for the tests of the pure half of ``qa``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from documents.analysis import analyze, content_terms, detect_language
from inference.errors import ModelError
from inference.ports import Calibration, ChatMessage, RerankerCard
from qa.types import Factors, Passage, QuestionTerm, RankedCandidate, Recalled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def passage(text: str = "Text.", *, chunk_id: int = 1, **fields: Any) -> Passage:
    """A passage of a document of its own, found by nothing unless told otherwise."""
    made = Passage(
        chunk_id=chunk_id,
        document_id=chunk_id * 10,
        version_id=chunk_id * 100,
        knowledge_base_id=1,
        title="",
        heading_path=(),
        text=text,
        start=0,
        end=len(text),
        page=None,
        language="en",
        readability=0.5,
        readability_inputs={},
        effective_date=None,
        expires_at=None,
        superseded=False,
        fused_rank=chunk_id,
    )
    return replace(made, **fields)


def candidate(source: Passage, *, relevance: float = 0.9, rank: int = 1) -> RankedCandidate:
    return RankedCandidate(
        passage=source,
        rerank_score=1.0,
        rerank_rank=rank,
        factors=Factors(relevance, 1.0, 0.5, 0.5),
        final_score=relevance,
        final_rank=rank,
        above_floor=relevance >= 0.15,
    )


def question_terms(question: str, idf: float = 2.0) -> tuple[QuestionTerm, ...]:
    return tuple(QuestionTerm(term, surface, idf) for term, surface in content_terms(question))


def recalled(question: str, passages: Sequence[Passage], **fields: Any) -> Recalled:
    return Recalled(
        passages=tuple(passages),
        question_terms=question_terms(question),
        language=fields.pop("language", detect_language(question)),
        **fields,
    )


@dataclass
class ScriptedReranker:
    """Scores by a function of the passage text, or raises; remembers what it was asked."""

    scores: Callable[[str], float] = lambda _: 0.0
    languages: tuple[str, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    unknown: float = 0.0
    error: ModelError | None = None
    extra: int = 0
    """How many scores too many it returns."""
    calls: list[tuple[str, tuple[str, ...], float]] = field(default_factory=list)

    @property
    def card(self) -> RerankerCard:
        return RerankerCard(
            "scripted", "none", "r1", languages=self.languages, calibrations=self.calibrations
        )

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        self.calls.append((question, tuple(passages), time_limit_s))
        if self.error is not None:
            raise self.error
        return [self.scores(text) for text in passages] + [0.0] * self.extra

    def unknown_share(self, text: str) -> float:
        return self.unknown


@dataclass
class ScriptedChatModel:
    """Yields its pieces, then raises its error if it has one; remembers the messages."""

    pieces: Sequence[str] = ()
    error: ModelError | None = None
    name: str = "scripted-chat"
    received: list[tuple[ChatMessage, ...]] = field(default_factory=list)
    closed: bool = False

    def stream(
        self, messages: Sequence[ChatMessage], *, max_tokens: int, time_limit_s: float
    ) -> Iterator[str]:
        self.received.append(tuple(messages))
        try:
            yield from self.pieces
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


@dataclass
class ListRetriever:
    """Recalls passages that share a token with the question, in the order given."""

    passages: Sequence[Passage]
    asked: list[tuple[str, int]] = field(default_factory=list)

    def recall(self, question: str, limit: int) -> Recalled:
        self.asked.append((question, limit))
        wanted = {term.token for term in question_terms(question)}
        found = [each for each in self.passages if wanted & set(analyze(each.text))]
        return recalled(question, found[:limit], timings_ms={"lexical": 1.0})


@dataclass
class SteppingClock:
    """Moves on by ``step`` seconds each time it is read."""

    step: float = 0.0
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now
