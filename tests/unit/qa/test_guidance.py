"""The guide in words: every sentence holds the figures that it rests on."""

from __future__ import annotations

from django.utils import translation

from qa.guidance import (
    gain_words,
    guide_words,
    language_name,
    milliseconds_words,
    unmeasured_words,
)
from qa.selection import AS_GOOD_AS, guide
from tests.unit.qa.test_selection import CERTAIN, LOSS, UNCERTAIN, candidate, score


def sentences(*measured: object, names: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    candidates = list(measured)
    found = guide(candidates, [*names, *(each.name for each in candidates)])  # type: ignore[arg-type, attr-defined]
    return [
        (each.label, each.name, each.text)
        for language in guide_words(found)
        for each in language.sentences
    ]


def test_the_best_and_the_fastest_are_named_with_their_figures() -> None:
    near = score(0.08 - AS_GOOD_AS / 2, 0.02, 0.12)
    found = sentences(candidate("best", CERTAIN, ms=1800.0), candidate("quick", near, ms=80.0))
    figures = "nDCG@10 0.680 instead of 0.600: +0.080 (95% interval +0.030 to +0.130); 1,800 ms"
    assert found[0] == ("Best measured", "best", figures)
    assert found[1][:2] == ("Fastest within 0.01 of the best", "quick")
    assert found[1][2].endswith("80 ms")


def test_one_that_is_both_is_said_to_be() -> None:
    label, name, text = sentences(candidate("only", CERTAIN))[1]
    assert (label, name) == ("Fastest within 0.01 of the best", "only")
    assert text == "the same one: none as good is faster"


def test_off_says_why_and_what_came_nearest() -> None:
    off, nearest = sentences(candidate("perhaps", UNCERTAIN))
    assert off[0] == "Keep rerank off"
    assert nearest[:2] == ("Nearest to a gain", "perhaps")
    assert "-0.010 to +0.170" in nearest[2]


def test_one_that_harms_is_not_called_the_nearest_to_a_gain() -> None:
    found = sentences(candidate("bad", LOSS))
    assert [each[:2] for each in found] == [("Keep rerank off", ""), ("Makes it worse", "bad")]


def test_a_language_that_none_covers_and_one_with_few_questions_say_so() -> None:
    skipped = score(0.0, 0.0, 0.0, reranked=0)
    few = score(0.2, 0.1, 0.3, questions=1)
    found = sentences(candidate("english", few, zh=skipped, languages=("en",)))
    assert found[0] == (
        "No advice",
        "",
        "Only 1 question is in this language; 10 are needed for advice.",
    )
    assert found[1][0] == "Keep rerank off"
    assert "covers this language" in found[1][2]


def test_one_that_never_finished_in_time_is_no_reason_to_rerank() -> None:
    ((label, name, text),) = sentences(candidate("slow", score(0.0, 0.0, 0.0, reranked=0)))
    assert (label, name) == ("Keep rerank off", "")
    assert "took too long or failed" in text


def test_what_is_not_measured_is_listed() -> None:
    assert unmeasured_words(guide([], ["b", "a"])) == "Not measured yet: a, b."
    assert unmeasured_words(guide([candidate("a", CERTAIN)], ["a"])) == ""


def test_a_time_that_was_not_taken_is_said() -> None:
    assert milliseconds_words(None) == "time not taken"
    assert milliseconds_words(412.4) == "412 ms"


def test_a_loss_has_its_sign() -> None:
    assert gain_words(LOSS) == "-0.050 (95% interval -0.090 to -0.010)"


def test_languages_are_named_in_the_readers_own() -> None:
    assert language_name("zh") == "Chinese"
    assert language_name("xx-unknown") == "xx-unknown"
    with translation.override("zh-hans"):
        assert language_name("en") == "英语"
