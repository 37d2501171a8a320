"""Texts to vectors: read once, and run in batches, without padding where that is known how.

Importing this module imports no model library.
"""

from __future__ import annotations

import copy
import json
import threading
from collections import OrderedDict
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from inference.batching import batches_by_length, even_batches
from inference.packed import PackedEncoder, PackedNorm, one_thread_each
from inference.pair_weights import LAYER_NORM_EPS, affine, base_state, layer_weights
from inference.pairs import Piece, Reader, Tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor, device, dtype

    from inference.pair_weights import PairShape


class ReadText(Protocol):
    """What a model made of a text by reading it."""

    @property
    def length(self) -> int:
        """In tokens as the network will see them, or about."""
        ...

    @property
    def unknown_share(self) -> float:
        """Share in [0, 1] of the tokens that the vocabulary does not hold; 0 for no tokens."""
        ...


R = TypeVar("R", bound=ReadText)


class TextModel(Protocol[R]):
    """A network that gives a vector for a text, with its tokenizer, in memory."""

    @property
    def dimension(self) -> int: ...

    @property
    def prompts(self) -> Mapping[str, str]:
        """What the model wants before a text, by its use (``query``, ``document``)."""
        ...

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

    def read(self, texts: Sequence[str]) -> list[R]: ...

    def batches(self, texts: Sequence[R], token_budget: int) -> list[list[int]]:
        """Positions of ``texts``, each once, in batches of about ``token_budget`` at most."""
        ...

    def run(self, texts: Sequence[R], go_on: Callable[[], None]) -> Any:
        """A vector each, in order, of any length. ``go_on`` may raise to give up."""
        ...


class RecentlyRead:
    """What was read of the latest texts: a passage is judged first, and embedded afterwards.

    Holds texts of ``most_tokens`` in all; those kept longest make room. Threads may share it.
    """

    def __init__(self, read: Callable[[Sequence[str]], list[Any]], most_tokens: int) -> None:
        self._read, self._most, self._tokens = read, most_tokens, 0
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._changing = threading.Lock()

    def read(self, texts: Sequence[str]) -> list[Any]:
        """Each text as read, those that are kept without reading them again."""
        with self._changing:
            found = {text: self._kept[text] for text in texts if text in self._kept}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new:
            made = dict(zip(new, self._read(new), strict=True))
            self._keep(made)
            found |= made
        return [found[text] for text in texts]

    def _keep(self, made: Mapping[str, Any]) -> None:
        with self._changing:
            for text, read in made.items():
                if text not in self._kept:
                    self._kept[text] = read
                    self._tokens += read.length
            while self._tokens > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._tokens -= oldest.length


class TokenText(NamedTuple):
    """A text as the network reads it: special tokens around, cut to the window."""

    ids: list[int]
    unknown_share: float
    """Of the whole text, with what was cut off."""

    @property
    def length(self) -> int:
        return len(self.ids)


class WordPieces:
    """A BERT's own tokenizer, from its file. Threads may share it."""

    def __init__(self, file: Path, window: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_buffer(file.read_bytes())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._inside = window - 2
        self._first, self._last, self._unknown = (
            self._id_of(token) for token in ("[CLS]", "[SEP]", "[UNK]")
        )

    def read(self, texts: Sequence[str]) -> list[TokenText]:
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [self._text(each.ids) for each in encoded]

    def _text(self, ids: list[int]) -> TokenText:
        unknown = ids.count(self._unknown) / len(ids) if ids else 0.0
        return TokenText([self._first, *ids[: self._inside], self._last], unknown)

    def _id_of(self, token: str) -> int:
        found: int | None = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no {token}")
        return found


class PackedTexts:
    """A small BERT that embeds texts, run by ``PackedEncoder``: the mean of a text's tokens.

    Lanes are as in ``PackedPairs``: one for each thread that torch would use on a CPU.
    """

    prompts: Mapping[str, str] = {}

    def __init__(self, pieces: WordPieces, tables: Tables, encoder: PackedEncoder) -> None:
        import torch

        self._pieces, self._tables, self._encoder = pieces, tables, encoder
        self._on_cpu = tables.words.device.type == "cpu"
        self.lanes = torch.get_num_threads() if self._on_cpu else 1
        self.dimension: int = tables.words.shape[1]
        self.dtype = tables.words.dtype

    @property
    def runs(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        return f"packed {kind} on {self._tables.words.device.type}, lanes: {self.lanes}"

    def begin(self) -> None:
        if self._on_cpu:
            one_thread_each()

    def read(self, texts: Sequence[str]) -> list[TokenText]:
        return self._pieces.read(texts)

    def batches(self, texts: Sequence[TokenText], token_budget: int) -> list[list[int]]:
        return even_batches([text.length for text in texts], token_budget, self.lanes)

    def run(self, texts: Sequence[TokenText], go_on: Callable[[], None]) -> Any:
        import torch

        ends = list(accumulate(text.length for text in texts))
        spans = list(zip([0, *ends[:-1]], ends, strict=True))
        with torch.inference_mode():
            x = self._tables.rows([Piece(text.ids, [0] * text.length) for text in texts])
            x = self._encoder.run(x, spans, go_on)
            means = torch.stack([x[first:end].float().mean(0) for first, end in spans])
            return means.cpu().numpy()


def packed_bi_encoder(folder: Path, *, kind: dtype, place: device) -> PackedTexts:
    """The bi-encoder of ``folder``: a BERT whose vector of a text is the mean of its tokens.

    Reads the files of a sentence-transformers model without that library, which takes four times
    as long to import as this to load. Raises ``OSError``, ``ValueError`` or ``KeyError`` when the
    folder holds another kind of model.
    """
    pooling = _stored(folder / "1_Pooling" / "config.json")
    config = _stored(folder / "config.json")
    if not pooling.get("pooling_mode_mean_tokens") or config.get("hidden_act") != "gelu":
        raise ValueError(f"{folder} holds a model that does not take the mean of a BERT's tokens")
    window = int(_stored(folder / "sentence_bert_config.json")["max_seq_length"])
    shape, state = base_state(folder)
    return packed_texts(
        shape,
        state,
        WordPieces(folder / "tokenizer.json", min(window, shape.positions)),
        eps=float(config.get("layer_norm_eps", LAYER_NORM_EPS)),
        kind=kind,
        place=place,
    )


def packed_texts(
    shape: PairShape,
    state: Mapping[str, Tensor],
    pieces: WordPieces,
    *,
    eps: float = LAYER_NORM_EPS,
    kind: dtype,
    place: device,
) -> PackedTexts:
    """A bi-encoder from its weights in fp32, by the names of ``inference.pair_weights``."""
    tables = Tables(
        state["words.weight"].to(place, kind),
        state["positions.weight"].to(place, kind),
        state["segment"].to(place, kind),
        PackedNorm(affine(state, "norm"), eps, kind, place),
    )
    layers = [layer_weights(state, number, eps) for number in range(shape.layers)]
    return PackedTexts(pieces, tables, PackedEncoder(layers, shape.heads, kind, place))


def _stored(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


class PlainText(NamedTuple):
    text: str
    length: int
    unknown_share: float


class LibraryTexts:
    """Any other bi-encoder, run by sentence-transformers, one batch at a time.

    It takes texts, and so reads them once more than their lengths need.
    """

    lanes = 1
    runs = "sentence-transformers"
    SPECIAL_TOKENS = 2

    def __init__(self, network: Any) -> None:
        self._network = network
        # A tokenizer of its own: a fast one may not be used by two threads at once.
        self._reader = Reader(copy.deepcopy(network.tokenizer))
        self.dimension: int = network.get_embedding_dimension()
        self.prompts: Mapping[str, str] = network.prompts or {}

    def begin(self) -> None:
        """Nothing: the library uses the threads that it wants."""

    def read(self, texts: Sequence[str]) -> list[PlainText]:
        window: int | None = self._network.max_seq_length
        return [
            PlainText(text, min(tokens + self.SPECIAL_TOKENS, window or tokens + 2), unknown)
            for text, (tokens, unknown) in zip(texts, self._reader.counts(texts), strict=True)
        ]

    def batches(self, texts: Sequence[PlainText], token_budget: int) -> list[list[int]]:
        return batches_by_length([text.length for text in texts], token_budget)

    def run(self, texts: Sequence[PlainText], go_on: Callable[[], None]) -> Any:
        go_on()
        return self._network.encode(
            [text.text for text in texts],
            prompt="",
            batch_size=len(texts),
            convert_to_numpy=True,
            show_progress_bar=False,
        )
