"""An answer as one viewer may see it: plain values for templates and terminals.

``presentation`` makes them after it has asked what the viewer may read; nothing here holds text
of a document that they may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from django.utils.safestring import SafeString

    from qa.models import Question
    from qa.movements import Movement


@dataclass(frozen=True, slots=True)
class FactorBar:
    """One factor of one passage: what it adds to the final score, and from what."""

    name: str
    """``relevance``, ``completeness``, ``readability`` or ``timeliness``."""
    label: str
    value: float
    """In [0, 1]."""
    weight: float
    contribution: float
    """``value`` times the weight over the sum of weights; the four add up to the final score."""
    words: str
    """The inputs as a sentence."""

    @property
    def percent(self) -> int:
        """The value as a whole number from 0 to 100, for the length of a bar."""
        return round(self.value * 100)

    @property
    def contribution_percent(self) -> int:
        """The contribution as a whole number from 0 to 100, for the length of a bar."""
        return round(self.contribution * 100)


@dataclass(frozen=True, slots=True)
class CitationView:
    """One sentence resting on one source, with the words of the source that bear it."""

    citation_id: int
    marker: int
    sentence: str
    quote: str
    start: int
    """Of the quote in the document's text, in characters; see ``SourceView.start``."""
    end: int
    support: float
    verdict: str
    """A value of ``Citation.Verdict``."""
    href: str


@dataclass(frozen=True, slots=True)
class FitView:
    """What personal fit does to one source, in the order that makes use of it."""

    neutral_rank: int
    bonus: float
    """Added to the final score, in [0, ``fit.CAP``]."""
    moved_up: str
    """Why it stands higher than in the neutral order, as a sentence; empty where it does not."""
    words: str
    """What the bonus was computed from."""


@dataclass(frozen=True, slots=True)
class HabitLine:
    """One habit of a reader, for their own page."""

    label: str
    openings: int
    """How many say something of it."""
    lean: float
    """The mean of what they say, in [-1, 1]."""
    strength: float
    """How far it counts, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class OrderView:
    """An answer whose sources the asker's habits have ordered."""

    is_neutral: bool
    """Whether the order without them is shown, as the asker wished."""
    moved: int
    """Sources of the answer that stand higher than in the neutral order; 0 when it is shown."""


@dataclass(frozen=True, slots=True)
class SourceView:
    """One ranked passage. When not ``is_open`` it has its ranks and nothing else."""

    passage_id: int
    is_open: bool
    number: int | None
    """The ``[n]`` that the answer may cite it by; ``None`` for one not handed to the generator."""
    final_rank: int
    """The place in the order that is shown."""
    fused_rank: int
    movement: Movement
    """What rerank did to it, from the fused to the neutral order."""
    title: str = ""
    tags: tuple[str, ...] = ()
    """Of the document today."""
    heading_path: tuple[str, ...] = ()
    text: str = ""
    page: int | None = None
    document_id: int | None = None
    chunk_id: int | None = None
    start: int = 0
    """Offset of the passage in the document's text, in characters."""
    end: int = 0
    language: str = ""
    effective_date: date | None = None
    href: str = ""
    above_floor: bool = True
    dense_rank: int | None = None
    lexical_rank: int | None = None
    rerank_rank: int | None = None
    cosine: float | None = None
    lexical_score: float | None = None
    fused_score: float | None = None
    rerank_score: float | None = None
    final_score: float | None = None
    factors: tuple[FactorBar, ...] = ()
    citations: tuple[CitationView, ...] = ()
    fit: FitView | None = None
    """For the asker alone, and only where personal fit has a say in the order shown."""

    @property
    def is_cited(self) -> bool:
        return bool(self.citations)


@dataclass(frozen=True, slots=True)
class Rankings:
    """The same candidates in two orders, and what rerank changed among the sources."""

    with_rerank: tuple[SourceView, ...]
    """By the rank that is shown, the first ones."""
    without_rerank: tuple[SourceView, ...]
    """By fused rank, the first ones."""
    changed: int
    """"``changed`` of ``top`` sources changed": in the neutral top, not in the fused top."""
    moved: int
    """Of the neutral top, those whose place is another than in the fused order."""
    top: int
    was_reranked: bool


@dataclass(frozen=True, slots=True)
class TimeNote:
    """That the question asked for the newest or a year, and whether that counted."""

    sentence: str
    counts: bool
    """Else the asker wished it left out of account."""


@dataclass(frozen=True, slots=True)
class PresetView:
    """The kind of weights that ranked an answer, and the others it can be ranked by."""

    label: str
    raised: bool
    """Whether the question raised the weight of timeliness above what was configured."""
    others: tuple[tuple[str, str], ...]
    """Value of the form field ``preset`` and its label."""


@dataclass(frozen=True, slots=True)
class Timing:
    name: str
    label: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class AnswerView:
    """Everything a page needs of one answer, already filtered for its viewer."""

    answer_id: int
    question_id: int
    question: str
    state: str
    state_label: str
    is_final: bool
    kind: str
    with_rerank: bool
    html: SafeString
    """Safe HTML with linked citations; empty while nothing is saved."""
    text: str
    """The same as plain text with ``[n]`` markers, for terminals and exports."""
    withheld_sentences: int
    closed_sources: int
    """Sources, i.e. passages handed to the generator, that the viewer may not open."""
    no_evidence: bool
    sources: tuple[SourceView, ...]
    """What the answer was made from, by number."""
    nearest: tuple[SourceView, ...]
    """The best open passages when there is no evidence, else empty."""
    rankings: Rankings
    timings: tuple[Timing, ...]
    reasons: tuple[str, ...]
    """Translated sentences: why a stage did not run as configured."""
    error: str
    """Translated sentence for a failed answer, else empty."""
    generator: str
    is_extractive: bool
    reranker: str
    reranker_revision: str
    embedding_model: str
    order: OrderView | None = None
    """For the asker alone, when personal fit had a say; else the order is neutral anyway."""
    learns: bool = False
    """Whether opening a source is to be told to the server: the asker agreed to that."""
    time_note: TimeNote | None = None
    preset: PresetView | None = None
    """``None`` where no cross-encoder read the passages: then no weight has a say."""


@dataclass(frozen=True, slots=True)
class TurnView:
    """A question of a conversation and its answers, the newest last."""

    question: Question
    answers: tuple[AnswerView, ...]

    @property
    def latest(self) -> AnswerView | None:
        return self.answers[-1] if self.answers else None
