"""The compact cross-encoder that ships with the project, as its difference from the base model.

``weights/<name>/`` holds ``weights.safetensors`` (every tensor that training changed; matrices as
int8 with per-row scales, see ``quantisation``) and ``config.json`` (what the model says of itself,
its calibrations, and the hashes of the files it is made of). ``MODEL_CARD.md`` beside them says
how it was trained and what it scored.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.base_model import base_model_path
from inference.errors import ModelUnavailable
from inference.local import LocalReranker, best_place, best_type, silence_libraries
from inference.pair_weights import base_state
from inference.pairs import packed_pair_scorer
from inference.ports import Calibration, RerankerCard
from inference.quantisation import restore_rows
from inference.vocabulary import with_characters

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from inference.pair_weights import PairShape
    from inference.pairs import PairModel

WEIGHTS = Path(__file__).parent / "weights" / "reranker-mini-v2"
SCALE_SUFFIX = ".row_scale"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class BundledConfig:
    """The contents of ``config.json``."""

    card: RerankerCard
    max_length: int
    apart: int
    """Layers that read question and passage apart (``PairShape``)."""
    characters: str
    """What the vocabulary is extended by, in the order of the rows."""
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
            apart=stored["apart"],
            characters=stored["characters"],
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


def load_bundled(folder: Path, config: BundledConfig, max_length: int) -> PairModel[Any]:
    """The model as it runs here. ``ModelUnavailable`` if its files are not those it was made of."""
    silence_libraries()
    place = best_place()
    shape, state = load_weights(folder, config)
    tokenizer = load_tokenizer(config)
    kind = best_type(place)
    return packed_pair_scorer(shape, state, tokenizer, max_length, kind=kind, place=place)


def load_weights(folder: Path, config: BundledConfig) -> tuple[PairShape, dict[str, Tensor]]:
    """Sizes, and base model with the shipped tensors laid over it. Raises as ``load_bundled``."""
    base = base_model_path()
    require_hash(base / "model.safetensors", config.base_sha256)
    require_hash(folder / "weights.safetensors", config.weights_sha256)
    shape, state = base_state(base)
    shape = replace(shape, added=len(config.characters), apart=config.apart)
    return shape, overlaid(state, read_tensors(folder / "weights.safetensors"), shape)


def load_tokenizer(config: BundledConfig) -> Any:
    """The base model's tokenizer, with the characters that the network knows beside its words."""
    from transformers import AutoTokenizer

    return with_characters(AutoTokenizer.from_pretrained(str(base_model_path())), config.characters)


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


def overlaid(
    base: Mapping[str, Tensor], tensors: Mapping[str, NDArray[np.float32]], shape: PairShape
) -> dict[str, Tensor]:
    """The base model's tensors with ours in their place. Only its words may stay as they are.

    ``ModelUnavailable`` when they do not make a whole network of this shape.
    """
    import torch

    expected = {*base, "added.weight", "scale", "head.weight", "head.bias"}
    wrong = expected.symmetric_difference({*tensors, "words.weight"})
    if wrong or len(tensors["added.weight"]) != max(1, shape.added):
        raise ModelUnavailable(f"the weights do not fit the base model: {sorted(wrong)}")
    ours = {name: torch.from_numpy(value.copy()) for name, value in tensors.items()}
    return {**base, **ours}


def is_shared_with_base(name: str) -> bool:
    """True for the one tensor that training leaves as it is, which is not shipped."""
    return name == "words.weight"
