"""Each factor can be computed again by hand from the inputs stored beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.analysis import analyze
from qa.aspects import asked_aspects
from qa.scoring import (
    PRESETS,
    blend,
    completeness,
    explain,
    is_above_floor,
    preset_of,
    readability,
    timeliness,
    weights_for,
)
from qa.time_intent import NO_WISH, TimeIntent
from qa.types import Factors, FactorWeights, QuestionTerm

TODAY = date(2026, 6, 1)
shares = st.floats(0, 1)
factors = st.builds(
    Factors, relevance=shares, completeness=shares, readability=shares, timeliness=shares
)
weights = st.builds(
    FactorWeights,
    relevance=st.floats(0.01, 5),
    completeness=st.floats(0, 5),
    readability=st.floats(0, 5),
    timeliness=st.floats(0, 5),
)


def stored(asked: QuestionTerm, how: str, credit: float) -> dict[str, object]:
    return {**asdict(asked), "covered": how == "word", "credit": credit, "how": how}


def term(word: str, idf: float) -> QuestionTerm:
    return QuestionTerm(token=analyze(word)[0], surface=word, idf=idf)


class TestCompleteness:
    def test_the_share_is_weighted_by_idf(self) -> None:
        terms = [term("sleep", 3.0), term("melatonin", 5.0), term("adults", 2.0)]
        value, inputs = completeness(terms, "Sleeping well, for an adult: ten tips.")
        assert value == pytest.approx((3.0 + 2.0) / 10.0)
        assert inputs["terms"] == [
            stored(terms[0], "word", 1.0),
            stored(terms[1], "", 0.0),
            stored(terms[2], "word", 1.0),
        ]

    def test_an_aspect_spoken_of_in_other_words_earns_half(self) -> None:
        question = "What is the treatment of measles?"
        terms = [term("treatment", 2.0), term("measles", 6.0)]
        asked = asked_aspects(question)
        assert [each.aspect.name for each in asked] == ["treatment"]
        value, inputs = completeness(terms, "Measles: take the drug twice a day.", asked)
        assert value == pytest.approx((2.0 * 0.5 + 6.0) / 8.0)
        assert inputs["terms"] == [stored(terms[0], "aspect", 0.5), stored(terms[1], "word", 1.0)]
        assert inputs["aspects"] == []
        assert completeness(terms, "The treatment of measles.", asked)[0] == 1.0
        assert completeness(terms, "Measles is a virus.", asked)[0] == pytest.approx(6.0 / 8.0)

    def test_an_aspect_that_no_term_names_is_one_thing_more_that_is_asked(self) -> None:
        terms = [term("bridge", 4.0), term("built", 2.0)]
        asked = asked_aspects("When was the bridge built?")
        dated, inputs = completeness(terms, "The bridge was built in 1932.", asked)
        assert dated == 1.0
        assert inputs["aspects"] == [
            {"aspect": "time", "words": "When", "weight": 1.5, "covered": True}
        ]
        undated, _ = completeness(terms, "The bridge was built by engineers.", asked)
        assert undated == pytest.approx(6.0 / 7.5)

    def test_a_pair_of_chinese_characters_standing_apart_earns_a_little(self) -> None:
        terms = [QuestionTerm("睡得", "睡得", 2.0)]
        assert completeness(terms, "睡得好")[0] == 1.0
        assert completeness(terms, "改善睡眠")[0] == pytest.approx(0.15)
        assert completeness(terms, "睡眠能够得到改善")[0] == pytest.approx(0.3)
        assert completeness(terms, "水果")[0] == 0.0

    def test_a_question_without_content_terms_is_neutral_and_says_so(self) -> None:
        assert completeness([], "anything") == (
            0.5,
            {"rule": "no_terms", "terms": [], "aspects": []},
        )

    def test_terms_of_no_weight_count_alike(self) -> None:
        value, inputs = completeness([term("sleep", 0.0), term("fruit", 0.0)], "fruit")
        assert value == 0.5
        assert inputs["rule"] == "term_share"

    def test_chinese_terms_are_found_by_the_same_analyzer(self) -> None:
        terms = [QuestionTerm(token, token, 1.0) for token in analyze("睡眠")]
        assert completeness(terms, "改善睡眠质量的10个小贴士")[0] == 1.0
        assert completeness(terms, "水果与血糖")[0] == 0.0


class TestReadability:
    def test_the_stored_score_is_kept_with_its_inputs(self) -> None:
        value, inputs = readability(0.8, {"dale_chall": 40.0}, 100)
        assert value == pytest.approx(0.65)
        assert inputs == {"score": 0.8, "dale_chall": 40.0, "read": 100, "believed": 0.5}

    @given(score=st.floats(0, 1), words=st.floats(0, 1000))
    def test_the_less_there_is_to_read_the_nearer_it_is_to_neutral(
        self, score: float, words: float
    ) -> None:
        value = readability(score, {}, words)[0]
        longer = readability(score, {}, words + 10)[0]
        assert abs(value - 0.5) <= abs(longer - 0.5) + 1e-12 <= abs(score - 0.5) + 2e-12
        assert (value - 0.5) * (score - 0.5) >= 0

    def test_nothing_to_read_is_neutral(self) -> None:
        assert readability(1.0, {}, 0)[0] == 0.5

    def test_a_stored_score_out_of_range_is_brought_back(self) -> None:
        assert readability(1.4, {}, 300)[0] == readability(1.0, {}, 300)[0] == 0.875
        assert readability(-0.2, {}, 300)[0] == readability(0.0, {}, 300)[0] == 0.125


class TestTimeliness:
    def value(
        self,
        effective: date | None,
        expires: date | None = None,
        superseded: bool = False,
        year: int | None = None,
    ) -> float:
        return timeliness(
            effective, expires, superseded=superseded, half_life_days=100, today=TODAY, year=year
        )[0]

    def test_a_document_of_one_half_life_scores_a_half(self) -> None:
        assert self.value(TODAY) == 1.0
        assert self.value(TODAY - timedelta(days=100)) == 0.5
        assert self.value(TODAY - timedelta(days=200)) == 0.25

    def test_an_unknown_date_is_neutral(self) -> None:
        assert self.value(None) == 0.5

    def test_a_date_in_the_future_counts_as_today(self) -> None:
        assert self.value(TODAY + timedelta(days=30)) == 1.0

    def test_a_document_still_holds_on_its_last_day(self) -> None:
        assert self.value(TODAY, TODAY) == 1.0
        assert self.value(TODAY, TODAY - timedelta(days=1)) == 0.0

    def test_a_superseded_document_scores_zero_however_new(self) -> None:
        assert self.value(TODAY, superseded=True) == 0.0

    def test_asked_for_a_year_the_distance_from_it_counts(self) -> None:
        assert self.value(date(2024, 6, 1), year=2024) == 1.0
        assert self.value(date(2025, 4, 10), year=2024) == 0.5
        assert self.value(date(2023, 9, 23), year=2024) == 0.5
        assert self.value(None, year=2024) == 0.5
        far = timeliness(
            date(2022, 1, 1), None, superseded=False, half_life_days=9999, today=TODAY, year=2023
        )
        assert far[0] == pytest.approx(0.5)
        assert far[1]["half_life_days"] == 365

    def test_a_replaced_document_of_the_past_year_asked_for_counts_in_full(self) -> None:
        assert self.value(date(2019, 5, 1), superseded=True, year=2019) == 1.0
        assert self.value(date(2019, 5, 1), TODAY - timedelta(days=1), year=2019) == 1.0
        assert self.value(date(2018, 5, 1), superseded=True, year=2019) == 0.0
        assert self.value(date(2026, 1, 1), superseded=True, year=2026) == 0.0

    def test_the_rule_and_its_numbers_are_stored(self) -> None:
        _, inputs = timeliness(
            date(2026, 5, 22), None, superseded=False, half_life_days=100, today=TODAY
        )
        assert json.loads(json.dumps(inputs)) == {
            "rule": "decay",
            "age_days": 10,
            "effective_date": "2026-05-22",
            "expires_at": None,
            "today": "2026-06-01",
            "half_life_days": 100,
        }

    def test_a_half_life_of_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="half_life_days"):
            timeliness(None, None, superseded=False, half_life_days=0, today=TODAY)


class TestWeightsForAQuestion:
    LATEST = TimeIntent("latest", words="latest")

    def test_timeliness_gets_its_share_and_the_others_keep_their_proportions(self) -> None:
        raised = weights_for(self.LATEST, FactorWeights())
        assert raised.timeliness == pytest.approx(0.3)
        assert raised.relevance == pytest.approx(0.4 * 0.7 / 0.9)
        assert raised.relevance / raised.readability == pytest.approx(2.0)

    def test_without_a_wish_nothing_changes(self) -> None:
        assert weights_for(NO_WISH, FactorWeights()) == FactorWeights()

    def test_who_gives_timeliness_no_weight_keeps_it_so(self) -> None:
        only = PRESETS["relevance_only"]
        assert weights_for(self.LATEST, only) == only

    @given(weights)
    def test_raising_keeps_the_sum_never_lowers_and_is_the_same_twice(
        self, given_weights: FactorWeights
    ) -> None:
        raised = weights_for(self.LATEST, given_weights)
        total = sum(asdict(given_weights).values())
        assert sum(asdict(raised).values()) == pytest.approx(total)
        assert raised.timeliness >= given_weights.timeliness
        again = weights_for(self.LATEST, raised)
        assert astuple(again) == pytest.approx(astuple(raised))

    def test_a_preset_is_known_by_its_proportions(self) -> None:
        assert preset_of(FactorWeights()) == "balanced"
        assert preset_of(FactorWeights(4, 3, 2, 1)) == "balanced"
        assert preset_of(FactorWeights(0.2, 0, 0, 0)) == "relevance_only"
        assert preset_of(FactorWeights(4, 3, 2, 2)) == ""
        assert preset_of(FactorWeights(0, 0, 0, 0)) == ""


class TestBlend:
    def test_the_default_weights(self) -> None:
        blended = blend(Factors(0.9, 0.5, 0.7, 0.2), PRESETS["balanced"])
        assert blended == pytest.approx(0.9 * 0.4 + 0.5 * 0.3 + 0.7 * 0.2 + 0.2 * 0.1)

    def test_relevance_only_is_relevance(self) -> None:
        assert blend(Factors(0.37, 1.0, 1.0, 1.0), PRESETS["relevance_only"]) == 0.37

    def test_weights_need_not_sum_to_one(self) -> None:
        factors = Factors(0.9, 0.5, 0.7, 0.2)
        assert blend(factors, FactorWeights(4, 3, 2, 1)) == pytest.approx(
            blend(factors, FactorWeights())
        )

    @given(factors, weights)
    def test_the_explanation_adds_up_to_the_score(
        self, given_factors: Factors, given_weights: FactorWeights
    ) -> None:
        parts = explain(given_factors, given_weights)
        score = blend(given_factors, given_weights)
        assert sum(part.contribution for part in parts) == pytest.approx(score)
        assert sum(part.share for part in parts) == pytest.approx(1.0)
        assert 0.0 <= score <= 1.0

    @pytest.mark.parametrize("bad", [FactorWeights(0, 0, 0, 0), FactorWeights(1, -1, 0, 0)])
    def test_weights_that_cannot_make_a_mean_are_refused(self, bad: FactorWeights) -> None:
        with pytest.raises(ValueError, match="weights"):
            blend(Factors(1, 1, 1, 1), bad)


def test_the_floor_itself_is_above_the_floor() -> None:
    assert is_above_floor(0.15, 0.15)
    assert not is_above_floor(0.149, 0.15)
