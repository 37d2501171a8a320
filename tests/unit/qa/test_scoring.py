"""Each factor can be computed again by hand from the inputs stored beside it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, astuple
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.analysis import analyze
from inference.ports import Calibration, RerankerCard
from qa.aspects import asked_aspects
from qa.scoring import (
    FIRST_STAGE_CALIBRATIONS,
    PRESETS,
    PRIOR_SHIFT,
    blend,
    completeness,
    evidence,
    explain,
    is_above_floor,
    preset_of,
    readability,
    relevance,
    timeliness,
    weights_for,
)
from qa.time_intent import NO_WISH, TimeIntent
from qa.types import Factors, FactorWeights, QuestionTerm

TODAY = date(2026, 6, 1)
CARD = RerankerCard(
    name="compact",
    model="m",
    revision="r",
    calibrations=(
        Calibration(weights={"rerank": 1.0}, bias=-1.0),
        Calibration(weights={"rerank": 0.5, "cosine": 4.0}, bias=-2.0),
        Calibration(weights={"rerank": 0.5, "cosine": 3.0, "lexical": 2.0}, bias=-3.0),
        Calibration(weights={"cosine": 2.0, "lexical": 1.0}, bias=-1.5),
    ),
)
scores = st.none() | st.floats(-50, 50)
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


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def stored(asked: QuestionTerm, how: str, credit: float) -> dict[str, object]:
    return {**asdict(asked), "covered": how == "word", "credit": credit, "how": how}


def term(word: str, idf: float) -> QuestionTerm:
    return QuestionTerm(token=analyze(word)[0], surface=word, idf=idf)


class TestRelevance:
    def test_the_calibration_that_reads_most_signals_is_used(self) -> None:
        value, inputs = relevance(CARD, rerank=2.0, cosine=0.5, lexical=0.25)
        assert value == pytest.approx(sigmoid(0.5 * 2 + 3 * 0.5 + 2 * 0.25 - 3 + PRIOR_SHIFT))
        assert inputs["method"] == "calibrated"
        assert inputs["bias"] == -3.0

    def test_a_missing_signal_falls_to_the_calibration_without_it(self) -> None:
        value, _ = relevance(CARD, rerank=2.0, cosine=0.5, lexical=None)
        assert value == pytest.approx(sigmoid(0.5 * 2 + 4 * 0.5 - 2 + PRIOR_SHIFT))
        value, _ = relevance(CARD, rerank=2.0, cosine=None, lexical=0.9)
        assert value == pytest.approx(sigmoid(2.0 - 1 + PRIOR_SHIFT))

    def test_a_card_may_calibrate_the_first_stage_for_when_it_does_not_run(self) -> None:
        value, _ = relevance(CARD, rerank=None, cosine=0.5, lexical=0.25)
        assert value == pytest.approx(sigmoid(2 * 0.5 + 0.25 - 1.5))

    def test_probabilities_are_taken_as_they_are(self) -> None:
        card = RerankerCard("api", "m", "r", scores_are_probabilities=True)
        assert relevance(card, rerank=0.73, cosine=0.1, lexical=0.1)[0] == 0.73

    def test_a_score_from_0_to_1_is_not_squashed_again_and_not_called_a_probability(self) -> None:
        card = RerankerCard("api", "m", "r", unit_scores=True)
        value, inputs = relevance(card, rerank=0.02, cosine=0.9, lexical=0.9)
        assert value == 0.02
        assert inputs == {"method": "uncalibrated_unit", "signals": {"rerank": 0.02}}

    def test_the_score_of_an_uncalibrated_cross_encoder_is_never_ignored(self) -> None:
        card = RerankerCard("new", "m", "r", calibrations=CARD.calibrations[3:])
        value, inputs = relevance(card, rerank=1.5, cosine=0.9, lexical=0.9)
        assert value == pytest.approx(sigmoid(1.5))
        assert inputs["method"] == "uncalibrated"

    def test_a_calibration_of_the_questions_language_goes_before_one_for_any(self) -> None:
        card = RerankerCard(
            "two",
            "m",
            "r",
            calibrations=(
                Calibration(weights={"rerank": 1.0, "lexical": 1.0}, bias=-1.0),
                Calibration(weights={"rerank": 2.0}, bias=-3.0, language="zh"),
            ),
        )
        value, inputs = relevance(card, rerank=2.0, cosine=None, lexical=0.5, language="zh")
        assert value == pytest.approx(sigmoid(2 * 2.0 - 3 + PRIOR_SHIFT))
        assert inputs["language"] == "zh"
        for other in ("en", ""):
            value, inputs = relevance(card, rerank=2.0, cosine=None, lexical=0.5, language=other)
            assert value == pytest.approx(sigmoid(2.0 + 0.5 - 1 + PRIOR_SHIFT))
            assert inputs["language"] == ""

    def test_a_calibration_of_another_language_is_never_used(self) -> None:
        only = Calibration(weights={"rerank": 9.0}, bias=4.0, language="zh")
        card = RerankerCard("one", "m", "r", calibrations=(only,))
        value, inputs = relevance(card, rerank=1.5, cosine=None, lexical=None, language="en")
        assert value == pytest.approx(sigmoid(1.5))
        assert inputs["method"] == "uncalibrated"

    @pytest.mark.parametrize(("cosine", "lexical"), [(0.4, 0.3), (0.4, None), (None, 0.3)])
    def test_without_a_reranker_the_first_stage_decides(
        self, cosine: float | None, lexical: float | None
    ) -> None:
        value, inputs = relevance(None, rerank=None, cosine=cosine, lexical=lexical)
        assert inputs["method"] == "first_stage"
        assert 0 < value < 1

    def test_a_strong_first_stage_match_is_far_above_a_weak_one(self) -> None:
        assert relevance(None, rerank=None, cosine=0.6, lexical=0.5)[0] > 0.85
        assert relevance(None, rerank=None, cosine=0.2, lexical=0.1)[0] < 0.1

    def test_the_prior_shift_takes_one_in_thirty_to_one_in_five(self) -> None:
        odds = (1 / 29) * math.exp(PRIOR_SHIFT)
        assert odds / (1 + odds) == pytest.approx(1 / 5, abs=0.01)

    def test_no_signal_at_all_gives_nothing(self) -> None:
        assert relevance(CARD, rerank=None, cosine=None, lexical=None)[0] == 0.0

    def test_a_calibration_may_read_the_place_in_the_fused_order(self) -> None:
        reads_place = Calibration(weights={"rerank": 1.0, "fused": 5.0}, bias=-6.0)
        card = RerankerCard("placed", "m", "r", calibrations=(reads_place, *CARD.calibrations))
        for rank, share in ((1, 1.0), (30, 61 / 90)):
            value, inputs = relevance(card, rerank=2.0, cosine=None, lexical=None, fused_rank=rank)
            assert value == pytest.approx(sigmoid(2 + 5 * share - 6 + PRIOR_SHIFT))
            assert inputs["signals"] == {"rerank": 2.0, "fused": share}

    @given(rerank=st.floats(-10, 10), cosine=scores, lexical=scores, rank=st.integers(1, 100))
    def test_evidence_is_the_relevance_of_a_passage_without_a_place(
        self, rerank: float, cosine: float | None, lexical: float | None, rank: int
    ) -> None:
        reads_place = Calibration(weights={"rerank": 1.0, "fused": 5.0}, bias=-6.0)
        card = RerankerCard("placed", "m", "r", calibrations=(reads_place, *CARD.calibrations))
        value, inputs = evidence(card, rerank=rerank, cosine=cosine, lexical=lexical)
        assert "fused" not in inputs["weights"]  # type: ignore[operator]
        assert value == relevance(CARD, rerank=rerank, cosine=cosine, lexical=lexical)[0]
        placed = relevance(card, rerank=rerank, cosine=None, lexical=None, fused_rank=rank)
        assert placed[0] == pytest.approx(sigmoid(rerank + 5 * 61 / (60 + rank) - 6 + PRIOR_SHIFT))

    def test_a_place_alone_says_nothing(self) -> None:
        found = relevance(None, rerank=None, cosine=None, lexical=None, fused_rank=1)
        assert found == (0.0, {"method": "no_signal", "signals": {}})

    @given(cosine=scores, lexical=scores, rank=st.integers(1, 100))
    def test_without_a_reranker_the_place_changes_nothing(
        self, cosine: float | None, lexical: float | None, rank: int
    ) -> None:
        placed = relevance(None, rerank=None, cosine=cosine, lexical=lexical, fused_rank=rank)
        assert placed[0] == relevance(None, rerank=None, cosine=cosine, lexical=lexical)[0]

    def test_extreme_scores_do_not_overflow(self) -> None:
        assert relevance(None, rerank=-1e6, cosine=None, lexical=None)[0] == 0.0
        assert relevance(None, rerank=1e6, cosine=None, lexical=None)[0] == 1.0

    @given(rerank=scores, cosine=scores, lexical=scores, card=st.sampled_from([CARD, None]))
    def test_the_value_follows_from_the_stored_inputs(
        self,
        rerank: float | None,
        cosine: float | None,
        lexical: float | None,
        card: RerankerCard | None,
    ) -> None:
        value, inputs = relevance(card, rerank=rerank, cosine=cosine, lexical=lexical)
        stored = json.loads(json.dumps(inputs))
        if stored["method"] == "no_signal":
            assert value == 0.0
            return
        logit = stored["bias"] + stored["prior_shift"]
        logit += sum(weight * stored["signals"][name] for name, weight in stored["weights"].items())
        assert value == pytest.approx(sigmoid(max(-700, logit)))

    def test_every_set_of_first_stage_signals_has_a_calibration(self) -> None:
        read = {frozenset(calibration.weights) for calibration in FIRST_STAGE_CALIBRATIONS}
        assert {frozenset({"cosine"}), frozenset({"lexical"})} <= read


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
