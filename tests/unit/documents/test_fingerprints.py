from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO

import pytest

from documents.fingerprints import IndexAction, index_fingerprint, plan_indexing, sha256_of
from documents.types import ChunkRecipe
from inference.ports import EmbeddingRecipe

SHA = "ab" * 32
RECIPE = EmbeddingRecipe("local", "minilm", "r1", 384, languages=("en",))


def test_the_hash_is_over_the_whole_file_and_leaves_it_at_its_start() -> None:
    content = b"x" * 3_000_000
    file = BytesIO(content)
    file.read(10)

    assert sha256_of(file) == hashlib.sha256(content).hexdigest()
    assert file.tell() == 0


def test_equal_ingredients_give_equal_fingerprints() -> None:
    first = index_fingerprint(SHA, ChunkRecipe(), replace(RECIPE), 1)

    assert first == index_fingerprint(SHA, ChunkRecipe(), RECIPE, 1)
    assert len(first) == 64


@pytest.mark.parametrize(
    ("sha256", "chunks", "embedding", "terms"),
    [
        ("cd" * 32, ChunkRecipe(), RECIPE, 1),
        (SHA, ChunkRecipe(max_tokens=181), RECIPE, 1),
        (SHA, ChunkRecipe(generation=2), RECIPE, 1),
        (SHA, ChunkRecipe(), replace(RECIPE, revision="r2"), 1),
        (SHA, ChunkRecipe(), replace(RECIPE, query_prefix="query: "), 1),
        (SHA, ChunkRecipe(), None, 1),
        (SHA, ChunkRecipe(), RECIPE, 2),
    ],
)
def test_any_changed_ingredient_changes_the_fingerprint(
    sha256: str, chunks: ChunkRecipe, embedding: EmbeddingRecipe | None, terms: int
) -> None:
    assert index_fingerprint(sha256, chunks, embedding, terms) != index_fingerprint(
        SHA, ChunkRecipe(), RECIPE, 1
    )


@pytest.mark.parametrize(
    ("stored", "expected", "action"),
    [
        ("a", "a", IndexAction.NO_OP),
        ("a", "b", IndexAction.REBUILD),
        ("", "a", IndexAction.REBUILD),
        ("", "", IndexAction.REBUILD),
    ],
)
def test_only_an_equal_stored_fingerprint_saves_the_work(
    stored: str, expected: str, action: IndexAction
) -> None:
    assert plan_indexing(stored, expected) is action
