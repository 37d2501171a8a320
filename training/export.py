"""Write a checkpoint as the files that ship: its difference from the base model, one byte a weight.

    python -m training.export training/runs/v2/final.pt --revision 2

The new ``config.json`` has no calibrations yet: run ``training.calibrate`` after this.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.numpy import save_file

from inference.base_model import base_model_path
from inference.bundled import (
    FORMAT,
    SCALE_SUFFIX,
    WEIGHTS,
    is_shared_with_base,
    overlaid,
    read_tensors,
    sha256_of,
)
from inference.pair_weights import base_state
from inference.quantisation import quantise_rows
from training.network import Runner, load_cross_encoder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

MAX_LENGTH = 384
"""Tokens read in use. Trained on 224; positions up to 512 are the base model's own."""

SMALLEST_QUANTISED = 10_000
"""Matrices with fewer values stay as they are: they cost nothing and the head is one of them."""

LARGEST_DEVIATION = 0.25
"""Where int8 moves a logit by more than this, the matrices are shipped in fp16 instead."""

NAME = "ragsite-reranker-mini-v2"

PROBES = (
    ("How can I sleep better?", "Sleep > Tips\nKeep a regular bedtime and avoid caffeine."),
    ("How can I sleep better?", "Insomnia > Drugs\nBenzodiazepines act on GABA receptors."),
    ("How can I sleep better?", "Miami\nMiami is a city in southeastern Florida."),
    ("when did the titanic sink", "Titanic\nRMS Titanic sank on 15 April 1912."),
    ("when did the titanic sink", "Titanic\nTitanic was built by Harland and Wolff in Belfast."),
    ("Is Blau syndrome inherited?", "Blau syndrome\nIt is inherited in a dominant pattern."),
    (
        "Is Blau syndrome inherited?",
        "Blau syndrome\nIts prevalence is unknown. " + "It is rare. " * 40,
    ),
    ("what is a computed property", "Vue > Reactivity\nComputed properties cache their result."),
    ("怎样才能睡得更好？", "睡眠 > 建议\n每天在同一时间上床，睡前不要喝咖啡。"),
    ("怎样才能睡得更好？", "北京\n北京是中国的首都。"),
    ("印度的梵語的書寫形式是到何時才出現的？", "梵文\n梵語直到發展成俗語之後才有書寫形式。"),
)
"""Questions with right, near and far passages, on which the rounding of weights is measured."""


def changed_tensors(state: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    return {
        name: value.float().numpy()
        for name, value in state.items()
        if not is_shared_with_base(name)
    }


def packed(tensors: Mapping[str, NDArray[np.float32]], *, half: bool) -> dict[str, NDArray[Any]]:
    """The tensors as they are stored: large matrices rounded, the rest as it is."""
    stored: dict[str, NDArray[Any]] = {}
    for name, value in tensors.items():
        if value.ndim != 2 or value.size < SMALLEST_QUANTISED:
            stored[name] = value
        elif half:
            stored[name] = value.astype(np.float16)
        else:
            stored[name], stored[name + SCALE_SUFFIX] = quantise_rows(value)
    return stored


@torch.no_grad()
def probe_scores(
    tensors: Mapping[str, NDArray[np.float32]], characters: Sequence[str], apart: int
) -> NDArray[np.float32]:
    network = load_cross_encoder(characters, None, apart).eval()
    network.load_state_dict(overlaid(base_state(base_model_path())[1], tensors, network.shape))
    questions, passages = zip(*PROBES, strict=True)
    scores: NDArray[np.float32] = Runner(network, characters).scores(questions, passages).numpy()
    return scores


def export(checkpoint: Path, folder: Path, revision: str) -> float:
    """Write ``weights.safetensors`` and ``config.json``; the largest change of a probe's logit."""
    stored = torch.load(checkpoint, weights_only=True)
    characters, apart = stored["characters"], stored["apart"]
    tensors = changed_tensors(stored["network"])
    before = probe_scores(tensors, characters, apart)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "weights.safetensors"
    deviation = float("inf")
    for half in (False, True):
        save_file(packed(tensors, half=half), weights)
        after = probe_scores(read_tensors(weights), characters, apart)
        deviation = float(np.abs(after - before).max())
        if deviation <= LARGEST_DEVIATION:
            break
    # The library writes a file that only its owner may read; this one is for everybody.
    weights.chmod(0o644)
    config = {
        "format": FORMAT,
        "card": {
            "name": "Ragsite mini reranker",
            "model": NAME,
            "revision": revision,
            "languages": ["en", "zh"],
        },
        "max_length": MAX_LENGTH,
        "apart": apart,
        "calibrations": [],
        "sha256": {
            "base": sha256_of(base_model_path() / "model.safetensors"),
            "weights.safetensors": sha256_of(weights),
        },
        "characters": "".join(characters),
    }
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    return deviation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    parser.add_argument("--revision", default="3")
    arguments = parser.parse_args()
    deviation = export(arguments.checkpoint, arguments.output, arguments.revision)
    size = (arguments.output / "weights.safetensors").stat().st_size
    sys.stdout.write(f"{size / 1024**2:.1f} MiB, largest change of a logit {deviation:.3f}\n")


if __name__ == "__main__":
    main()
