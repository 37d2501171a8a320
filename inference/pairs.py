"""A question with each of its passages, read once and scored in batches without padding.

Importing this module imports no model library.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from inference.batching import batches_by_length, even_batches
from inference.packed import Affine, LayerWeights, PackedEncoder, PackedNorm, one_thread_each
from inference.pair_weights import LAYER_NORM_EPS, affine, layer_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor, device, dtype

    from inference.packed import Span
    from inference.pair_weights import PairShape

P = TypeVar("P")


class TokenPair(NamedTuple):
    """``[CLS] question [SEP] passage [SEP]``, or how else the tokenizer writes a pair."""

    ids: list[int]
    segments: list[int]
    """1 on the passage and what closes it, where the tokenizer tells them apart."""

    @property
    def length(self) -> int:
        return len(self.ids)


class PairModel(Protocol[P]):
    """A network with its tokenizer, in memory. What a pair is made of is its own affair."""

    @property
    def lanes(self) -> int:
        """How many batches may run at once."""
        ...

    @property
    def runs(self) -> str:
        """How and where it runs, for people who measure it."""
        ...

    def begin(self) -> None:
        """Called once in each thread that runs batches."""
        ...

    def read(self, question: str, passages: Sequence[str]) -> list[P]: ...

    def batches(self, pairs: Sequence[P], token_budget: int) -> list[list[int]]:
        """Positions of ``pairs``, each once, in batches of about ``token_budget`` at most."""
        ...

    def run(self, pairs: Sequence[P], go_on: Callable[[], None]) -> Any:
        """The raw scores, in order. Calls ``go_on`` now and then, which may raise to give up."""
        ...

    def unknown_share(self, text: str) -> float: ...


class Reader:
    """A fast tokenizer behind a lock: it may not be used by two threads at once."""

    def __init__(self, tokenizer: Any, max_length: int | None = None) -> None:
        self._tokenizer, self._max_length = tokenizer, max_length
        self._names_segments = "token_type_ids" in getattr(tokenizer, "model_input_names", ())
        self._reading = threading.Lock()

    def pairs(self, question: str, passages: Sequence[str]) -> list[TokenPair]:
        """The pairs, cut to the greatest length at the longer of both."""
        with self._reading:
            encoded = self._tokenizer(
                [question] * len(passages),
                list(passages),
                truncation="longest_first",
                max_length=self._max_length,
                return_attention_mask=False,
                return_token_type_ids=self._names_segments,
                verbose=False,
            )
        ids = encoded["input_ids"]
        segments = (
            encoded["token_type_ids"] if self._names_segments else [[0] * len(i) for i in ids]
        )
        return [TokenPair(*pair) for pair in zip(ids, segments, strict=True)]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones not counted."""
        return [tokens for tokens, _ in self.counts(texts)]

    def unknown_share(self, text: str) -> float:
        """Share in [0, 1] of the text's tokens that are the unknown token; 0 for no tokens."""
        return self.counts([text])[0][1]

    def counts(self, texts: Sequence[str]) -> list[tuple[int, float]]:
        """Of each text its length, as ``lengths`` counts it, and its ``unknown_share``."""
        if not texts:
            return []
        with self._reading:
            encoded = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)
        unknown = self._tokenizer.unk_token_id
        return [
            (len(ids), ids.count(unknown) / len(ids) if ids and unknown is not None else 0.0)
            for ids in encoded["input_ids"]
        ]


class Piece(NamedTuple):
    """Tokens of a pair from its position ``first`` on."""

    ids: list[int]
    segments: list[int]
    first: int = 0


@dataclass(frozen=True, slots=True)
class Tables:
    """What the tokens of a batch are looked up in."""

    words: Tensor
    positions: Tensor
    """Of the first token on; a table that begins later is cut before."""
    segments: Tensor
    norm: PackedNorm

    def rows(self, pieces: Sequence[Piece]) -> Tensor:
        """The embedded tokens of all pieces, one after another, in the tables' own type."""
        import torch

        place = self.words.device
        ids = torch.tensor([token for piece in pieces for token in piece.ids], device=place)
        segments = torch.tensor([s for piece in pieces for s in piece.segments], device=place)
        positions = [self.positions[p.first : p.first + len(p.ids)] for p in pieces]
        return self.norm(self.words[ids] + torch.cat(positions) + self.segments[segments])


class PackedPairs:
    """A small BERT that scores pairs, run by ``PackedEncoder``: see ``packed_pair_scorer``.

    On a CPU there is a lane for each thread that torch would use, with one thread in each: lanes
    need not wait for each other after every operation, which matters most on a busy machine.
    """

    def __init__(
        self,
        reader: Reader,
        tables: Tables,
        encoder: PackedEncoder,
        head: Callable[[Tensor, Sequence[Span], Sequence[Span]], Tensor],
        *,
        apart: int = 0,
    ) -> None:
        import torch

        self._reader, self._tables, self._encoder, self._head = reader, tables, encoder, head
        self._apart = apart
        self._on_cpu = tables.words.device.type == "cpu"
        self.lanes = torch.get_num_threads() if self._on_cpu else 1
        self.dtype = tables.words.dtype

    @property
    def runs(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        return f"packed {kind} on {self._tables.words.device.type}, lanes: {self.lanes}"

    def begin(self) -> None:
        if self._on_cpu:
            one_thread_each()

    def read(self, question: str, passages: Sequence[str]) -> list[TokenPair]:
        return self._reader.pairs(question, passages)

    def batches(self, pairs: Sequence[TokenPair], token_budget: int) -> list[list[int]]:
        return even_batches([len(pair.ids) for pair in pairs], token_budget, self.lanes)

    def run(self, pairs: Sequence[TokenPair], go_on: Callable[[], None]) -> Any:
        import torch

        ends = list(accumulate(len(pair.ids) for pair in pairs))
        spans = list(zip([0, *ends[:-1]], ends, strict=True))
        middles = [end - sum(pair.segments) for pair, end in zip(pairs, ends, strict=True)]
        parts = [
            part
            for (first, end), middle in zip(spans, middles, strict=True)
            for part in ((first, middle), (middle, end))
        ]
        with torch.inference_mode():
            if self._apart:
                x = self._run_apart(pairs, go_on)
            else:
                x = self._tables.rows([Piece(*pair) for pair in pairs])
            x = self._encoder.run(x, spans, go_on, first_layer=self._apart)
            return self._head(x, spans, parts).float().cpu().numpy()

    def _run_apart(self, pairs: Sequence[TokenPair], go_on: Callable[[], None]) -> Tensor:
        """The pairs after the layers that read question and passage apart.

        There a question is the same beside each passage, so it is computed once.
        """
        import torch

        pieces: list[Piece] = []
        places: dict[tuple[int, ...], int] = {}
        order: list[int] = []
        for pair in pairs:
            middle = len(pair.ids) - sum(pair.segments)
            question = Piece(pair.ids[:middle], pair.segments[:middle])
            place = places.setdefault(tuple(question.ids), len(pieces))
            if place == len(pieces):
                pieces.append(question)
            order += [place, len(pieces)]
            pieces.append(Piece(pair.ids[middle:], pair.segments[middle:], middle))
        ends = list(accumulate(len(piece.ids) for piece in pieces))
        spans = list(zip([0, *ends[:-1]], ends, strict=True))
        x = self._encoder.run(self._tables.rows(pieces), spans, go_on, end_layer=self._apart)
        rows = torch.cat([torch.arange(*spans[place], device=x.device) for place in order])
        return x[rows]

    def unknown_share(self, text: str) -> float:
        return self._reader.unknown_share(text)


def packed_pair_scorer(
    shape: PairShape,
    state: Mapping[str, Tensor],
    tokenizer: Any,
    max_length: int,
    *,
    kind: dtype,
    place: device,
) -> PackedPairs:
    """The bundled cross-encoder (``training/pair_scorer.py``) from its weights in fp32, by name."""
    import torch
    from torch.nn import functional

    layers = [layer_weights(state, number) for number in range(shape.layers)]
    words = torch.cat([state["words.weight"], state["added.weight"][: shape.added]])
    tables = Tables(
        words.to(place, kind),
        state["positions.weight"].to(place, kind),
        state["segment"].to(place, kind),
        PackedNorm(affine(state, "norm"), LAYER_NORM_EPS, kind, place),
    )
    head, scale = affine(state, "head"), state["scale"].to(place, torch.float32)
    weight, bias = (part.to(place, torch.float32) for part in head)

    def score(x: Tensor, spans: Sequence[Span], parts: Sequence[Span]) -> Tensor:
        del spans
        means = torch.stack([x[first:end].float().mean(0) for first, end in parts])
        question, passage = means[0::2], means[1::2]
        agreement = functional.cosine_similarity(question, passage, dim=-1)
        features = torch.cat([question, passage, question * passage], dim=-1)
        found: Tensor = scale * agreement + (features @ weight.T + bias).squeeze(-1)
        return found

    return PackedPairs(
        Reader(tokenizer, max_length),
        tables,
        PackedEncoder(layers, shape.heads, kind, place),
        score,
        apart=shape.apart,
    )


def packed_classifier(
    model: Any, tokenizer: Any, max_length: int, *, kind: dtype, place: device
) -> PackedPairs | None:
    """A BERT, RoBERTa or XLM-RoBERTa of transformers with one label; ``None`` for any other.

    ``model`` holds its weights as they were stored. Only the first token of the last layer is
    read, so that layer is computed for nothing else.
    """
    import torch
    from transformers import (
        BertForSequenceClassification,
        RobertaForSequenceClassification,
        XLMRobertaForSequenceClassification,
    )

    bert = type(model) is BertForSequenceClassification
    roberta = type(model) in (RobertaForSequenceClassification, XLMRobertaForSequenceClassification)
    if not (bert or roberta) or model.config.num_labels != 1 or model.config.hidden_act != "gelu":
        return None
    body = model.bert if bert else model.roberta
    dense = body.pooler.dense if bert else model.classifier.dense
    out = model.classifier if bert else model.classifier.out_proj
    offset = 0 if bert else body.embeddings.padding_idx + 1
    tables = Tables(
        body.embeddings.word_embeddings.weight.detach().to(place, kind),
        body.embeddings.position_embeddings.weight.detach().to(place, kind)[offset:],
        body.embeddings.token_type_embeddings.weight.detach().to(place, kind),
        PackedNorm(_affine(body.embeddings.LayerNorm), body.embeddings.LayerNorm.eps, kind, place),
    )
    dense, out = dense.to(place, torch.float32), out.to(place, torch.float32)

    def score(x: Tensor, spans: Sequence[Span], parts: Sequence[Span]) -> Tensor:
        del spans, parts
        found: Tensor = out(torch.tanh(dense(x.float()))).squeeze(-1)
        return found

    return PackedPairs(
        Reader(tokenizer, min(max_length, len(tables.positions))),
        tables,
        PackedEncoder(
            [_weights_of(layer) for layer in body.encoder.layer],
            model.config.num_attention_heads,
            kind,
            place,
            first_only=True,
        ),
        score,
    )


def _weights_of(layer: Any) -> LayerWeights:
    import torch

    attention = layer.attention.self
    three = (attention.query, attention.key, attention.value)
    return LayerWeights(
        Affine(torch.cat([x.weight for x in three]), torch.cat([x.bias for x in three])),
        _affine(layer.attention.output.dense),
        _affine(layer.attention.output.LayerNorm),
        _affine(layer.intermediate.dense),
        _affine(layer.output.dense),
        _affine(layer.output.LayerNorm),
        layer.output.LayerNorm.eps,
    )


def _affine(module: Any) -> Affine:
    return Affine(module.weight.detach(), module.bias.detach())


class TextPair(NamedTuple):
    question: str
    passage: str
    length: int
    """In tokens, about."""


class LibraryPairs:
    """Any other sentence-transformers cross-encoder, run by that library, one batch at a time.

    It takes texts, and so reads them once more than their lengths need.
    """

    lanes = 1
    runs = "sentence-transformers"
    SPECIAL_TOKENS = 4

    def __init__(self, network: Any, tokenizer: Any, max_length: int) -> None:
        self._network, self._max_length = network, max_length
        self._reader = Reader(tokenizer, max_length)

    def begin(self) -> None:
        """Nothing: the library uses the threads that it wants."""

    def read(self, question: str, passages: Sequence[str]) -> list[TextPair]:
        fixed, *lengths = self._reader.lengths([question, *passages])
        fixed += self.SPECIAL_TOKENS
        return [
            TextPair(question, passage, min(fixed + length, self._max_length))
            for passage, length in zip(passages, lengths, strict=True)
        ]

    def batches(self, pairs: Sequence[TextPair], token_budget: int) -> list[list[int]]:
        return batches_by_length([pair.length for pair in pairs], token_budget)

    def run(self, pairs: Sequence[TextPair], go_on: Callable[[], None]) -> Any:
        import torch

        go_on()
        return self._network.predict(
            [(pair.question, pair.passage) for pair in pairs],
            batch_size=len(pairs),
            activation_fn=torch.nn.Identity(),
            show_progress_bar=False,
        )

    def unknown_share(self, text: str) -> float:
        return self._reader.unknown_share(text)
