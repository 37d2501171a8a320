"""The weights of the bundled cross-encoder by name, and those of the base model it is laid over.

The network that they belong to is written out in ``training/pair_scorer.py``, which says what each
of them does; ``inference.pairs`` runs it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.packed import Affine, LayerWeights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor


@dataclass(frozen=True, slots=True)
class PairShape:
    """The sizes of a network; those of all-MiniLM-L6-v2, unless said otherwise."""

    words: int = 30_522
    width: int = 384
    heads: int = 12
    inner: int = 1_536
    layers: int = 6
    positions: int = 512
    added: int = 0
    """Rows of characters that the base vocabulary lacks; their ids follow its own."""
    apart: int = 0
    """How many first layers read question and passage apart."""


LAYER_NORM_EPS = 1e-12
PARTS_OF_A_LAYER = ("attention", "attended", "attended_norm", "widen", "narrow", "narrow_norm")
"""Each has a weight and a bias; ``attention`` is query, key and value, one above the other."""

_THEIRS = {
    "attended": "attention.output.dense",
    "attended_norm": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "narrow_norm": "output.LayerNorm",
}


def base_state(folder: Path) -> tuple[PairShape, dict[str, Tensor]]:
    """The base model's sizes, and its tensors as the cross-encoder names them; it has no head.

    Raises ``OSError``, ``ValueError`` or ``KeyError`` when the folder does not hold a BERT.
    """
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = PairShape(
        words=config["vocab_size"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        inner=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        positions=config["max_position_embeddings"],
    )
    stored = load_file(folder / "model.safetensors")
    state = {
        "words.weight": stored["embeddings.word_embeddings.weight"],
        "positions.weight": stored["embeddings.position_embeddings.weight"],
        # The bi-encoder read every text as the first segment, so both begin as that one.
        "segment": stored["embeddings.token_type_embeddings.weight"][[0, 0]],
        "norm.weight": stored["embeddings.LayerNorm.weight"],
        "norm.bias": stored["embeddings.LayerNorm.bias"],
    }
    for number in range(shape.layers):
        state |= _layer_state(stored, number)
    return shape, state


def _layer_state(stored: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    import torch

    theirs, ours = f"encoder.layer.{number}.", f"layers.{number}."
    state: dict[str, Tensor] = {}
    for part in ("weight", "bias"):
        three = [stored[f"{theirs}attention.self.{n}.{part}"] for n in ("query", "key", "value")]
        state[f"{ours}attention.{part}"] = torch.cat(three)
        for name, their_name in _THEIRS.items():
            state[f"{ours}{name}.{part}"] = stored[f"{theirs}{their_name}.{part}"]
    return state


def affine(state: Mapping[str, Tensor], name: str) -> Affine:
    return Affine(state[f"{name}.weight"], state[f"{name}.bias"])


def layer_weights(
    state: Mapping[str, Tensor], number: int, eps: float = LAYER_NORM_EPS
) -> LayerWeights:
    """A layer by the names of ``inference.pair_weights``."""
    parts = (affine(state, f"layers.{number}.{part}") for part in PARTS_OF_A_LAYER)
    attention, attended, attended_norm, widen, narrow, narrow_norm = parts
    return LayerWeights(attention, attended, attended_norm, widen, narrow, narrow_norm, eps)
