from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from inference.quantisation import quantise_rows, restore_rows

MATRICES = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(-50, 50, width=32),
)


@given(MATRICES)
def test_a_value_comes_back_within_half_a_step_of_its_row(
    matrix: np.ndarray[tuple[int, int], np.dtype[np.float32]],
) -> None:
    codes, scales = quantise_rows(matrix)
    assert codes.dtype == np.int8
    error = np.abs(restore_rows(codes, scales) - matrix)
    assert (error <= scales[:, None] * 0.5001 + 1e-30).all()


def test_each_row_has_a_scale_of_its_own() -> None:
    matrix = np.array([[0.001, -0.0005], [100.0, 50.0]], np.float32)
    restored = restore_rows(*quantise_rows(matrix))
    np.testing.assert_allclose(restored, matrix, rtol=0.01)


def test_a_row_of_zeros_comes_back_as_zeros() -> None:
    restored = restore_rows(*quantise_rows(np.zeros((2, 3), np.float32)))
    assert not restored.any()
