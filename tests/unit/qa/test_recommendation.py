"""Rerank is recommended where it gained, and the blend where it does not eat the gain."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qa.recommendation import Recommendation, recommend

VALUES = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20
)


def measured(fused: float, blended: float, relevance_only: float) -> dict[str, list[float]]:
    return {
        "fused": [fused] * 50,
        "blended": [blended] * 50,
        "relevance_only": [relevance_only] * 50,
    }


def test_balanced_is_recommended_where_it_gains() -> None:
    assert recommend(measured(0.7, 0.8, 0.8)) == Recommendation("balanced", "gains")


def test_a_small_cost_against_relevance_alone_is_no_reason_to_leave_balanced() -> None:
    assert recommend(measured(0.7, 0.79, 0.8)).preset == "balanced"


def test_relevance_only_is_recommended_where_the_blend_eats_the_gain() -> None:
    assert recommend(measured(0.7, 0.69, 0.75)) == ("relevance_only", "balanced_loses")
    assert recommend(measured(0.7, 0.75, 0.8)) == ("relevance_only", "balanced_costs")


def test_a_cost_that_may_be_chance_is_no_reason_to_leave_balanced() -> None:
    found = measured(0.5, 0.75, 0.8)
    found["blended"] = [1.0, 0.44] * 25
    found["relevance_only"] = [0.5, 1.0] * 25
    assert recommend(found).preset == "balanced"


def test_off_is_recommended_where_no_preset_gains() -> None:
    assert recommend(measured(0.9, 0.9, 0.9)) == ("off", "no_gain")
    assert recommend(measured(0.9, 0.5, 0.6)) == ("off", "no_gain")


def test_off_is_recommended_where_nothing_was_reranked() -> None:
    assert recommend(measured(0.7, 0.8, 0.8), reranked=False) == ("off", "not_reranked")
    assert recommend({"fused": [], "blended": [], "relevance_only": []}).preset == "off"


@given(VALUES)
def test_what_is_recommended_never_has_a_lower_mean_than_the_fused_order(
    rows: list[tuple[float, float, float]],
) -> None:
    fused, blended, relevance_only = ([row[k] for row in rows] for k in range(3))
    by_preset = {"off": fused, "balanced": blended, "relevance_only": relevance_only}
    found = recommend({"fused": fused, "blended": blended, "relevance_only": relevance_only})
    assert sum(by_preset[found.preset]) >= sum(fused)
