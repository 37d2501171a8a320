"""The figures of one reranker in words, for its place on the models page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from qa.explanations import REASONS
from qa.guidance import gain_words, language_name, language_names, milliseconds_words, signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qa.comparison import MeasuredRow
    from qa.measured import Score
    from qa.models import RerankerMeasurement

Mood = Literal["ok", "bad", ""]
ENOUGH_JUDGED = 0.8
"""Below this share of the first ten the grades say too little of them."""


@dataclass(frozen=True, slots=True)
class LanguageWords:
    name: str
    questions: int
    reranked: int
    blended: str
    without: str
    gain: str


@dataclass(frozen=True, slots=True)
class RowWords:
    """What is shown of one measurement, each part ready to be printed."""

    gain: str
    mood: Mood
    verdict: str
    blended: str
    without: str
    relevance: str
    languages: tuple[LanguageWords, ...]
    time: str
    time_note: str
    memory: str
    memory_note: str
    size: str
    remarks: tuple[str, ...]
    """Why the figures say less than they seem to."""
    origin: tuple[tuple[str, str], ...]


def row_words(row: MeasuredRow) -> RowWords | None:
    """``None`` before the first measurement was finished."""
    score = row.score
    if score is None or row.shown is None:
        return None
    mood, verdict = _verdict(score)
    memory, memory_note = _memory(row)
    return RowWords(
        gain=gain_words(score),
        mood=mood,
        verdict=verdict,
        blended=f"{score.blended:.3f}",
        without=f"{score.without:.3f}",
        relevance=f"{score.relevance:.3f}",
        languages=tuple(_language(name, each) for name, each in row.language_scores),
        time=milliseconds_words(row.milliseconds.median if row.milliseconds else None),
        time_note=_time_note(row),
        memory=memory,
        memory_note=memory_note,
        size=_size(row.disk),
        remarks=tuple(_remarks(row)),
        origin=tuple(_origin(row.shown)),
    )


def covered_words(row: MeasuredRow) -> str:
    """The languages that it covers."""
    return language_names(row.languages) if row.languages else _("any language")


def uncovered_words(row: MeasuredRow) -> list[str]:
    """A sentence for each knowledge base that uses it and is in a language it does not cover."""
    sentence = _(
        "“%(base)s” uses it, and it does not cover %(languages)s: such questions keep the order "
        "without rerank."
    )
    return [
        sentence % {"base": name, "languages": language_names(missing)}
        for name, missing in row.uncovered.items()
    ]


def _verdict(score: Score) -> tuple[Mood, str]:
    if score.gain.low > 0:
        return "ok", _("a certain gain")
    if score.gain.high < 0:
        return "bad", _("a certain loss")
    return "", _("no certain gain")


def _language(code: str, score: Score) -> LanguageWords:
    return LanguageWords(
        name=language_name(code),
        questions=score.questions,
        reranked=score.reranked,
        blended=f"{score.blended:.3f}",
        without=f"{score.without:.3f}",
        gain=gain_words(score) if score.reranked else signed(score.gain.mean),
    )


def _time_note(row: MeasuredRow) -> str:
    taken = row.milliseconds
    if taken is None:
        return _("It ran to its end for no question.")
    return _(
        "median of %(rankings)d rankings of %(passages)d passages; 95 of 100 within %(p95)s"
    ) % {
        "rankings": taken.rankings,
        "passages": taken.passages,
        "p95": milliseconds_words(taken.p95),
    }


def _memory(row: MeasuredRow) -> tuple[str, str]:
    memory: Mapping[str, Any] = row.shown.origin.get("memory") or {} if row.shown else {}
    if row.added_mb is None:
        return "–", _("It does not run on this machine, or the system does not say.")
    note = _("the program grew from %(before)d to %(after)d MB when it was loaded and run once") % {
        "before": memory["before_mb"],
        "after": memory["after_mb"],
    }
    if not memory.get("had_library"):
        note = _("%(note)s, the model library included") % {"note": note}
    if row.shown is not None and row.shown.origin.get("device") not in ("", "CPU"):
        note = _("%(note)s; memory of the GPU is not counted") % {"note": note}
    return _("%(number)d MB more") % {"number": row.added_mb}, note


def _size(disk: Mapping[str, Any]) -> str:
    if disk.get("mb") is None:
        return "–"
    if disk.get("base_mb"):
        return _("%(own)d MB, and %(base)d MB of the base model that it shares") % {
            "own": round(disk["mb"]),
            "base": round(disk["base_mb"]),
        }
    return _("%(number)d MB") % {"number": round(disk["mb"])}


def _remarks(row: MeasuredRow) -> Iterator[str]:
    if row.outdated == "settings":
        yield _("The reranker's settings have changed since. Measure again.")
    if row.outdated == "questions":
        yield _("The questions, the index or the weights have changed since. Measure again.")
    for reason, count in row.reasons:
        counted = ngettext("%(count)d question:", "%(count)d questions:", count) % {"count": count}
        yield f"{counted} {REASONS.get(reason, reason)}"
    if row.judged is not None and row.judged < ENOUGH_JUDGED:
        yield _(
            "Of the first ten passages %(share)d%% were judged; the others count as beside the "
            "point. Grade more sources in review before trusting a small difference."
        ) % {"share": round(100 * row.judged)}
    if row.was_busy:
        yield _("The machine was busy with other work: the times may be too long.")


def _origin(shown: RerankerMeasurement) -> Iterator[tuple[str, str]]:
    origin = shown.origin
    machine = origin.get("machine") or {}
    version = " ".join(part for part in (origin.get("version"), origin.get("commit")) if part)
    finished = shown.finished_at
    lines = {
        _("Measured"): date_format(localtime(finished), "DATETIME_FORMAT") if finished else "",
        _("Reranker"): origin.get("reranker", ""),
        _("Embedder"): origin.get("embedder", ""),
        _("Version"): version,
        _("Processor"): machine.get("processor", ""),
        _("Cores"): str(machine.get("cores", "")),
        _("Instructions"): ", ".join(machine.get("instructions", [])),
        _("Runs on"): origin.get("device") or _("a server"),
        _("Load before"): str(machine.get("load", "")),
        _("Passages"): str((origin.get("settings") or {}).get("candidates", "")),
        _("Time limit"): milliseconds_words((origin.get("settings") or {}).get("time_limit_ms")),
    }
    yield from ((label, value) for label, value in lines.items() if value)
