"""The compact cross-encoder that ships with the project, as its difference from the base model.

``weights/<name>/`` holds ``weights.safetensors`` (every tensor that training changed; matrices as
int8 with per-row scales, see ``quantisation``) and ``config.json`` (what the model says of itself,
its calibrations, and the hashes of the files it is made of). ``MODEL_CARD.md`` beside them says
how it was trained and what it scored.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.base_model import base_model_path
from inference.errors import ModelUnavailable
from inference.local import LocalModel, LocalReranker, prepare, silence_libraries
from inference.ports import Calibration, RerankerCard
from inference.quantisation import restore_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

WEIGHTS = Path(__file__).parent / "weights" / "reranker-mini-v1"
SCALE_SUFFIX = ".row_scale"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class BundledConfig:
    """The contents of ``config.json``."""

    card: RerankerCard
    max_length: int
    base_sha256: str
    weights_sha256: str


def read_config(folder: Path) -> BundledConfig:
    """Read what ships beside the weights. ``ModelUnavailable`` when it is missing or not ours."""
    try:
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise ModelUnavailable(f"{folder} has format {stored['format']}, expected {FORMAT}")
        card = stored["card"]
        return BundledConfig(
            card=RerankerCard(
                name=card["name"],
                model=card["model"],
                revision=card["revision"],
                languages=tuple(card["languages"]),
                calibrations=tuple(
                    Calibration(c["weights"], c["bias"], c.get("language", ""))
                    for c in stored["calibrations"]
                ),
            ),
            max_length=stored["max_length"],
            base_sha256=stored["sha256"]["base"],
            weights_sha256=stored["sha256"]["weights.safetensors"],
        )
    except FileNotFoundError as error:
        raise ModelUnavailable(
            f"the bundled reranker's weights are not in {folder}; see training/README.md"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"{folder / 'config.json'} cannot be read: {error!r}") from error


def bundled_reranker(
    folder: Path = WEIGHTS, *, batch_tokens: int = 2_048, max_length: int | None = None
) -> LocalReranker:
    """The bundled model, not yet loaded. ``ModelUnavailable`` when its files are missing."""
    config = read_config(folder)
    length = min(max_length or config.max_length, config.max_length)
    return LocalReranker(
        config.card.model,
        card=config.card,
        load=lambda: load_bundled(folder, config, length),
        batch_tokens=batch_tokens,
        max_length=length,
    )


def load_bundled(folder: Path, config: BundledConfig, max_length: int) -> LocalModel:
    """Base model with the shipped tensors laid over it. ``ModelUnavailable`` if files differ."""
    from sentence_transformers import CrossEncoder

    base = base_model_path()
    require_hash(base / "model.safetensors", config.base_sha256)
    require_hash(folder / "weights.safetensors", config.weights_sha256)
    silence_libraries()
    network = CrossEncoder(str(base), num_labels=1, max_length=max_length, local_files_only=True)
    overlay(network.model, read_tensors(folder / "weights.safetensors"))
    return prepare(network)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_hash(path: Path, expected: str) -> None:
    """``ModelUnavailable`` unless the file is, byte for byte, the one that was trained with."""
    if sha256_of(path) != expected:
        raise ModelUnavailable(f"{path} is not the file that the bundled reranker was made with")


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """All tensors of the file in fp32, quantised ones restored."""
    import numpy as np
    from safetensors.numpy import load_file

    stored = load_file(path)
    return {
        name: restore_rows(value, stored[name + SCALE_SUFFIX])
        if value.dtype == np.int8
        else value.astype(np.float32)
        for name, value in stored.items()
        if not name.endswith(SCALE_SUFFIX)
    }


def overlay(network: Any, tensors: Mapping[str, NDArray[np.float32]]) -> None:
    """Put the tensors in place. Only word embeddings may keep the base model's values."""
    import torch

    target = network.state_dict()
    kept = {name for name in target if name not in tensors}
    foreign = {name for name in tensors if name not in target}
    if foreign or any(not is_shared_with_base(name) for name in kept):
        raise ModelUnavailable(f"the weights do not fit the base model: {sorted(kept | foreign)}")
    network.load_state_dict(
        {name: torch.from_numpy(value.copy()) for name, value in tensors.items()}, strict=False
    )


def is_shared_with_base(name: str) -> bool:
    """True for the tensors that training leaves as they are, which are not shipped."""
    return "word_embeddings" in name or name.endswith(("position_ids", "token_type_ids"))
