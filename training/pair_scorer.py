"""The network of the bundled cross-encoder: a small BERT that scores a question with a passage.

The score starts as what the bi-encoder it is made from already knows: the cosine between the mean
of the question's tokens and the mean of the passage's. In the first layers question and passage
are read apart, as the bi-encoder reads them; from layer ``apart`` on, each sees the other. A linear
head over both means adds what the cosine cannot say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from inference.pair_weights import PairShape


class PairLayer(nn.Module):
    """One layer of BERT, with query, key and value in one matrix."""

    def __init__(self, shape: PairShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attention = nn.Linear(shape.width, 3 * shape.width)
        self.attended = nn.Linear(shape.width, shape.width)
        self.attended_norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.widen = nn.Linear(shape.width, shape.inner)
        self.narrow = nn.Linear(shape.inner, shape.width)
        self.narrow_norm = nn.LayerNorm(shape.width, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``x`` is ``(batch, length, width)``; ``bias`` is added to the attention's logits."""
        batch, length, width = x.shape
        split = self.attention(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        logits = query @ key.transpose(-1, -2) * (width // self.heads) ** -0.5 + bias
        mixed = (logits.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, width)
        x = self.attended_norm(x + self.attended(mixed))
        narrowed: Tensor = self.narrow_norm(x + self.narrow(functional.gelu(self.widen(x))))
        return narrowed


class PairScorer(nn.Module):
    """``forward`` gives one logit for each row of ``[CLS] question [SEP] passage [SEP]``.

    ``ids``, ``segments`` and ``mask`` are ``(batch, length)`` throughout: ``segments`` is 1 on the
    passage and its last ``[SEP]``, ``mask`` is 1 on tokens and 0 on padding.
    """

    def __init__(self, shape: PairShape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.words, shape.width, padding_idx=0)
        self.added = nn.Embedding(max(1, shape.added), shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.segment = nn.Parameter(torch.zeros(2, shape.width))
        self.norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.layers = nn.ModuleList(PairLayer(shape) for _ in range(shape.layers))
        self.scale = nn.Parameter(torch.tensor(8.0))
        self.head = nn.Linear(3 * shape.width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, ids: Tensor, segments: Tensor, mask: Tensor) -> Tensor:
        """Logits of shape ``(batch,)``."""
        return self.score_means(*self.means(ids, segments, mask))

    def score_means(self, question: Tensor, passage: Tensor) -> Tensor:
        """Logits ``(batch,)`` from the means that ``means`` gives."""
        agreement = functional.cosine_similarity(question, passage, dim=-1)
        features = torch.cat([question, passage, question * passage], dim=-1)
        added: Tensor = self.head(features).squeeze(-1)
        return self.scale * agreement + added

    def embedded(self, ids: Tensor) -> Tensor:
        """The rows of ``ids``, of the base vocabulary and of the characters added to it."""
        own = self.shape.words
        if not self.shape.added:
            rows: Tensor = self.words(ids)
            return rows
        new = ids >= own
        known = self.words(ids.masked_fill(new, 0))
        return torch.where(new[..., None], self.added((ids - own).clamp(min=0)), known)

    def means(self, ids: Tensor, segments: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The mean over the question's tokens and over the passage's, each ``(batch, width)``."""
        dtype = self.words.weight.dtype
        places = torch.arange(ids.shape[1], device=ids.device)
        x = self.embedded(ids) + self.positions(places) + self.segment.to(dtype)[segments]
        x = self.norm(x)
        lowest = torch.finfo(dtype).min
        token = mask[:, None, None, :].bool()
        same = (segments[:, None, :, None] == segments[:, None, None, :]) & token
        apart = torch.zeros_like(same, dtype=dtype).masked_fill(~same, lowest)
        joined = torch.zeros(token.shape, dtype=dtype, device=ids.device).masked_fill(
            ~token, lowest
        )
        for number, layer in enumerate(self.layers):
            x = layer(x, apart if number < self.shape.apart else joined)
        of_passage = (segments * mask).to(dtype)
        of_question = ((1 - segments) * mask).to(dtype)
        return _mean(x, of_question), _mean(x, of_passage)


def _mean(x: Tensor, weights: Tensor) -> Tensor:
    total = (x * weights[:, :, None]).float().sum(1)
    return (total / weights.float().sum(1, keepdim=True).clamp(min=1)).to(x.dtype)
