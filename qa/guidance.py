"""The selection guide in words: each sentence holds the figures that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from babel import Locale
from django.utils.formats import number_format
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from qa.selection import AS_GOOD_AS, FEWEST_QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qa.measured import Score
    from qa.selection import Advice, Choice, Guide

Mood = Literal["ok", "warn", "info", ""]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One line of the guide. ``label`` says what it is about; ``name`` is a reranker, or empty."""

    label: str
    name: str
    text: str
    mood: Mood = ""


@dataclass(frozen=True, slots=True)
class LanguageGuide:
    """What to do for questions in one language, in the order to be read."""

    language: str
    sentences: tuple[Sentence, ...]


def guide_words(guide: Guide) -> tuple[LanguageGuide, ...]:
    """The advice by language; what was not measured yet is said by ``unmeasured_words``."""
    return tuple(
        LanguageGuide(language_name(each.language), tuple(_sentences(each)))
        for each in guide.advice
    )


def unmeasured_words(guide: Guide) -> str:
    """Names of the rerankers without comparable figures; empty when there are none."""
    if not guide.unmeasured:
        return ""
    return _("Not measured yet: %(names)s.") % {"names": _(", ").join(guide.unmeasured)}


def language_name(code: str) -> str:
    """The language in the reader's language; the code itself for one that has no name."""
    # Django names Simplified and Traditional Chinese, but not the language that both are.
    names = Locale.parse(get_language() or "en", sep="-").languages
    return str(names.get(code, code))


def language_names(codes: Iterable[str]) -> str:
    return _(", ").join(language_name(code) for code in codes)


def gain_words(score: Score) -> str:
    """``+0.082 (95% interval +0.031 to +0.134)``."""
    return _("%(mean)s (95%% interval %(low)s to %(high)s)") % {
        "mean": signed(score.gain.mean),
        "low": signed(score.gain.low),
        "high": signed(score.gain.high),
    }


def signed(value: float) -> str:
    """Three decimals with a sign, also before a zero that is no exact one."""
    return f"{value:+.3f}"


def milliseconds_words(value: float | None) -> str:
    """``420 ms``; a time that could not be taken is said."""
    if value is None:
        return _("time not taken")
    return _("%(number)s ms") % {"number": number_format(round(value), force_grouping=True)}


def _sentences(advice: Advice) -> Iterable[Sentence]:
    if advice.verdict == "too_few":
        text = ngettext(
            "Only %(count)d question is in this language; %(least)d are needed for advice.",
            "Only %(count)d questions are in this language; %(least)d are needed for advice.",
            advice.questions,
        )
        count = {"count": advice.questions, "least": FEWEST_QUESTIONS}
        yield Sentence(_("No advice"), "", text % count)
    elif advice.verdict == "not_covered":
        yield Sentence(
            _("Keep rerank off"),
            "",
            _("No measured reranker covers this language; the order without rerank stays."),
            "warn",
        )
    elif advice.verdict == "never_ran":
        yield Sentence(
            _("Keep rerank off"),
            "",
            _("Each that covers this language took too long or failed at every question."),
            "warn",
        )
    elif advice.verdict == "off":
        yield from _off(advice)
    elif advice.best is not None:
        yield Sentence(_("Best measured"), advice.best.name, _worth(advice.best), "ok")
        yield _fastest(advice.best, advice.fastest)
    for each in advice.harmful:
        yield Sentence(_("Makes it worse"), each.name, _worth(each), "warn")


def _off(advice: Advice) -> Iterable[Sentence]:
    yield Sentence(
        _("Keep rerank off"),
        "",
        _("No measured gain is certain: every interval holds zero or lies below it."),
        "warn",
    )
    if advice.best is not None and advice.best not in advice.harmful:
        yield Sentence(_("Nearest to a gain"), advice.best.name, _worth(advice.best))


def _fastest(best: Choice, fastest: Choice | None) -> Sentence:
    label = _("Fastest within %(gap)s of the best") % {"gap": f"{AS_GOOD_AS:.2f}"}
    if fastest is None:
        return Sentence(label, best.name, _("the same one: none as good is faster"), "info")
    return Sentence(label, fastest.name, _worth(fastest), "info")


def _worth(choice: Choice) -> str:
    """``nDCG@10 0.712 instead of 0.630: +0.082 (95% interval …), 420 ms``."""
    return _("nDCG@10 %(with)s instead of %(without)s: %(gain)s; %(time)s") % {
        "with": f"{choice.score.blended:.3f}",
        "without": f"{choice.score.without:.3f}",
        "gain": gain_words(choice.score),
        "time": milliseconds_words(choice.milliseconds),
    }
