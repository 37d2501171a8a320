from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents.presets import FACTORS, PRESETS, preset_of


@pytest.mark.parametrize("name", PRESETS)
@given(scale=st.floats(0.01, 100))
def test_a_preset_is_known_at_any_scale(name: str, scale: float) -> None:
    assert preset_of({factor: PRESETS[name][factor] * scale for factor in FACTORS}) == name


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_weighs_every_factor_and_sums_to_one(name: str) -> None:
    assert set(PRESETS[name]) == set(FACTORS)
    assert sum(PRESETS[name].values()) == pytest.approx(1.0)


def test_other_weights_are_nobodys_preset() -> None:
    assert preset_of({**PRESETS["balanced"], "readability": 0.21}) == ""
    assert preset_of(dict.fromkeys(FACTORS, 0.0)) == ""
