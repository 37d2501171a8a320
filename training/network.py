"""The cross-encoder as it is trained: its tokenizer with the new characters, and its runner."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from transformers import AutoTokenizer

from inference.base_model import base_model_path
from inference.pair_weights import base_state
from inference.vocabulary import with_characters
from training.pair_scorer import PairScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

MAX_TOKENS = 224
"""Of a question with a passage; the product's passages have at most 180 words of its own count."""
MICRO_BATCH_TOKENS = 2_400
"""Sequences are run in groups of about this many padded tokens, sorted by length."""


def base_words() -> dict[str, int]:
    """The base model's vocabulary: token to row."""
    words: dict[str, int] = AutoTokenizer.from_pretrained(str(base_model_path())).get_vocab()
    return words


def base_rows() -> Tensor:
    """The base model's word embeddings."""
    return base_state(base_model_path())[1]["words.weight"]


def load_cross_encoder(characters: Sequence[str], rows: Tensor | None, apart: int) -> PairScorer:
    """The base model as a pair scorer, its head at zero, with ``rows`` for the new characters.

    Rows left ``None`` are zeros, to be loaded from a checkpoint.
    """
    shape, state = base_state(base_model_path())
    network = PairScorer(replace(shape, added=len(characters), apart=apart))
    if rows is not None:
        state["added.weight"] = rows
    network.load_state_dict(state, strict=False)
    network.words.weight.requires_grad = False
    return network


class Runner:
    """Runs the network over pairs of mixed length with little padding, in the given order."""

    def __init__(self, network: PairScorer, characters: Sequence[str]) -> None:
        self.network = network
        tokenizer = AutoTokenizer.from_pretrained(str(base_model_path()))
        self._tokenizer: Any = with_characters(tokenizer, characters)

    def scores(self, questions: Sequence[str], passages: Sequence[str]) -> Tensor:
        """Logits, one per question and passage, in fp32."""
        encoded = self._tokenizer(
            list(questions), list(passages), truncation="only_second", max_length=MAX_TOKENS
        )
        return self._run(encoded, self.network)

    def vectors(self, texts: Sequence[str], max_tokens: int) -> Tensor:
        """Unit vectors of texts alone, as the bi-encoder makes them, in fp32."""
        encoded = self._tokenizer(list(texts), truncation=True, max_length=max_tokens)
        means = self._run(encoded, lambda *batch: self.network.means(*batch)[0])
        return functional.normalize(means, dim=1)

    def _run(self, encoded: Any, read: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
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
            found = read(batch["input_ids"], batch["token_type_ids"], batch["attention_mask"])
            parts.append(found.float())
            start = end
        return torch.cat(parts)[torch.argsort(torch.tensor(order))]
