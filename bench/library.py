"""The bundled weights as a user of sentence-transformers would run them, to compare ours with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import InputModule
from torch import nn
from torch.nn import functional

from inference.bundled import (
    WEIGHTS,
    load_bundled,
    load_tokenizer,
    load_weights,
    read_config,
)
from inference.local import pair_model
from training.pair_scorer import PairLayer, PairScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from inference.pairs import PairModel

BATCH = 32


class ScorerModule(InputModule):
    """A ``PairScorer`` as the first module of a ``CrossEncoder``, read and padded as it does."""

    def __init__(self, network: Any, tokenizer: Any, max_length: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.network, self.tokenizer, self.max_seq_length = network, tokenizer, max_length

    tokenizer: Any

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> Any:
        del prompt
        return self.tokenizer(
            [pair[0] for pair in inputs],
            [pair[1] for pair in inputs],
            padding=True,
            truncation="longest_first",
            max_length=self.max_seq_length,
            return_tensors="pt",
        )

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        logits = self.network(
            features["input_ids"], features["token_type_ids"], features["attention_mask"]
        )
        return {**features, "scores": logits[:, None]}

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("made for a comparison")


class LibraryAttention(nn.Module):
    """A layer of the network with the attention that transformers uses for its models."""

    def __init__(self, layer: PairLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        layer = self.layer
        batch, length, width = x.shape
        split = layer.attention(x).view(batch, length, 3, layer.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        x = layer.attended_norm(x + layer.attended(mixed))
        found: Tensor = layer.narrow_norm(x + layer.narrow(functional.gelu(layer.widen(x))))
        return found


def cross_encoder(network: nn.Module, tokenizer: Any, max_length: int) -> CrossEncoder:
    """A ``CrossEncoder`` of the network, on the CPU."""
    encoder: CrossEncoder = CrossEncoder(
        modules=[ScorerModule(network, tokenizer, max_length)], device="cpu"
    )
    return encoder


def bundled_encoder() -> tuple[CrossEncoder, PairModel[Any]]:
    """The shipped weights twice: as a ``CrossEncoder`` in fp32, and as the product runs them."""
    config = read_config(WEIGHTS)
    shape, state = load_weights(WEIGHTS, config)
    network = PairScorer(shape)
    network.load_state_dict(state)
    layers = [layer for layer in network.layers if isinstance(layer, PairLayer)]
    network.layers = nn.ModuleList(LibraryAttention(layer) for layer in layers)
    return (
        cross_encoder(network, load_tokenizer(config), config.max_length),
        load_bundled(WEIGHTS, config, config.max_length),
    )


def named_encoder(name: str) -> tuple[CrossEncoder, PairModel[Any]]:
    """The same of a sentence-transformers cross-encoder by name or path."""
    encoder = CrossEncoder(name, device="cpu")
    longest = encoder.max_seq_length or 512
    return encoder, pair_model(CrossEncoder(name, max_length=longest), longest)


def predictor(encoder: CrossEncoder) -> Callable[[str, Sequence[str]], list[float]]:
    """The library's own way from texts to raw scores, with its default batch."""

    def score(question: str, passages: Sequence[str]) -> list[float]:
        found = encoder.predict(
            [(question, passage) for passage in passages],
            batch_size=BATCH,
            activation_fn=torch.nn.Identity(),
            show_progress_bar=False,
        )
        scores: list[float] = found.tolist()
        return scores

    return score
