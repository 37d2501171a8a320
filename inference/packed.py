"""BERT's layers over texts that lie end to end, without padding.

Linear layers do not care where one text ends and the next begins, so all tokens of a batch go
through them as one matrix; only attention runs text by text. On a CPU the scores of attention are
kept in one buffer that every layer and text uses again, and the linear layers are oneDNN's with
the activation or the sum built in. See ADR 0011 for what each of these is worth.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, device, dtype

Span = tuple[int, int]
"""First row of a text, and the row after its last."""

_setting_threads = threading.Lock()


class Affine(NamedTuple):
    """A matrix ``(out, in)``, or the scale of a layer norm, with its bias."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """One layer's weights as they were trained."""

    attention: Affine
    """Query, key and value, one above the other."""
    attended: Affine
    attended_norm: Affine
    widen: Affine
    narrow: Affine
    narrow_norm: Affine
    eps: float
    """Of both norms."""


@cache
def has_fused_linears(kind: dtype) -> bool:
    """Whether this build of torch has oneDNN's fused linear layers, and they compute what they say.

    They are what its compiler uses and are not documented, so they are tried before they are used.
    """
    import torch

    generator = torch.Generator().manual_seed(1)
    x, weight, bias, add = (
        torch.randn(size, generator=generator).to(kind) for size in ((3, 32), (32, 32), 32, (3, 32))
    )
    try:
        operators = torch.ops.mkldnn
        packed = operators._reorder_linear_weight(weight, None)
        gelu = operators._linear_pointwise(x, packed, bias, "gelu", [], "none")
        total = operators._linear_pointwise.binary(x, add, packed, bias, "add")
    except (RuntimeError, AttributeError, TypeError):
        return False
    plain = torch.nn.functional.linear(x, weight, bias)
    return torch.allclose(gelu, torch.nn.functional.gelu(plain), atol=0.1, rtol=0.05) and bool(
        torch.allclose(total, plain + add, atol=0.1, rtol=0.05)
    )


def one_thread_each() -> None:
    """Let torch use one thread for what the calling thread runs, and leave the others as they are.

    torch sets the number of the calling thread and of all that come later; so another thread puts
    the latter back. It also looks the number up beforehand: the calling thread may have begun while
    one that called this before was between the two.
    """
    import torch

    with _setting_threads, ThreadPoolExecutor(1) as another:
        before = another.submit(torch.get_num_threads).result()
        torch.get_num_threads()  # a thread's first look makes its number that of all
        torch.set_num_threads(1)
        another.submit(torch.set_num_threads, before).result()


class PackedLinear:
    """``x @ weight.T + bias`` with what follows it: ``gelu`` of that, or ``add`` to it."""

    def __init__(self, weight: Tensor, bias: Tensor, kind: dtype, place: device) -> None:
        import torch

        weight = weight.detach().to(place, kind).contiguous()
        self._bias = bias.detach().to(place, kind)
        self._fused = place.type == "cpu" and has_fused_linears(kind)
        self._operators = torch.ops.mkldnn
        self._weight = (
            self._operators._reorder_linear_weight(weight, None) if self._fused else weight
        )

    def __call__(self, x: Tensor, *, gelu: bool = False, add: Tensor | None = None) -> Any:
        from torch.nn import functional

        if self._fused and add is not None:
            return self._operators._linear_pointwise.binary(x, add, self._weight, self._bias, "add")
        if self._fused:
            name, algorithm = ("gelu", "none") if gelu else ("none", "")
            return self._operators._linear_pointwise(
                x, self._weight, self._bias, name, [], algorithm
            )
        y = functional.linear(x, self._weight, self._bias)
        if gelu:
            y = functional.gelu(y)
        return y if add is None else y.add_(add)


class PackedNorm:
    def __init__(self, norm: Affine, eps: float, kind: dtype, place: device) -> None:
        self._shape, self._eps = tuple(norm.weight.shape), eps
        self._weight = norm.weight.detach().to(place, kind)
        self._bias = norm.bias.detach().to(place, kind)

    def __call__(self, x: Tensor) -> Tensor:
        from torch.nn import functional

        return functional.layer_norm(x, self._shape, self._weight, self._bias, self._eps)


class PackedLayer:
    """One layer. ``last`` is for one of which only each text's first token is read afterwards."""

    def __init__(
        self, weights: LayerWeights, heads: int, kind: dtype, place: device, *, last: bool
    ) -> None:
        import torch

        matrix, bias = (part.detach().float() for part in weights.attention)
        width = matrix.shape[1]
        self.heads, self.width = heads, width
        # The logits' scale goes into the query once, instead of over every matrix of logits.
        scale = torch.ones(3 * width)
        scale[:width] = (width // heads) ** -0.5
        matrix, bias = matrix.cpu() * scale[:, None], bias.cpu() * scale
        self._query = PackedLinear(matrix[:width], bias[:width], kind, place) if last else None
        first = width if last else 0
        self._attention = PackedLinear(matrix[first:], bias[first:], kind, place)
        self._attended = PackedLinear(weights.attended.weight, weights.attended.bias, kind, place)
        self._widen = PackedLinear(weights.widen.weight, weights.widen.bias, kind, place)
        self._narrow = PackedLinear(weights.narrow.weight, weights.narrow.bias, kind, place)
        self._attended_norm = PackedNorm(weights.attended_norm, weights.eps, kind, place)
        self._narrow_norm = PackedNorm(weights.narrow_norm, weights.eps, kind, place)

    def __call__(self, x: Tensor, spans: Sequence[Span], buffer: Tensor | None) -> Tensor:
        mixed, x = self._mixed(x, spans, buffer)
        x = self._attended_norm(self._attended(mixed, add=x))
        return self._narrow_norm(self._narrow(self._widen(x, gelu=True), add=x))

    def _mixed(
        self, x: Tensor, spans: Sequence[Span], buffer: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """What attention gathers for each row that is read afterwards, and these rows."""
        rows = x if self._query is None else x[[first for first, _ in spans]]
        size = self.width // self.heads
        # ``(parts, tokens, size)``: the heads of the query, if it is here, then of key and value.
        parts = self._attention(x).view(len(x), -1, size).transpose(0, 1)
        asked = self._query(rows).view(len(rows), -1, size).transpose(0, 1) if self._query else None
        mixed = x.new_empty(len(rows), self.heads, size)
        for place, (first, end) in enumerate(spans):
            keys, values = parts[-2 * self.heads :, first:end].split(self.heads)
            if asked is None:
                query, target = parts[: self.heads, first:end], mixed[first:end]
            else:
                query, target = asked[:, place : place + 1], mixed[place : place + 1]
            target.transpose(0, 1).copy_(_attend(query, keys, values, buffer))
        return mixed.view(len(rows), self.width), rows


def _attend(query: Tensor, keys: Tensor, values: Tensor, buffer: Tensor | None) -> Tensor:
    """Attention of one text, all ``(heads, tokens, size)``, the query scaled beforehand."""
    import torch

    if buffer is None:
        attention = torch.nn.functional.scaled_dot_product_attention
        return attention(query[None], keys[None], values[None], scale=1.0)[0]
    size = (len(query), query.shape[1], keys.shape[1])
    logits = buffer[: size[0] * size[1] * size[2]].view(size)
    torch.bmm(query, keys.transpose(1, 2), out=logits)
    torch.softmax(logits, -1, out=logits)
    return torch.bmm(logits, values)


class PackedEncoder:
    """All layers. With ``first_only`` the result has one row for each text, its first token's."""

    def __init__(
        self,
        layers: Sequence[LayerWeights],
        heads: int,
        kind: dtype,
        place: device,
        *,
        first_only: bool = False,
    ) -> None:
        last = len(layers) - 1
        self._layers = [
            PackedLayer(weights, heads, kind, place, last=first_only and number == last)
            for number, weights in enumerate(layers)
        ]
        self._heads, self._place = heads, place

    def run(
        self,
        x: Tensor,
        spans: Sequence[Span],
        go_on: Callable[[], None],
        *,
        first_layer: int = 0,
        end_layer: int | None = None,
    ) -> Tensor:
        """``x``, which is ``(tokens, width)``, after the layers from one to before the other.

        A token sees its own one of ``spans``, which together are all of ``x``. ``go_on`` is called
        before each layer, and may raise to give up.
        """
        buffer = None
        if self._place.type == "cpu":
            longest = max(end - first for first, end in spans)
            buffer = x.new_empty(self._heads * longest * longest)
        for layer in self._layers[first_layer:end_layer]:
            go_on()
            x = layer(x, spans, buffer)
        return x
