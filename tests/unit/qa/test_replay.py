"""A replayed ranking is the one that the product makes of the same scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.ports import Calibration, RerankerCard
from qa.ranking import rank
from qa.replay import REPLAYED, evidences, orders, relevances, replay
from qa.score_dumps import ScoredQuestion, scored_question
from qa.scoring import PRESETS
from qa.types import FactorWeights, PipelineConfig, Ranking
from tests.unit.qa.builders import ScriptedReranker, passage, recalled

TODAY = date(2026, 11, 24)
ASKED = "how can I sleep better at night?"
TEXTS = ("Sleep better at night.", "Receptors of sleep.", "Salt.", "A better night.")
STEEP = (
    Calibration({"rerank": 1.0, "cosine": 4.0, "fused": 3.0}, -3.0),
    Calibration({"rerank": 1.0, "cosine": 3.0}, -2.0),
)
unit = st.floats(0, 1)
candidates = st.lists(
    st.tuples(st.sampled_from(TEXTS), st.floats(-4, 4), unit, unit, st.booleans()),
    min_size=1,
    max_size=8,
)
weights = st.builds(FactorWeights, st.floats(0.1, 1), unit, unit, unit)
Drawn = list[tuple[str, float, float, float, bool]]


def ranked(
    drawn: Drawn, config: PipelineConfig, *, languages: tuple[str, ...] = ()
) -> tuple[Ranking, ScoredQuestion]:
    passages = [
        passage(
            text,
            chunk_id=number,
            cosine=cosine,
            readability=easy,
            superseded=old,
            title=str(number),
        )
        for number, (text, _score, cosine, easy, old) in enumerate(drawn, start=1)
    ]
    by_title = {str(number): score for number, (_, score, *_rest) in enumerate(drawn, start=1)}
    reranker = ScriptedReranker(
        lambda text: by_title[text.split("\n")[0]], calibrations=STEEP, languages=languages
    )
    ranking = rank(ASKED, recalled(ASKED, passages), reranker=reranker, config=config, today=TODAY)
    keys = {p.document_id: str(p.chunk_id) for p in passages}
    return ranking, scored_question("q", ASKED, "en", {"1": 1.0}, ranking, keys)


def final_order(ranking: Ranking) -> list[int]:
    return [each.passage.chunk_id - 1 for each in ranking.candidates]


@given(candidates, weights, unit)
def test_the_blend_is_the_order_of_the_product(
    drawn: Drawn, chosen: FactorWeights, floor: float
) -> None:
    ranking, question = ranked(drawn, PipelineConfig(weights=chosen, floor=floor))
    found = orders(question, weights=chosen, floor=floor)
    assert found["blended"] == final_order(ranking)
    by_relevance = sorted(ranking.candidates, key=lambda each: each.rerank_rank or 0)
    assert found["reranked"] == [each.passage.chunk_id - 1 for each in by_relevance]


@given(candidates)
def test_relevance_only_is_the_order_of_the_product_under_that_preset(drawn: Drawn) -> None:
    ranking, question = ranked(drawn, PipelineConfig(weights=PRESETS["relevance_only"]))
    assert orders(question)["relevance_only"] == final_order(ranking)


@given(candidates)
def test_the_card_that_made_the_relevance_makes_it_again(drawn: Drawn) -> None:
    _ranking, question = ranked(drawn, PipelineConfig())
    card = RerankerCard("scripted", "none", "r1", calibrations=STEEP)
    assert relevances(question, card) == pytest.approx(question.relevance)
    assert evidences(question, card) == pytest.approx(question.evidence)


def test_another_calibration_gives_another_order() -> None:
    _, question = ranked(
        [("Salt.", 2.0, 0.1, 0.5, False), ("Sleep.", 1.0, 0.9, 0.5, False)], PipelineConfig()
    )
    by_score = RerankerCard("other", "none", "2", calibrations=(Calibration({"rerank": 1.0}, 0),))
    assert replay([question], by_score)["reranked"] == [1.0]
    assert replay([question])["reranked"] == pytest.approx([0.6309], abs=1e-4)


def test_a_calibration_of_the_question_s_language_is_used() -> None:
    _, question = ranked(
        [("Salt.", 2.0, 0.1, 0.5, False), ("Sleep.", 1.0, 0.9, 0.5, False)], PipelineConfig()
    )
    card = RerankerCard(
        "both",
        "none",
        "1",
        calibrations=(*STEEP, Calibration({"rerank": 1.0, "cosine": 0.0}, 0, "zh")),
    )
    assert replay([question], card)["reranked"] != [1.0]
    assert replay([replace(question, language="zh")], card)["reranked"] == [1.0]


def test_a_question_that_was_not_reranked_keeps_the_fused_order_at_every_stage() -> None:
    _, question = ranked(
        [("Salt.", -2.0, 0.1, 0.5, False), ("Sleep.", 1.0, 0.9, 0.9, False)],
        PipelineConfig(),
        languages=("zh",),
    )
    assert replay([question]) == {stage: [1.0] for stage in REPLAYED}
