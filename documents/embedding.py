"""The vectors of passages, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from django.db import connection

from inference.errors import InvalidModelResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from inference.ports import Embedder

BATCH = 32
"""Passages per call of the model: between calls the heartbeat is written."""


def embed_in_batches(
    embedder: Embedder,
    texts: Sequence[str],
    *,
    batch: int = BATCH,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[NDArray[np.float32]]:
    """One vector per text. ``on_progress`` hears how many are done after each batch.

    Raises ``ModelError``. The database connection is given back while the model works, so that
    slow models do not hold all of them, unless a transaction is open: do not call it in one.
    """
    vectors: list[NDArray[np.float32]] = []
    for first in range(0, len(texts), batch):
        part = texts[first : first + batch]
        _give_connection_back()
        made = embedder.embed_passages(part)
        if made.shape != (len(part), embedder.recipe.dimension) or not np.isfinite(made).all():
            message = f"{len(part)} texts gave an array of shape {made.shape}"
            raise InvalidModelResponse(message)
        vectors.extend(made)
        on_progress(first + len(part))
    return vectors


def _give_connection_back() -> None:
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
