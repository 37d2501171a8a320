"""The final order, and what leaves the fused order standing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import (
    InvalidModelResponse,
    ModelBusy,
    ModelError,
    ModelKeyMissing,
    ModelKeyRefused,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
)
from inference.ports import Calibration
from qa.fusion import place_share
from qa.ranking import rank, sources_of
from qa.scoring import FACTORS, PRESETS
from qa.types import PipelineConfig, Ranking
from tests.unit.qa.builders import ScriptedReranker, SteppingClock, passage, recalled

TODAY = date(2026, 6, 1)
QUESTION = "How can I sleep better?"
TIPS = passage("Ten tips to sleep better.", chunk_id=2, readability=0.9)
PAPER = passage("Neurobiology of sleep disorders.", chunk_id=1, readability=0.1)
OTHER = passage("Pears are easy to peel.", chunk_id=3, readability=1.0)
FOUND = recalled(QUESTION, [PAPER, TIPS, OTHER], timings_ms={"dense": 3.0})
CONFIG = PipelineConfig()


def by_words(text: str) -> float:
    return 4.0 if "tips" in text else 1.0 if "sleep" in text else -4.0


def ranked(reranker: ScriptedReranker | None, config: PipelineConfig = CONFIG) -> Ranking:
    return rank(QUESTION, FOUND, reranker=reranker, config=config, today=TODAY)


def order(ranking: Ranking) -> list[int]:
    return [each.passage.chunk_id for each in ranking.candidates]


class TestReranked:
    def test_the_passage_that_answers_rises_to_the_top(self) -> None:
        ranking = ranked(ScriptedReranker(by_words))
        assert order(ranking) == [2, 1, 3]
        assert [each.final_rank for each in ranking.candidates] == [1, 2, 3]
        assert [each.rerank_rank for each in ranking.candidates] == [1, 2, 3]
        assert ranking.reranked
        assert (ranking.reranker, ranking.reranker_revision) == ("scripted", "r1")
        assert ranking.reasons == ()

    def test_an_easy_text_about_something_else_never_wins(self) -> None:
        config = replace(CONFIG, weights=replace(CONFIG.weights, relevance=0.01, readability=9.0))
        ranking = ranked(ScriptedReranker(by_words), config)
        last = ranking.candidates[-1]
        assert last.passage is OTHER
        assert not last.above_floor
        assert last.final_score > ranking.candidates[0].final_score * 0.9

    def test_weights_can_turn_the_order_of_relevant_passages(self) -> None:
        def paper_first(text: str) -> float:
            return 2.0 if "Neuro" in text else 1.5 if "tips" in text else -4.0

        reranker = ScriptedReranker(paper_first)
        assert order(ranked(reranker)) == [2, 1, 3]
        only = replace(CONFIG, weights=PRESETS["relevance_only"])
        ranking = ranked(reranker, only)
        assert order(ranking) == [1, 2, 3]
        assert ranking.candidates[0].rerank_rank == 1

    def test_equal_scores_keep_the_fused_order(self) -> None:
        twins = [passage("sleep", chunk_id=n) for n in (4, 7, 5)]
        ranking = rank(
            QUESTION,
            recalled(QUESTION, twins),
            reranker=ScriptedReranker(),
            config=CONFIG,
            today=TODAY,
        )
        assert order(ranking) == [4, 7, 5]

    def test_the_model_reads_title_and_headings_and_gets_the_time_limit(self) -> None:
        found = recalled(
            QUESTION, [passage("Dim the light.", title="Sleep", heading_path=("Tips", "Evening"))]
        )
        reranker = ScriptedReranker()
        config = replace(CONFIG, rerank_time_limit_s=2.5)
        rank(QUESTION, found, reranker=reranker, config=config, today=TODAY)
        assert reranker.calls == [(QUESTION, ("Sleep > Tips > Evening\nDim the light.",), 2.5)]

    def test_only_the_first_candidates_are_scored_and_kept(self) -> None:
        reranker = ScriptedReranker(by_words)
        ranking = ranked(reranker, replace(CONFIG, candidates=2))
        assert len(reranker.calls[0][1]) == 2
        assert sorted(order(ranking)) == [1, 2]

    def test_every_factor_is_stored_with_its_inputs(self) -> None:
        factors = ranked(ScriptedReranker(by_words)).candidates[0].factors
        assert set(factors.inputs) == {*FACTORS, "evidence"}
        assert factors.completeness == 1.0
        assert factors.inputs["relevance"]["signals"] == {"rerank": 4.0, "fused": place_share(2)}

    def test_the_place_orders_and_the_floor_judges_without_it(self) -> None:
        calibrations = (
            Calibration(weights={"rerank": 1.0, "fused": 300.0}, bias=-286.0),
            Calibration(weights={"rerank": 1.0}, bias=-3.0),
        )
        reranker = ScriptedReranker(by_words, calibrations=calibrations)
        ranking = ranked(reranker, replace(CONFIG, floor=0.4, weights=PRESETS["relevance_only"]))
        paper, tips, other = sorted(
            ranking.candidates, key=lambda each: each.passage.fused_rank or 0
        )
        # The last of them stands in a good place, and says nothing of sleep all the same.
        assert other.factors.relevance > 0.4
        assert [each.above_floor for each in (paper, tips, other)] == [True, True, False]
        for each in ranking.candidates:
            found = each.factors.inputs["evidence"]
            assert found["signals"] == {"rerank": each.rerank_score}
            assert each.above_floor == (found["value"] >= 0.4)  # type: ignore[operator]
        assert order(ranking)[0] == 1, "the first place outweighs three points of the score"

    def test_relevance_is_calibrated_for_the_language_of_the_question(self) -> None:
        calibration = Calibration(weights={"rerank": 1.0}, bias=0.5, language="en")
        reranker = ScriptedReranker(by_words, calibrations=(calibration,))
        for language, used in (("en", "calibrated"), ("zh", "uncalibrated")):
            found = replace(FOUND, language=language)
            ranking = rank(QUESTION, found, reranker=reranker, config=CONFIG, today=TODAY)
            assert ranking.candidates[0].factors.inputs["relevance"]["method"] == used

    def test_title_and_headings_count_for_completeness(self) -> None:
        found = recalled(QUESTION, [passage("You should dim the light.", title="Sleep better")])
        ranking = rank(QUESTION, found, reranker=None, config=CONFIG, today=TODAY)
        assert ranking.candidates[0].factors.completeness == 1.0

    def test_the_milliseconds_of_each_stage_are_kept(self) -> None:
        ranking = rank(
            QUESTION,
            FOUND,
            reranker=ScriptedReranker(by_words),
            config=CONFIG,
            today=TODAY,
            clock=SteppingClock(step=0.5),
        )
        assert ranking.timings_ms == {"dense": 3.0, "rerank": 500.0, "score": 500.0}


class TestTimeAskedFor:
    OLD = passage("Ten tips to sleep better.", chunk_id=1, effective_date=date(2019, 3, 1))
    NEW = passage("Ten tips to sleep better.", chunk_id=2, effective_date=date(2026, 3, 1))

    def ranked(self, question: str, **settings: Any) -> Ranking:
        config = replace(CONFIG, **settings)
        found = recalled(question, [self.OLD, self.NEW])
        reranker = ScriptedReranker(lambda _: 1.0)
        return rank(question, found, reranker=reranker, config=config, today=TODAY)

    def test_a_question_for_the_latest_raises_timeliness_and_says_by_which_word(self) -> None:
        ranking = self.ranked("What are the latest tips to sleep better?")
        assert (ranking.time_intent, ranking.time_words) == ("latest", "latest")
        assert ranking.weights.timeliness == pytest.approx(0.3)
        assert order(ranking) == [2, 1]
        neutral = self.ranked("What are tips to sleep better?")
        assert (neutral.time_intent, neutral.weights) == ("", CONFIG.weights)
        gap = [each.final_score for each in ranking.candidates]
        assert gap[0] - gap[1] > 2 * (
            neutral.candidates[0].final_score - neutral.candidates[1].final_score
        )

    def test_a_question_for_a_year_puts_documents_of_that_year_first(self) -> None:
        ranking = self.ranked("sleep tips of the 2019 guideline")
        assert ranking.time_intent == "2019"
        assert order(ranking) == [1, 2]

    def test_the_reader_can_ask_without(self) -> None:
        ranking = self.ranked("What are the latest tips to sleep better?", follow_time=False)
        assert (ranking.time_intent, ranking.time_words) == ("", "")
        assert ranking.weights == CONFIG.weights


class TestNotReranked:
    def assert_fused_order(self, ranking: Ranking, reason: str) -> None:
        assert order(ranking) == [1, 2, 3]
        assert not ranking.reranked
        assert ranking.reranker == ""
        assert ranking.reasons[-1:] == (reason,)
        assert all(each.rerank_rank is None for each in ranking.candidates)
        assert all(each.rerank_score is None for each in ranking.candidates)

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (ModelTimeout(), "rerank_timeout"),
            (ModelBusy(), "rerank_busy"),
            (ModelUnavailable(), "rerank_unavailable"),
            (InvalidModelResponse(), "rerank_invalid"),
            (ModelRateLimited(), "rerank_rate_limited"),
            (ModelRefused(), "rerank_refused"),
            (ModelKeyRefused(), "rerank_refused"),
            (ModelKeyMissing(), "rerank_refused"),
            (ModelError(), "rerank_unavailable"),
        ],
    )
    def test_a_failing_reranker_leaves_the_fused_order(
        self, error: ModelError, reason: str
    ) -> None:
        self.assert_fused_order(ranked(ScriptedReranker(by_words, error=error)), reason)

    def test_a_wrong_count_of_scores_is_invalid(self) -> None:
        self.assert_fused_order(ranked(ScriptedReranker(by_words, extra=1)), "rerank_invalid")

    def test_a_score_that_is_no_number_is_invalid(self) -> None:
        self.assert_fused_order(ranked(ScriptedReranker(lambda _: float("nan"))), "rerank_invalid")

    def test_a_language_the_model_does_not_cover_skips_it(self) -> None:
        reranker = ScriptedReranker(by_words, languages=("zh",))
        self.assert_fused_order(ranked(reranker), "rerank_language")
        assert reranker.calls == []

    def test_words_the_model_does_not_know_skip_it(self) -> None:
        reranker = ScriptedReranker(by_words, unknown=0.21)
        self.assert_fused_order(ranked(reranker), "rerank_language")
        assert ranked(ScriptedReranker(by_words, unknown=0.2)).reranked

    def test_a_question_of_unknown_language_is_judged_by_its_words(self) -> None:
        found = replace(FOUND, language="")
        reranker = ScriptedReranker(by_words, languages=("en",))
        assert rank(QUESTION, found, reranker=reranker, config=CONFIG, today=TODAY).reranked

    def test_switched_off_it_is_not_asked(self) -> None:
        reranker = ScriptedReranker(by_words)
        self.assert_fused_order(ranked(reranker, replace(CONFIG, rerank=False)), "rerank_off")
        assert reranker.calls == []

    def test_without_a_reranker_the_reason_says_so(self) -> None:
        self.assert_fused_order(ranked(None), "rerank_unavailable")

    def test_reasons_of_the_recall_come_first(self) -> None:
        found = replace(FOUND, reasons=("dense_language",))
        ranking = rank(QUESTION, found, reranker=None, config=CONFIG, today=TODAY)
        assert ranking.reasons == ("dense_language", "rerank_unavailable")

    def test_nothing_recalled_ranks_nothing_and_blames_nobody(self) -> None:
        ranking = rank(
            QUESTION,
            recalled(QUESTION, []),
            reranker=ScriptedReranker(),
            config=CONFIG,
            today=TODAY,
        )
        assert (ranking.candidates, ranking.reasons) == ((), ())


def test_sources_are_the_first_candidates_above_the_floor() -> None:
    strong = passage("sleep better", chunk_id=1, cosine=0.7, lexical_share=0.8)
    weak = passage("pears", chunk_id=2, cosine=0.0, lexical_share=0.0)
    found = recalled(QUESTION, [weak, strong, replace(strong, chunk_id=3)])
    ranking = rank(QUESTION, found, reranker=None, config=CONFIG, today=TODAY)
    assert order(ranking) == [2, 1, 3]
    assert [each.passage.chunk_id for each in sources_of(ranking, 5)] == [1, 3]
    assert [each.passage.chunk_id for each in sources_of(ranking, 1)] == [1]


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=12), st.floats(0, 1))
def test_the_final_order_is_a_permutation_with_the_floor_first(
    scores: list[float], floor: float
) -> None:
    passages = [passage(str(n), chunk_id=n + 1) for n in range(len(scores))]
    ranking = rank(
        QUESTION,
        recalled(QUESTION, passages),
        reranker=ScriptedReranker(lambda text: scores[int(text)]),
        config=replace(CONFIG, floor=floor),
        today=TODAY,
    )
    assert sorted(order(ranking)) == [each.chunk_id for each in passages]
    above = [each.above_floor for each in ranking.candidates]
    assert above == sorted(above, reverse=True)
    assert sorted(each.rerank_rank or 0 for each in ranking.candidates) == list(
        range(1, len(scores) + 1)
    )
