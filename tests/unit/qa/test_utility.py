from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.scoring import blend
from qa.types import Factors, FactorWeights
from qa.utility import expected_worth, explain_worth

shares = st.floats(0, 1)
factors = st.builds(
    Factors, relevance=shares, completeness=shares, readability=shares, timeliness=shares
)
WEIGHTS = FactorWeights()


def test_the_formula_by_hand() -> None:
    worth = expected_worth(Factors(0.5, 0.8, 0.6, 0.2), WEIGHTS)
    assert worth == pytest.approx(0.5 * (0.4 + 0.3 * 0.8 + 0.2 * 0.6 + 0.1 * 0.2))


def test_ease_does_not_make_up_for_relevance_as_it_does_in_the_mean() -> None:
    technical = Factors(0.9, 0.8, 0.1, 0.5)
    easy = Factors(0.6, 0.8, 1.0, 0.5)
    assert blend(easy, WEIGHTS) > blend(technical, WEIGHTS)
    assert expected_worth(easy, WEIGHTS) < expected_worth(technical, WEIGHTS)


def test_between_passages_as_relevant_the_easier_one_wins() -> None:
    technical = Factors(0.9, 0.8, 0.1, 0.5)
    assert expected_worth(replace(technical, readability=0.8), WEIGHTS) > expected_worth(
        technical, WEIGHTS
    )


@given(factors)
def test_the_parts_add_up_and_the_worth_is_at_most_the_relevance(given_factors: Factors) -> None:
    parts = explain_worth(given_factors, WEIGHTS)
    worth = expected_worth(given_factors, WEIGHTS)
    assert sum(part.contribution for part in parts) == pytest.approx(worth)
    assert 0 <= worth <= given_factors.relevance + 1e-9


@given(factors, shares)
def test_more_of_any_factor_is_never_worth_less(given_factors: Factors, more: float) -> None:
    worth = expected_worth(given_factors, WEIGHTS)
    for name in ("relevance", "completeness", "readability", "timeliness"):
        raised = replace(given_factors, **{name: max(more, getattr(given_factors, name))})
        assert expected_worth(raised, WEIGHTS) >= worth - 1e-9
