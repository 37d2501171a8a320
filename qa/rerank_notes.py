"""What those who look after a knowledge base should know of its reranker, in words.

Whether questions go without it, time after time; whether it reads the language of the documents;
whether it is fast enough here; and what else could be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from qa.comparison import languages_of
from qa.guidance import language_names
from qa.models import Answer, RerankerProfile
from qa.ranking import TRIED
from qa.rerankers import ENOUGH_CANDIDATES, chosen_by, covers, languages_for, passed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.utils.functional import _StrPromise

    from documents.models import KnowledgeBase

STREAK = 3
"""So many answers in a row without rerank are no accident."""

FAILING: Mapping[str, _StrPromise] = {
    "rerank_timeout": gettext_lazy(
        "The last three questions went without rerank: “%(name)s” needed more than its %(seconds)s"
        " seconds. Choose a faster reranker or fewer candidates in the settings, or ask an"
        " administrator to raise its time limit."
    ),
    "rerank_busy": gettext_lazy(
        "The last three questions went without rerank: too many others waited for “%(name)s”."
        " Choose a faster reranker or fewer candidates in the settings, or ask an administrator"
        " for more workers or a faster machine."
    ),
    "rerank_unavailable": gettext_lazy(
        "The last three questions went without rerank: “%(name)s” could not be used. Ask an"
        " administrator to look at its server or files, or choose another reranker in the settings."
    ),
    "rerank_rate_limited": gettext_lazy(
        "The last three questions went without rerank: the service behind “%(name)s” has had too"
        " many requests. Choose another reranker in the settings, or ask an administrator to raise"
        " the limit there."
    ),
    "rerank_refused": gettext_lazy(
        "The last three questions went without rerank: the service behind “%(name)s” refused the"
        " requests. Ask an administrator to check its key, model and address."
    ),
    "rerank_invalid": gettext_lazy(
        "The last three questions went without rerank: “%(name)s” gave unusable results. Ask an"
        " administrator to check its dialect and scores, or choose another one in the settings."
    ),
}

TRIAL_ERRORS: Mapping[str, _StrPromise] = {
    "model_unavailable": gettext_lazy("it could not be reached or loaded"),
    "model_timeout": gettext_lazy("it did not answer within the time limit"),
    "model_busy": gettext_lazy("too many questions waited for it already"),
    "model_error": gettext_lazy("it failed"),
    "model_rate_limited": gettext_lazy("it has had too many requests"),
    "model_refused": gettext_lazy("it refused the request: check model, address and dialect"),
    "model_key_refused": gettext_lazy("it did not accept the key"),
    "model_key_missing": gettext_lazy("there is no usable key where the row says"),
    "invalid_model_response": gettext_lazy(
        "its answer could not be used: check dialect and scores"
    ),
}


@dataclass(frozen=True, slots=True)
class RerankNotes:
    """Sentences for the top of a knowledge base's pages; empty where all is well."""

    failing: str = ""
    uncovered: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A reranker that a knowledge base may choose; an empty name stands for the default."""

    name: str
    label: str
    is_chosen: bool
    languages: str = ""
    speed: str = ""
    warnings: tuple[str, ...] = ()


def notes_for(base: KnowledgeBase) -> RerankNotes:
    """What its curators should know now. Nothing where rerank is off or there is no reranker."""
    profile = chosen_by(base) if base.rerank_enabled else None
    if profile is None:
        return RerankNotes()
    missing = _uncovered(profile, languages_of([base]).get(base.pk, ()))
    uncovered = ""
    if missing:
        uncovered = _(
            "The reranker “%(name)s” does not cover %(languages)s: questions in it keep the order"
            " without rerank. Another one can be chosen in the settings."
        ) % {"name": profile.name, "languages": language_names(missing)}
    return RerankNotes(failing=_failing(base, profile), uncovered=uncovered)


def choices_for(base: KnowledgeBase | None, chosen: str) -> list[Choice]:
    """All that may be chosen, the default first, each with what speaks against it here.

    ``chosen`` is the name at hand: the stored one, or the one that was just sent.
    """
    spoken = languages_of([base]).get(base.pk, ()) if base is not None else ()
    rows = list(RerankerProfile.objects.filter(is_enabled=True).order_by("-is_default", "name"))
    default = next((row for row in rows if row.is_default), None)
    named = _("The default: %(name)s") % {"name": default.name} if default else _("The default")
    choices = [Choice("", named, not chosen, warnings=_warnings(default, spoken))]
    choices += [
        Choice(
            name=row.name,
            label=row.name,
            is_chosen=row.name == chosen,
            languages=language_names(languages_for(row)) or _("any language"),
            speed=trial_words(row),
            warnings=_warnings(row, spoken),
        )
        for row in rows
    ]
    if chosen and not any(each.is_chosen for each in choices):
        gone = _("It is not there any more, so the default is used.")
        choices.append(Choice(chosen, chosen, is_chosen=True, warnings=(gone,)))
    return choices


def trial_words(profile: RerankerProfile) -> str:
    """What the trial said, as a sentence."""
    if profile.probe_wanted_at is not None:
        return _("The trial waits for a worker, or is under way.")
    probe = profile.probe or {}
    if not probe:
        return _("Not tried yet.")
    if probe.get("error"):
        error = TRIAL_ERRORS.get(str(probe["error"]), probe["error"])
        return _("The trial failed: %(error)s.") % {"error": error}
    count = int(probe.get("candidates", 0))
    return ngettext(
        "This machine reranks %(count)d candidate within the limit.",
        "This machine reranks %(count)d candidates within the limit.",
        count,
    ) % {"count": count}


def slow_words(profile: RerankerProfile) -> str:
    """The warning for one that is too slow, or that reads fewer than its row asks for."""
    if profile.probe_wanted_at is not None or not profile.probe or profile.probe.get("error"):
        return ""
    if not passed(profile):
        return _(
            "Fewer than %(count)d candidates: too slow to be the default. Raise its time limit, or"
            " run it on faster hardware."
        ) % {"count": ENOUGH_CANDIDATES}
    if profile.probe["candidates"] < profile.candidates:
        return _(
            "Its row asks for %(count)d candidates: such questions will exceed the limit. Lower"
            " the number or raise the limit."
        ) % {"count": profile.candidates}
    return ""


def _failing(base: KnowledgeBase, profile: RerankerProfile) -> str:
    """Why the last answers from this base went without rerank; empty after a success."""
    tried = Answer.objects.filter(
        Q(was_reranked=True) | Q(reasons__overlap=sorted(TRIED)),
        knowledge_bases=base,
        with_rerank=True,
        ranked_at__isnull=False,
        configuration__reranker_profile=profile.name,
        # Of several knowledge bases asked together, the first one's reranker is used.
        configuration__knowledge_bases__0=base.pk,
    )
    latest = list(
        tried.order_by("-ranked_at", "-pk").values_list("was_reranked", "reasons")[:STREAK]
    )
    if len(latest) < STREAK or any(was_reranked for was_reranked, _reasons in latest):
        return ""
    reason = next(each for each in latest[0][1] if each in TRIED)
    return str(FAILING[reason]) % {
        "name": profile.name,
        "seconds": f"{profile.time_limit_ms / 1000:g}",
    }


def _uncovered(profile: RerankerProfile, spoken: Sequence[str]) -> list[str]:
    return [language for language in spoken if not covers(profile, language)]


def _warnings(profile: RerankerProfile | None, spoken: Sequence[str]) -> tuple[str, ...]:
    if profile is None:
        return ()
    missing = _uncovered(profile, spoken)
    found = []
    if missing:
        languages = language_names(missing)
        found.append(_("Does not cover %(languages)s.") % {"languages": languages})
    if slow := slow_words(profile):
        found.append(slow)
    return tuple(found)
