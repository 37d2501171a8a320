"""The guide follows from the figures: certain gains are recommended, anything else is not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.measured import Score
from qa.metrics import Difference
from qa.selection import AS_GOOD_AS, FEWEST_QUESTIONS, Candidate, guide

WITHOUT = 0.6


def score(
    gain: float, low: float, high: float, *, questions: int = 24, reranked: int = 24
) -> Score:
    return Score(
        questions=questions,
        reranked=reranked,
        without=WITHOUT,
        blended=WITHOUT + gain,
        relevance=WITHOUT + gain,
        gain=Difference(gain, low, high),
    )


def candidate(
    name: str,
    en: Score | None = None,
    *,
    zh: Score | None = None,
    ms: float | None = 100.0,
    languages: tuple[str, ...] = (),
) -> Candidate:
    scores = {code: each for code, each in (("en", en), ("zh", zh)) if each is not None}
    return Candidate(name, languages, scores, ms)


CERTAIN = score(0.08, 0.03, 0.13)
UNCERTAIN = score(0.08, -0.01, 0.17)
LOSS = score(-0.05, -0.09, -0.01)


def test_the_best_is_the_one_with_the_highest_certain_figure() -> None:
    better = score(0.12, 0.04, 0.20)
    measured = [candidate("good", CERTAIN, ms=10.0), candidate("better", better, ms=900.0)]
    (advice,) = guide(measured, ["good", "better"]).advice
    assert advice.verdict == "use"
    assert advice.best is not None
    assert advice.best.name == "better"
    assert advice.fastest is None  # "good" is more than a hundredth worse.


def test_a_higher_figure_that_is_not_certain_is_not_recommended() -> None:
    measured = [candidate("certain", CERTAIN), candidate("lucky", score(0.2, -0.1, 0.5))]
    (advice,) = guide(measured, ["certain", "lucky"]).advice
    assert advice.best is not None
    assert advice.best.name == "certain"


def test_without_a_certain_gain_the_advice_is_off_with_what_came_nearest() -> None:
    measured = [candidate("far", score(0.01, -0.2, 0.2)), candidate("near", UNCERTAIN)]
    (advice,) = guide(measured, ["far", "near"]).advice
    assert advice.verdict == "off"
    assert advice.best is not None
    assert advice.best.name == "near"


def test_an_interval_that_begins_at_zero_holds_no_gain() -> None:
    (advice,) = guide([candidate("edge", score(0.05, 0.0, 0.1))], ["edge"]).advice
    assert advice.verdict == "off"


def test_the_fastest_as_good_as_the_best_is_named_when_it_is_another() -> None:
    near = score(0.08 - AS_GOOD_AS / 2, 0.02, 0.12)
    measured = [candidate("best", CERTAIN, ms=800.0), candidate("quick", near, ms=80.0)]
    (advice,) = guide(measured, ["best", "quick"]).advice
    assert advice.best is not None
    assert advice.best.name == "best"
    assert advice.fastest is not None
    assert advice.fastest.name == "quick"


def test_one_whose_time_is_unknown_is_never_the_fastest() -> None:
    measured = [candidate("best", CERTAIN, ms=800.0), candidate("untimed", CERTAIN, ms=None)]
    (advice,) = guide(measured, ["best", "untimed"]).advice
    assert advice.best is not None
    assert advice.best.name == "best"
    assert advice.fastest is None


def test_of_equal_figures_the_faster_is_best_then_the_name_decides() -> None:
    slow, quick = candidate("a", CERTAIN, ms=200.0), candidate("b", CERTAIN, ms=100.0)
    (advice,) = guide([slow, quick], ["a", "b"]).advice
    assert advice.best is not None
    assert advice.best.name == "b"
    assert advice.fastest is None
    twins = [candidate("z", CERTAIN), candidate("m", CERTAIN)]
    (advice,) = guide(twins, ["z", "m"]).advice
    assert advice.best is not None
    assert advice.best.name == "m"


def test_one_that_makes_the_order_worse_is_named_whatever_the_advice() -> None:
    (alone,) = guide([candidate("bad", LOSS)], ["bad"]).advice
    assert alone.verdict == "off"
    assert [each.name for each in alone.harmful] == ["bad"]
    both = [candidate("bad", LOSS), candidate("good", CERTAIN)]
    (beside,) = guide(both, ["bad", "good"]).advice
    assert beside.verdict == "use"
    assert [each.name for each in beside.harmful] == ["bad"]


def test_each_language_has_advice_of_its_own() -> None:
    english = candidate("english", CERTAIN, zh=score(0, 0, 0, reranked=0), languages=("en",))
    both = candidate("both", score(0.03, 0.01, 0.05), zh=CERTAIN, ms=4000.0)
    by_language = {
        each.language: each for each in guide([english, both], ["english", "both"]).advice
    }
    assert by_language["en"].best is not None
    assert by_language["en"].best.name == "english"
    assert by_language["zh"].best is not None
    assert by_language["zh"].best.name == "both"


def test_a_language_that_none_covers_is_said_to_be_uncovered() -> None:
    skipped = score(0.0, 0.0, 0.0, reranked=0)
    english = candidate("english", CERTAIN, zh=skipped, languages=("en",))
    advice = {each.language: each for each in guide([english], ["english"]).advice}
    assert advice["zh"].verdict == "not_covered"
    assert advice["zh"].best is None


def test_one_that_covers_a_language_and_never_finished_is_not_called_uncovered() -> None:
    late = candidate("slow", score(0.0, 0.0, 0.0, reranked=0), ms=None)
    (advice,) = guide([late], ["slow"]).advice
    assert advice.verdict == "never_ran"
    assert advice.best is None


def test_few_questions_support_no_advice_however_certain_the_interval() -> None:
    few = score(0.3, 0.2, 0.4, questions=FEWEST_QUESTIONS - 1)
    (advice,) = guide([candidate("any", few)], ["any"]).advice
    assert advice.verdict == "too_few"
    assert advice.questions == FEWEST_QUESTIONS - 1


def test_what_was_not_measured_is_listed_and_changes_nothing() -> None:
    found = guide([candidate("good", CERTAIN)], ["new", "good", "also-new"])
    assert found.unmeasured == ("also-new", "new")
    assert [each.best.name for each in found.advice if each.best] == ["good"]


def test_without_measurements_there_is_no_advice() -> None:
    found = guide([], ["a"])
    assert found.is_empty
    assert found.unmeasured == ("a",)


def test_a_reranker_that_may_not_be_chosen_any_more_is_left_out() -> None:
    assert guide([candidate("gone", CERTAIN)], []).is_empty


# ---- properties ----------------------------------------------------------------------------------
@st.composite
def scores(draw: st.DrawFn) -> Score:
    low, mean, high = sorted(draw(st.tuples(*[st.floats(-0.4, 0.4)] * 3)))
    questions = draw(st.integers(1, 40))
    return score(mean, low, high, questions=questions, reranked=draw(st.integers(0, questions)))


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        name=st.sampled_from("abcdef"),
        languages=st.sampled_from([(), ("en",), ("zh",), ("en", "zh")]),
        scores=st.dictionaries(st.sampled_from(["", "en", "zh"]), scores(), max_size=3),
        milliseconds=st.none() | st.floats(1, 5000),
    ),
    unique_by=lambda each: each.name,
    max_size=5,
)


@given(CANDIDATES)
def test_only_certain_gains_of_those_that_cover_the_language_are_recommended(
    measured: list[Candidate],
) -> None:
    by_name = {each.name: each for each in measured}
    for advice in guide(measured, list(by_name)).advice:
        assert advice.language
        if advice.verdict != "use":
            assert advice.fastest is None
            continue
        assert advice.best is not None
        for choice in (advice.best, advice.fastest):
            if choice is not None:
                assert choice.score.gain.low > 0
                assert by_name[choice.name].covers(advice.language)
        if advice.fastest is not None:
            times = [each.milliseconds or math.inf for each in (advice.fastest, advice.best)]
            assert times[0] < times[1]
            assert advice.fastest.score.blended >= advice.best.score.blended - AS_GOOD_AS


@given(CANDIDATES, st.randoms(use_true_random=False))
def test_the_order_in_which_rerankers_are_given_changes_nothing(
    measured: list[Candidate], random: object
) -> None:
    names = [each.name for each in measured]
    shuffled = list(measured)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert guide(shuffled, names) == guide(measured, sorted(names))


@pytest.mark.parametrize("covered", [("en",), ()])
def test_no_languages_means_any(covered: tuple[str, ...]) -> None:
    assert candidate("any", languages=covered).covers("en")
    assert candidate("any", languages=covered).covers("zh") == (covered == ())
