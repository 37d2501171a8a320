"""Average the weights of two rounds, the second of which started from the first.

    python -m training.average RUN2/step-00640.pt RUN1/step-00535.pt --output averaged.pt

Weights between a network and what it was fine-tuned from keep more of what the first could do on
subjects that the second round did not touch, at little or no cost where it did (Wortsman et al.
2022, "Robust fine-tuning of zero-shot models").
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def averaged(
    later: Mapping[str, Tensor], earlier: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """``share * later + (1 - share) * earlier``; whole numbers are taken from ``later``.

    Raises ``ValueError`` where the two are not weights of the same network.
    """
    if later.keys() != earlier.keys():
        message = "the checkpoints are of different networks"
        raise ValueError(message)
    return {
        name: torch.lerp(earlier[name], weight, share) if weight.is_floating_point() else weight
        for name, weight in later.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("later", type=Path)
    parser.add_argument("earlier", type=Path)
    parser.add_argument("--share", type=float, default=0.6, help="of the later one")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    later = torch.load(arguments.later, weights_only=True)
    earlier = torch.load(arguments.earlier, weights_only=True)
    if any(later[key] != earlier[key] for key in ("characters", "apart")):
        parser.error("the checkpoints are of different networks")
    network = averaged(later["network"], earlier["network"], arguments.share)
    torch.save({**later, "network": network}, arguments.output)


if __name__ == "__main__":
    main()
