"""The vectors of passages, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from django.db import connection

from inference.coverage import can_read
from inference.errors import InvalidModelResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from inference.ports import Embedder

BATCH = 32
"""Passages per call of the model: between calls the heartbeat is written."""


def embed_readable(
    embedder: Embedder,
    texts: Sequence[tuple[str, str]],
    *,
    batch: int = BATCH,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[NDArray[np.float32] | None]:
    """One vector per (text, language); None where the embedder does not read it.

    ``on_progress`` hears how many texts are done after each batch. Texts are judged and embedded
    batch by batch, so that an embedder that keeps what it read last reads each once. Raises
    ``ModelError``. The database connection is given back while the model works, so that slow models
    do not hold all of them, unless a transaction is open: do not call it in one.
    """
    vectors: list[NDArray[np.float32] | None] = [None] * len(texts)
    for first in range(0, len(texts), batch):
        part = range(first, min(first + batch, len(texts)))
        _give_connection_back()
        read = [
            place for place in part if can_read(embedder, embedder.recipe.languages, *texts[place])
        ]
        if read:
            made = _embed(embedder, [texts[place][0] for place in read])
            for place, vector in zip(read, made, strict=True):
                vectors[place] = vector
        on_progress(part.stop)
    return vectors


def _embed(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    made = embedder.embed_passages(texts)
    if made.shape != (len(texts), embedder.recipe.dimension) or not np.isfinite(made).all():
        raise InvalidModelResponse(f"{len(texts)} texts gave an array of shape {made.shape}")
    return made


def _give_connection_back() -> None:
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
