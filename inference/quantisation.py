"""Weights as one signed byte each, with one scale per row: a quarter of the size of fp32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 127


def quantise_rows(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """``(codes, scales)`` with ``matrix ~ codes * scales[:, None]``, symmetric about zero.

    The error of a value is at most half its row's scale: the row's largest absolute value / 254.
    A row of zeros has scale 0.
    """
    scales = (np.abs(matrix).max(axis=1) / LARGEST).astype(np.float32)
    divisors = np.where(scales > 0, scales, 1.0)[:, None]
    codes = np.clip(np.rint(matrix / divisors), -LARGEST, LARGEST).astype(np.int8)
    return codes, scales


def restore_rows(codes: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix that ``quantise_rows`` wrote down, up to its rounding."""
    return (codes.astype(np.float32) * scales[:, None]).astype(np.float32)
