"""The bar of a ranked passage computed again from what is stored, by nothing but arithmetic.

No function of the product is called on the way back: what a reader with a pocket calculator could
do from the stored JSON gives the score that ranked the passage.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents.readability import measure_readability
from inference.ports import Calibration
from qa.ranking import rank
from qa.types import FactorWeights, PipelineConfig
from tests.unit.qa.builders import ScriptedReranker, passage, recalled

TODAY = date(2026, 6, 1)
CALIBRATIONS = (
    Calibration(weights={"rerank": 0.8, "cosine": 3.0, "lexical": 2.0}, bias=-2.0),
    Calibration(weights={"rerank": 1.1}, bias=-1.0, language="zh"),
)
QUESTIONS = (
    "How can I sleep better?",
    "What are the latest treatments for insomnia?",
    "What does the 2024 guideline say about the causes of snoring?",
    "When was the hospital built and how many beds has it?",
    "怎样才能睡得更好",
    "最新的失眠治疗方法有哪些",
    "Why?",
)
TEXTS = (
    "Keep a regular bedtime. You should sleep in a dark room and drink less coffee at night. "
    "A short walk by day can help you to sleep better than any pill.",
    "Insomnia is treated with drugs, because the symptoms are associated with orexin. " * 3,
    "睡前不要喝咖啡。每天同一时间上床。房间要安静，光线要暗。白天多走动，晚上早点睡。",
    "失眠的治疗以药物为主，由于个体差异较大，剂量应由医生决定，并注意不良反应。",
    "The hospital was built in 1932 and has 300 beds.",
    "Pears.",
)

weights = st.builds(
    FactorWeights,
    relevance=st.floats(0.01, 1),
    completeness=st.floats(0, 1),
    readability=st.floats(0, 1),
    timeliness=st.floats(0, 1),
)
days = st.none() | st.dates(date(2000, 1, 1), date(2027, 1, 1))


def relevance_by_hand(stored: dict[str, Any]) -> float:
    terms = (stored["weights"][name] * stored["signals"][name] for name in stored["weights"])
    return float(1 / (1 + math.exp(-(stored["bias"] + stored["prior_shift"] + sum(terms)))))


def completeness_by_hand(stored: dict[str, Any]) -> float:
    if stored["rule"] == "no_terms":
        return 0.5
    share = stored["rule"] == "idf_share"
    parts = [(term["idf"] if share else 1.0, term["credit"]) for term in stored["terms"]]
    parts += [(aspect["weight"], float(aspect["covered"])) for aspect in stored["aspects"]]
    earned = sum(weight * credit for weight, credit in parts)
    return float(earned / sum(weight for weight, _ in parts))


def readability_by_hand(stored: dict[str, Any]) -> float:
    believed: float = stored["read"] / (stored["read"] + 100)
    return 0.5 + (measured_by_hand(stored) - 0.5) * believed


def measured_by_hand(stored: dict[str, Any]) -> float:
    if "unfamiliar_share" in stored:
        score = 64 - 95 * stored["unfamiliar_share"] - 0.69 * stored["words_per_sentence"]
        return float(min(1.0, max(0.0, score / 64)))
    if "characters_per_clause" in stored:
        scales = (
            (0.35, (60 - stored["characters_per_sentence"]) / 48),
            (0.35, (18 - stored["characters_per_clause"]) / 13),
            (0.15, (0.08 - stored["rare_character_share"]) / 0.08),
            (0.15, (0.3 - stored["latin_share"]) / 0.3),
        )
        return float(sum(weight * min(1.0, max(0.0, scale)) for weight, scale in scales))
    return 0.5


def timeliness_by_hand(stored: dict[str, Any]) -> float:
    fixed = {"superseded": 0.0, "expired": 0.0, "unknown_date": 0.5, "of_year": 1.0}
    if stored["rule"] in fixed:
        return fixed[stored["rule"]]
    effective = date.fromisoformat(stored["effective_date"])
    if stored["rule"] == "year":
        ends = (date(stored["year"], 1, 1), date(stored["year"], 12, 31))
        age = 0 if ends[0] <= effective <= ends[1] else min(abs((effective - e).days) for e in ends)
    else:
        age = max(0, (date.fromisoformat(stored["today"]) - effective).days)
    assert age == stored["age_days"]
    return float(0.5 ** (age / stored["half_life_days"]))


@settings(deadline=None)
@given(
    question=st.sampled_from(QUESTIONS),
    text=st.sampled_from(TEXTS),
    signals=st.tuples(st.floats(-8, 8), st.floats(-0.2, 1), st.floats(0, 1)),
    effective=days,
    expires=days,
    superseded=st.booleans(),
    half_life=st.integers(1, 4000),
    given_weights=weights,
)
def test_the_final_score_follows_from_the_stored_inputs_alone(
    question: str,
    text: str,
    signals: tuple[float, float, float],
    effective: date | None,
    expires: date | None,
    superseded: bool,
    half_life: int,
    given_weights: FactorWeights,
) -> None:
    language = "en" if text.isascii() else "zh"
    readable = measure_readability(text, language)
    found = passage(
        text,
        language=language,
        cosine=signals[1],
        lexical_share=signals[2],
        readability=readable.score,
        readability_inputs=readable.inputs,
        effective_date=effective,
        expires_at=expires,
        superseded=superseded,
    )
    ranking = rank(
        question,
        recalled(question, [found]),
        reranker=ScriptedReranker(lambda _: signals[0], calibrations=CALIBRATIONS),
        config=PipelineConfig(weights=given_weights, half_life_days=half_life),
        today=TODAY,
    )
    (candidate,) = ranking.candidates
    stored = json.loads(json.dumps(dict(candidate.factors.inputs)))
    used = asdict(ranking.weights)

    by_hand = {
        "relevance": relevance_by_hand(stored["relevance"]),
        "completeness": completeness_by_hand(stored["completeness"]),
        "readability": readability_by_hand(stored["readability"]),
        "timeliness": timeliness_by_hand(stored["timeliness"]),
    }

    for factor, value in by_hand.items():
        assert value == pytest.approx(getattr(candidate.factors, factor), abs=2e-3), factor
    score = sum(used[factor] * value for factor, value in by_hand.items()) / sum(used.values())
    assert score == pytest.approx(candidate.final_score, abs=2e-3)
