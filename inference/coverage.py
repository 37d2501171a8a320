"""Whether a model may be used on a text: languages are a property of the model.

One rule for everything that embeds or reranks, so that a passage is never indexed by a model that
its question may not ask, or the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_UNKNOWN = 0.2
"""A text of which the model knows fewer tokens than this share leaves is noise to it."""


class KnowsTokens(Protocol):
    """The part of ``Embedder`` and ``Reranker`` that the rule asks."""

    def unknown_share(self, text: str) -> float: ...


def can_read(model: KnowsTokens, languages: Collection[str], text: str, language: str) -> bool:
    """Whether ``model``, trained on ``languages`` (empty: any), knows the text's words.

    A text too short to tell its language (``""``) is judged by its words alone. Raises
    ``ModelError`` when the model cannot be asked.
    """
    if languages and language and language not in languages:
        return False
    return model.unknown_share(text) <= MOST_UNKNOWN
