"""The models page: each reranker with its newest figures, and what follows from them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from django.db.models import Count, F, Q

from documents.models import DocumentVersion
from qa.measured import ALL, milliseconds_in, scores_in
from qa.measurement_problems import explain
from qa.measuring import basis_of_own, basis_of_samples, installed_samples, settings_of
from qa.models import RerankerMeasurement, RerankerProfile
from qa.own_questions import own_questions
from qa.querysets import TEMPORARY, bases_of
from qa.rerankers import covers, ensure_profiles, languages_for, profile_of
from qa.sample_set import NoSampleSet
from qa.selection import Candidate, guide

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import QuerySet

    from accounts.models import User
    from documents.models import KnowledgeBase
    from documents.problems import Problem
    from qa.measured import Milliseconds, Score
    from qa.selection import Guide

State = RerankerMeasurement.State
NOTICED_SHARE = 0.1
"""A knowledge base is in a language when at least so much of its documents is."""
BUSY_LOAD_PER_CORE = 1.0
"""Above it other programs were at work, and times say less."""

Outdated = Literal["", "settings", "questions"]


@dataclass(frozen=True, slots=True)
class Ground:
    """What rerankers are measured on here: the samples, or one knowledge base's questions."""

    base: KnowledgeBase | None
    questions: int
    basis: str
    """Measurements of another basis are not comparable; ``""`` when there is nothing to ask."""

    @property
    def slug(self) -> str:
        return self.base.slug if self.base is not None else ""


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """One reranker on the page."""

    profile: RerankerProfile
    newest: RerankerMeasurement | None
    """The last one asked for, whatever became of it."""
    shown: RerankerMeasurement | None
    """The last one that was finished: where the figures come from."""
    outdated: Outdated
    """Why the figures cannot be compared with a measurement of today."""
    languages: tuple[str, ...]
    """That it covers; empty means any."""
    used_by: tuple[KnowledgeBase, ...]
    uncovered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a knowledge base that uses it -> languages of that one which it does not cover."""

    @property
    def is_unfinished(self) -> bool:
        return self.newest is not None and not self.newest.is_final

    @property
    def problem(self) -> Problem | None:
        """Why the last one came to nothing; ``None`` when it did not, or still runs."""
        if self.newest is None or self.newest.state != State.FAILED:
            return None
        return explain(self.newest.error_code)

    @property
    def score(self) -> Score | None:
        return self._scores.get(ALL)

    @property
    def language_scores(self) -> list[tuple[str, Score]]:
        return [(name, score) for name, score in self._scores.items() if name != ALL]

    @property
    def milliseconds(self) -> Milliseconds | None:
        return milliseconds_in(self.shown.figures) if self.shown is not None else None

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why it did not run for some questions, and for how many."""
        return sorted(self.shown.figures.get("reasons", {}).items()) if self.shown else []

    @property
    def judged(self) -> float | None:
        """Mean share of the first ten passages that somebody judged, in [0, 1]."""
        return self.shown.figures.get("judged") if self.shown is not None else None

    @property
    def added_mb(self) -> int | None:
        """By how much the program grew when it loaded the reranker."""
        memory = self._origin.get("memory") or {}
        if memory.get("after_mb") is None or memory.get("before_mb") is None:
            return None
        return max(0, int(memory["after_mb"]) - int(memory["before_mb"]))

    @property
    def disk(self) -> Mapping[str, Any]:
        return self._origin.get("disk") or {}

    @property
    def was_busy(self) -> bool:
        machine = self._origin.get("machine") or {}
        return bool(machine) and machine["load"] > BUSY_LOAD_PER_CORE * machine["cores"]

    @property
    def _origin(self) -> Mapping[str, Any]:
        return self.shown.origin if self.shown is not None else {}

    @property
    def _scores(self) -> Mapping[str, Score]:
        return scores_in(self.shown.figures) if self.shown is not None else {}


@dataclass(frozen=True, slots=True)
class Comparison:
    ground: Ground
    rows: tuple[MeasuredRow, ...]
    guide: Guide


def ground_of(base: KnowledgeBase | None) -> Ground:
    """What can be asked now, and how its figures are told from those of other questions."""
    if base is not None:
        questions = own_questions(base)
        return Ground(base, len(questions), basis_of_own(base, questions) if questions else "")
    try:
        samples = installed_samples()
    except NoSampleSet:
        return Ground(None, 0, "")
    return Ground(None, len(samples.questions), basis_of_samples(samples))


def compare(viewer: User, base: KnowledgeBase | None) -> Comparison:
    """All rerankers that may be chosen, as measured on ``base`` or on the samples.

    That the viewer may see this is asked before. Knowledge bases are named only where the viewer
    curates them.
    """
    ensure_profiles()
    ground = ground_of(base)
    profiles = RerankerProfile.objects.filter(is_enabled=True).order_by("-is_default", "name")
    rows = _rows(viewer, ground, profiles)
    candidates = [
        Candidate(
            name=row.profile.name,
            languages=row.languages,
            scores=dict(row.language_scores),
            milliseconds=row.milliseconds.median if row.milliseconds else None,
        )
        for row in rows
        if row.shown is not None and not row.outdated
    ]
    return Comparison(ground, rows, guide(candidates, [row.profile.name for row in rows]))


def row_of(viewer: User, profile: RerankerProfile, base: KnowledgeBase | None) -> MeasuredRow:
    """One row of ``compare``.

    While it is measured nothing is said of older figures being outdated: such a row is asked for
    every two seconds, and a knowledge base's questions may be many.
    """
    running = RerankerMeasurement.objects.readable_by(viewer).filter(
        profile=profile, knowledge_base=base, state__in=RerankerMeasurement.UNFINISHED
    )
    if not running.exists():
        return _rows(viewer, ground_of(base), [profile])[0]
    (row,) = _rows(viewer, Ground(base, 0, ""), [profile])
    return replace(row, outdated="")


def curated_by(viewer: User) -> QuerySet[KnowledgeBase]:
    """Knowledge bases to name on the viewer's page, by name.

    Administrators see temporary ones of evaluations too, which nobody means to use.
    """
    temporary = Q(slug__startswith=TEMPORARY, slug=F("created_by__username"))
    return bases_of(viewer, "curator").exclude(temporary).order_by("name", "pk")


def languages_of(bases: Iterable[KnowledgeBase]) -> dict[int, tuple[str, ...]]:
    """Knowledge base id -> the languages of its documents, the most frequent first."""
    counted = (
        DocumentVersion.objects.filter(
            knowledge_base__in=[base.pk for base in bases],
            document__current_version=F("pk"),
            document__deleted_at=None,
        )
        .exclude(language="")
        .values_list("knowledge_base", "language")
        .annotate(documents=Count("pk"))
    )
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for pk, language, documents in counted:
        found[pk].append((documents, language))
    return {
        pk: tuple(
            language
            for documents, language in sorted(some, key=lambda each: (-each[0], each[1]))
            if documents >= NOTICED_SHARE * sum(count for count, _ in some)
        )
        for pk, some in found.items()
    }


def _rows(
    viewer: User, ground: Ground, profiles: Iterable[RerankerProfile]
) -> tuple[MeasuredRow, ...]:
    curated = list(curated_by(viewer))
    used: dict[int, list[KnowledgeBase]] = defaultdict(list)
    for base in curated:
        chosen = profile_of(base)
        if chosen is not None and base.rerank_enabled:
            used[chosen.pk].append(base)
    spoken = languages_of(curated)
    made = RerankerMeasurement.objects.readable_by(viewer).filter(knowledge_base=ground.base)
    return tuple(
        _row(ground, profile, made.filter(profile=profile), used[profile.pk], spoken)
        for profile in profiles
    )


def _row(
    ground: Ground,
    profile: RerankerProfile,
    made: Any,
    used_by: Sequence[KnowledgeBase],
    spoken: Mapping[int, tuple[str, ...]],
) -> MeasuredRow:
    newest = made.order_by("-created_at", "-pk").first()
    shown = made.filter(state=State.DONE).order_by("-finished_at", "-pk").first()
    languages = languages_for(profile)
    uncovered = {
        base.name: tuple(name for name in spoken.get(base.pk, ()) if not covers(profile, name))
        for base in used_by
    }
    return MeasuredRow(
        profile=profile,
        newest=newest,
        shown=shown,
        outdated=_outdated(ground, profile, shown),
        languages=languages,
        used_by=tuple(used_by),
        uncovered={name: missing for name, missing in uncovered.items() if missing},
    )


def _outdated(
    ground: Ground, profile: RerankerProfile, shown: RerankerMeasurement | None
) -> Outdated:
    if shown is None:
        return ""
    if shown.origin.get("settings") != settings_of(profile):
        return "settings"
    return "" if shown.origin.get("basis") == ground.basis else "questions"
