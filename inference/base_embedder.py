"""The embedder that ships with the project: the base model, run without padding."""

from __future__ import annotations

from inference.base_model import (
    DIMENSION,
    LANGUAGES,
    NAME,
    base_model_path,
    base_model_revision,
)
from inference.local import LocalEmbedder, best_place, best_type
from inference.texts import PackedTexts, packed_bi_encoder


def base_embedder() -> LocalEmbedder:
    """The base model, not yet loaded. ``ModelUnavailable`` when its package is not installed."""
    return LocalEmbedder(
        NAME,
        load=load_base_embedder,
        revision=base_model_revision(),
        dimension=DIMENSION,
        query_prefix="",
        passage_prefix="",
        languages=LANGUAGES,
    )


def load_base_embedder() -> PackedTexts:
    """The base model as it runs here."""
    place = best_place()
    return packed_bi_encoder(base_model_path(), kind=best_type(place), place=place)
