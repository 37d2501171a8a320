"""Scores and reasons in words: what a factor was computed from, and why a stage did not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from documents.bases import PRESET_NAMES
from qa.configuration import wishes_of
from qa.fit import HABITS, strength
from qa.presented import FactorBar, HabitLine, PresetView, TimeNote, Timing
from qa.scoring import FACTORS, explain, preset_of
from qa.types import Factors, FactorWeights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.utils.functional import _StrPromise

    from qa.fit import Habits
    from qa.models import RankedPassage

FACTOR_NAMES: Mapping[str, _StrPromise] = {
    "relevance": gettext_lazy("relevance"),
    "completeness": gettext_lazy("completeness"),
    "readability": gettext_lazy("readability"),
    "timeliness": gettext_lazy("timeliness"),
}

REASONS: Mapping[str, _StrPromise] = {
    "dense_language": gettext_lazy(
        "Searched by words only: the embedding model does not cover this language."
    ),
    "dense_unavailable": gettext_lazy(
        "Searched by words only: the embedding model could not be used."
    ),
    "dense_no_space": gettext_lazy(
        "Searched by words only: these documents have no vectors of the model in use."
    ),
    "rerank_off": gettext_lazy("Rerank is off."),
    "rerank_language": gettext_lazy("Not reranked: the reranker does not cover this language."),
    "rerank_unavailable": gettext_lazy("Not reranked: the reranker could not be used."),
    "rerank_timeout": gettext_lazy("Not reranked: the reranker exceeded its time limit."),
    "rerank_busy": gettext_lazy(
        "Not reranked: too many questions waited for the reranker at that moment."
    ),
    "rerank_invalid": gettext_lazy("Not reranked: the reranker gave an unusable result."),
    "rerank_rate_limited": gettext_lazy(
        "Not reranked: the rerank service has had too many requests."
    ),
    "rerank_refused": gettext_lazy(
        "Not reranked: the rerank service refused the request or its key."
    ),
    "chat_model_none": gettext_lazy(
        "No language model is configured: the answer quotes the best sentences found."
    ),
    "chat_model_unavailable": gettext_lazy(
        "The language model could not be used: the answer quotes the best sentences found."
    ),
    "chat_model_timeout": gettext_lazy(
        "The language model exceeded its time limit: the answer quotes the best sentences found."
    ),
    "no_evidence": gettext_lazy("Nothing found answers the question well enough."),
    "source_erased": gettext_lazy(
        "A document that this answer was made from has been erased for good, and its text with it."
    ),
}

ERRORS: Mapping[str, _StrPromise] = {
    "no_knowledge_base": gettext_lazy(
        "You may no longer ask any of the knowledge bases of this question."
    ),
    "deadline": gettext_lazy("The answer took longer than it may. Please try again."),
    "worker_lost": gettext_lazy("The answer was interrupted twice. Please try again."),
    "model_error": gettext_lazy("A model failed. Please try again, or tell an administrator."),
    "internal": gettext_lazy("Something went wrong. Please try again, or tell an administrator."),
}

FIT_REASONS: Mapping[str, _StrPromise] = {
    "plain": gettext_lazy("you often open plainly written sources"),
    "recent": gettext_lazy("you often open recent sources"),
    "short": gettext_lazy("you often open short sources"),
    "topic": gettext_lazy("you often ask about “%(topic)s”"),
}

HABIT_NAMES: Mapping[str, _StrPromise] = {
    "plain": gettext_lazy("plainly written sources"),
    "recent": gettext_lazy("recent sources"),
    "short": gettext_lazy("short sources"),
}

FIT_PARTS: Mapping[str, _StrPromise] = {
    "plain": gettext_lazy("plain language %(strength).2f × %(value).2f"),
    "recent": gettext_lazy("recent %(strength).2f × %(value).2f"),
    "short": gettext_lazy("short %(strength).2f × %(value).2f"),
    "topic": gettext_lazy("about “%(topic)s” %(strength).2f × %(value).2f"),
}

ASPECT_NAMES: Mapping[str, _StrPromise] = {
    "person": gettext_lazy("who"),
    "time": gettext_lazy("when"),
    "place": gettext_lazy("where"),
    "number": gettext_lazy("how many"),
    "reason": gettext_lazy("why"),
    "way": gettext_lazy("how to"),
    "difference": gettext_lazy("difference"),
    "price": gettext_lazy("price"),
    "treatment": gettext_lazy("treatment"),
    "symptoms": gettext_lazy("symptoms"),
    "prevention": gettext_lazy("prevention"),
    "diagnosis": gettext_lazy("diagnosis"),
    "outlook": gettext_lazy("outlook"),
    "inheritance": gettext_lazy("inheritance"),
    "safety": gettext_lazy("safety"),
    "rule": gettext_lazy("rule"),
}
"""Of ``aspects.ASPECTS``."""

AS_CONFIGURED = "configured"
"""Value of the form field ``preset`` that takes a wish for another one back."""

STAGE_NAMES: Mapping[str, _StrPromise] = {
    "queue": gettext_lazy("waiting"),
    "embed": gettext_lazy("embed question"),
    "dense": gettext_lazy("vector search"),
    "lexical": gettext_lazy("word search"),
    "fuse": gettext_lazy("fuse"),
    "load": gettext_lazy("load passages"),
    "recall": gettext_lazy("recall in all"),
    "rerank": gettext_lazy("rerank"),
    "score": gettext_lazy("score"),
    "first_token": gettext_lazy("first word"),
    "generate": gettext_lazy("write in all"),
    "cite": gettext_lazy("check citations"),
    "total": gettext_lazy("total"),
}
"""In the order in which they happen; each sum stands behind its parts."""


def reason_sentences(reasons: Iterable[str]) -> tuple[str, ...]:
    """The stored reasons as sentences, each once, in order; unknown words are left out."""
    return tuple(str(REASONS[reason]) for reason in dict.fromkeys(reasons) if reason in REASONS)


def moved_up_words(reasons: Iterable[str]) -> str:
    """Why a source stands higher than in the neutral order; empty for no reason that is known."""
    split = (reason.partition(":") for reason in reasons)
    known = [str(FIT_REASONS[name]) % {"topic": t} for name, _c, t in split if name in FIT_REASONS]
    if not known:
        return ""
    return _("moved up: %(reasons)s") % {"reasons": _(", ").join(known)}


def fit_words(inputs: Mapping[str, Any]) -> str:
    """What a bonus of personal fit was computed from: strength of each habit times its value."""
    parts = [part for part in inputs.get("parts") or [] if part.get("habit") in FIT_PARTS]
    if not parts:
        return ""
    words = [
        str(FIT_PARTS[part["habit"]])
        % {
            "strength": float(part.get("strength") or 0.0),
            "value": float(part.get("value") or 0.0),
            "topic": part.get("topic") or "",
        }
        for part in parts
    ]
    return _("%(cap).2f × (%(parts)s), at most %(cap).2f") % {
        "cap": float(inputs.get("cap") or 0.0),
        "parts": " + ".join(words),
    }


def known_lines(habits: Habits) -> tuple[HabitLine, ...]:
    """What is known of a reader, a line a habit."""
    return tuple(
        HabitLine(
            label=str(HABIT_NAMES[name]),
            openings=(evidence := getattr(habits, name)).openings,
            lean=evidence.mean,
            strength=strength(evidence),
        )
        for name in HABITS
    )


def error_sentence(error_code: str) -> str:
    """Why an answer failed, as a sentence; empty for no code."""
    return str(ERRORS.get(error_code, ERRORS["internal"])) if error_code else ""


def timings_in_order(timings_ms: Mapping[str, float]) -> tuple[Timing, ...]:
    """The stages that ran, in the order in which they happen; an unknown one by its own name."""
    names = [name for name in STAGE_NAMES if name in timings_ms]
    unknown = [name for name in timings_ms if name not in STAGE_NAMES]
    return tuple(
        Timing(name, str(STAGE_NAMES.get(name, name.replace("_", " "))), float(timings_ms[name]))
        for name in (*names, *unknown)
    )


def weights_of(configuration: Mapping[str, Any]) -> FactorWeights:
    """The weights that an answer was ranked with; the defaults for an answer that has none."""
    stored = configuration.get("weights") or {}
    known = {name: float(stored[name]) for name in FACTORS if name in stored}
    weights = FactorWeights(**known)
    return weights if sum(getattr(weights, name) for name in FACTORS) > 0 else FactorWeights()


def time_note(configuration: Mapping[str, Any]) -> TimeNote | None:
    """What the question asked of the documents' age; ``None`` where it asked for nothing.

    None either where timeliness has no weight: then nothing counts more.
    """
    if not wishes_of(configuration).follow_time:
        return TimeNote(_("What the question says of time was left out of account."), counts=False)
    intent, words = configuration.get("time_intent"), configuration.get("time_words") or ""
    if not intent or weights_of(configuration).timeliness <= 0:
        return None
    if intent == "latest":
        sentence = _("Asked for the newest (“%(words)s”): newer documents count more.")
    else:
        sentence = _("Asked for a year (“%(words)s”): documents of about %(year)s count more.")
    return TimeNote(sentence % {"words": words, "year": intent}, counts=True)


def preset_view(configuration: Mapping[str, Any]) -> PresetView:
    """The name of the weights that were configured, and which others there are."""
    configured = weights_of({"weights": configuration.get("configured_weights")})
    current, wished = preset_of(configured), wishes_of(configuration).preset
    others = [(name, str(label)) for name, label in PRESET_NAMES.items() if name != current]
    if wished:
        others.insert(0, (AS_CONFIGURED, _("As the knowledge base is set")))
    return PresetView(
        label=str(PRESET_NAMES[current]) if current else _("Weights of the knowledge base"),
        raised=weights_of(configuration).timeliness > configured.timeliness,
        others=tuple(others),
    )


def factor_bars(passage: RankedPassage, weights: FactorWeights) -> tuple[FactorBar, ...]:
    """The four factors of a passage in the order of ``scoring.FACTORS``."""
    factors = Factors(
        relevance=passage.relevance,
        completeness=passage.completeness,
        readability=passage.readability,
        timeliness=passage.timeliness,
    )
    return tuple(
        FactorBar(
            name=part.factor,
            label=str(FACTOR_NAMES[part.factor]),
            value=part.value,
            weight=part.weight,
            contribution=part.contribution,
            words=factor_words(part.factor, passage.factor_inputs.get(part.factor) or {})
            + (_evidence_words(passage) if part.factor == "relevance" else ""),
        )
        for part in explain(factors, weights)
    )


def factor_words(factor: str, inputs: Mapping[str, Any]) -> str:
    """What a factor was computed from, as a sentence; empty when nothing is stored."""
    if factor == "relevance":
        return _relevance_words(inputs)
    if factor == "completeness":
        return _completeness_words(inputs)
    if factor == "timeliness":
        return _timeliness_words(inputs)
    return _readability_words(inputs)


def _relevance_words(inputs: Mapping[str, Any]) -> str:
    names = {
        "rerank": _("cross-encoder %(score).2f"),
        "cosine": _("cosine %(score).2f"),
        "lexical": _("word score %(score).2f"),
        "fused": _("place in search %(score).2f"),
    }
    signals = inputs.get("signals") or {}
    parts = [
        words % {"score": float(signals[key])} for key, words in names.items() if key in signals
    ]
    return _(", ").join(parts)


def _evidence_words(passage: RankedPassage) -> str:
    """What was held against the floor, where that is not the relevance itself."""
    found = (passage.factor_inputs.get("evidence") or {}).get("value")
    if found is None or abs(float(found) - passage.relevance) < 0.005:
        return ""
    return _("; without its place %(evidence).2f, which the floor judges") % {
        "evidence": float(found)
    }


def _completeness_words(inputs: Mapping[str, Any]) -> str:
    terms = inputs.get("terms") or []
    if not terms:
        return _("the question names nothing to look for") if inputs else ""
    aspects = [
        (str(ASPECT_NAMES.get(aspect["aspect"], aspect["words"])), bool(aspect["covered"]))
        for aspect in inputs.get("aspects") or []
    ]
    # Rows from before aspects were known have no credit.
    earned = [
        (str(term.get("surface", "")), float(term.get("credit", bool(term.get("covered")))))
        for term in terms
    ]
    covered = [surface for surface, credit in earned if credit == 1]
    covered += [label for label, is_covered in aspects if is_covered]
    partly = [f"{surface} {credit:.2g}" for surface, credit in earned if 0 < credit < 1]
    missing = [surface for surface, credit in earned if credit == 0]
    missing += [label for label, is_covered in aspects if not is_covered]
    parts = []
    if covered:
        parts.append(_("covers: %(terms)s") % {"terms": _(", ").join(covered)})
    if partly:
        parts.append(_("in other words: %(terms)s") % {"terms": _(", ").join(partly)})
    if missing:
        parts.append(_("lacks: %(terms)s") % {"terms": _(", ").join(missing)})
    return _("; ").join(parts)


def _readability_words(inputs: Mapping[str, Any]) -> str:
    names = {
        "words_per_sentence": _("%(value).1f words per sentence"),
        "unfamiliar_share": _("share of unfamiliar words %(value).2f"),
        "dale_chall": _("New Dale-Chall %(value).0f"),
        "syllables_per_word": _("%(value).2f syllables per word"),
        "characters_per_sentence": _("%(value).1f characters per sentence"),
        "characters_per_clause": _("%(value).1f characters per clause"),
        "rare_character_share": _("share of rare characters %(value).2f"),
        "latin_share": _("share of Latin letters %(value).2f"),
        "flesch_reading_ease": _("Flesch reading ease %(value).0f"),
        "believed": _("weighed %(value).2f for its length"),
    }
    numbers = {key: value for key, value in inputs.items() if isinstance(value, int | float)}
    known = [words % {"value": numbers[key]} for key, words in names.items() if key in numbers]
    if "words" in numbers or "characters" in numbers:
        return _("too short to measure: neutral")
    return _(", ").join(known)


def _timeliness_words(inputs: Mapping[str, Any]) -> str:
    rule = inputs.get("rule")
    if rule == "decay":
        return _("dated %(date)s, half-life %(days)d days") % {
            "date": inputs.get("effective_date"),
            "days": inputs.get("half_life_days") or 0,
        }
    if rule == "year":
        return _("dated %(date)s, %(age)d days from %(year)d, half-life %(days)d days") % {
            "date": inputs.get("effective_date"),
            "age": inputs.get("age_days") or 0,
            "year": inputs.get("year") or 0,
            "days": inputs.get("half_life_days") or 0,
        }
    if rule == "of_year":
        return _("dated %(date)s, in the year asked for") % {"date": inputs.get("effective_date")}
    if rule == "expired":
        return _("expired on %(date)s") % {"date": inputs.get("expires_at")}
    if rule == "superseded":
        return _("superseded by a newer document")
    if rule == "unknown_date":
        return _("date unknown: neutral")
    return ""
