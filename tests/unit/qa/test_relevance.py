"""How probable it is that a passage answers can be computed again from the inputs beside it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.ports import Calibration, RerankerCard
from qa.relevance import FIRST_STAGE_CALIBRATIONS, PRIOR_SHIFT, evidence, relevance

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


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


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
