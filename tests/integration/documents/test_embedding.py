"""Which passages get a vector, in what portions, and who hears of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from documents.embedding import embed_readable
from inference.errors import InvalidModelResponse
from inference.fake import FakeEmbedder
from inference.ports import EmbeddingRecipe

pytestmark = pytest.mark.django_db


class English(FakeEmbedder):
    """Knows ASCII words, and notes in which order it was asked what."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    @property
    def recipe(self) -> EmbeddingRecipe:
        return EmbeddingRecipe("fake", "english", "1", 384, languages=("en",))

    def unknown_share(self, text: str) -> float:
        self.asked.append(f"know {text}")
        return 0.0 if text.isascii() else 1.0

    def embed_passages(self, texts: Sequence[str]) -> Any:
        self.asked.append(f"embed {' '.join(texts)}")
        return super().embed_passages(texts)


def test_a_text_that_the_embedder_does_not_read_has_no_vector() -> None:
    embedder = English()
    found = embed_readable(embedder, [("a", "en"), ("b", "de"), ("é", "en"), ("c", "")])
    assert [vector is not None for vector in found] == [True, False, False, True]
    expected = embedder.embed_passages(["a", "c"])
    np.testing.assert_array_equal([found[0], found[3]], expected)


def test_each_portion_is_judged_and_embedded_before_the_next_is_read() -> None:
    embedder = English()
    heard: list[int] = []
    texts = [("a", "en"), ("b", "en"), ("c", "de"), ("d", "de"), ("e", "en")]
    embed_readable(embedder, texts, batch=2, on_progress=heard.append)
    assert embedder.asked == ["know a", "know b", "embed a b", "know e", "embed e"]
    assert heard == [2, 4, 5]


def test_no_texts_ask_nothing() -> None:
    embedder = English()
    heard: list[int] = []
    assert embed_readable(embedder, [], on_progress=heard.append) == []
    assert (embedder.asked, heard) == ([], [])


@pytest.mark.parametrize("made", [np.zeros((1, 384)), np.full((2, 384), np.nan), np.zeros((2, 3))])
def test_an_array_that_is_not_a_finite_vector_for_each_is_refused(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = English()
    monkeypatch.setattr(embedder, "embed_passages", lambda texts: made)
    with pytest.raises(InvalidModelResponse):
        embed_readable(embedder, [("a", "en"), ("b", "en")])
