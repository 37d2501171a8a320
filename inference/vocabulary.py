"""A BERT vocabulary with characters added at its end, each a word of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def with_characters(tokenizer: Any, characters: Sequence[str]) -> Any:
    """The fast tokenizer with ``characters`` as the rows after its own, in their order.

    Its normaliser already sets every Chinese character apart, so that each is looked up as a word.
    """
    from tokenizers import Tokenizer

    if not characters:
        return tokenizer
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    words = state["model"]["vocab"]
    first = len(words)
    for offset, character in enumerate(characters):
        words[character] = first + offset
    state["truncation"] = state["padding"] = None
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state))
    return tokenizer
