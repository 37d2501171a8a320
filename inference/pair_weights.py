"""The weights of all-MiniLM-L6-v2, which a pip package carries, as a ``PairScorer`` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_PER_LAYER = {
    "attended": "attention.output.dense",
    "attended_norm": "attention.output.LayerNorm",
    "widen": "intermediate.dense",
    "narrow": "output.dense",
    "narrow_norm": "output.LayerNorm",
}


def base_state(folder: Path, layers: int) -> dict[str, Tensor]:
    """The tensors of the base model under the names of ``PairScorer``; without its head.

    Raises ``OSError`` or ``KeyError`` when the folder does not hold that model.
    """
    from safetensors.torch import load_file

    stored = load_file(folder / "model.safetensors")
    state = {
        "words.weight": stored["embeddings.word_embeddings.weight"],
        "positions.weight": stored["embeddings.position_embeddings.weight"],
        # The bi-encoder read every text as the first segment, so both begin as that one.
        "segment": stored["embeddings.token_type_embeddings.weight"][[0, 0]],
        "norm.weight": stored["embeddings.LayerNorm.weight"],
        "norm.bias": stored["embeddings.LayerNorm.bias"],
    }
    for number in range(layers):
        state |= _layer_state(stored, number)
    return state


def _layer_state(stored: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    import torch

    theirs, ours = f"encoder.layer.{number}.", f"layers.{number}."
    state: dict[str, Tensor] = {}
    for part in ("weight", "bias"):
        three = [stored[f"{theirs}attention.self.{n}.{part}"] for n in ("query", "key", "value")]
        state[f"{ours}attention.{part}"] = torch.cat(three)
        for name, their_name in _PER_LAYER.items():
            state[f"{ours}{name}.{part}"] = stored[f"{theirs}{their_name}.{part}"]
    return state
