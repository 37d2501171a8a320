"""What an index was built from, as hashes, and whether it must be built again. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from documents.types import ChunkRecipe
    from inference.ports import EmbeddingRecipe

_BLOCK_SIZE = 1024 * 1024


class SeekableBytes(Protocol):
    """As much of a binary file as hashing needs; an uploaded file is one."""

    def read(self, size: int = ..., /) -> bytes: ...

    def seek(self, offset: int, /) -> object: ...


class IndexAction(StrEnum):
    """What is to be done with a document whose index may be out of date."""

    NO_OP = "no_op"
    REBUILD = "rebuild"


def sha256_of(file: BinaryIO | SeekableBytes) -> str:
    """The SHA-256 of the whole file as 64 hexadecimal digits; the file is left at its start."""
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(_BLOCK_SIZE):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def sha256_of_text(text: str) -> str:
    """The SHA-256 of the text in UTF-8, as 64 hexadecimal digits: the name of a passage."""
    return hashlib.sha256(text.encode()).hexdigest()


def index_fingerprint(
    sha256: str,
    chunk_recipe: ChunkRecipe,
    embedding_recipe: EmbeddingRecipe | None,
    term_generation: int,
) -> str:
    """One hash, 64 hexadecimal digits, over everything that an index of the file depends on.

    Equal fingerprints mean that indexing again would give the same passages, vectors and terms.
    ``embedding_recipe`` is ``None`` for an index without vectors.
    """
    ingredients = {
        "sha256": sha256,
        "chunks": asdict(chunk_recipe),
        "embedding": None if embedding_recipe is None else asdict(embedding_recipe),
        "terms": term_generation,
    }
    canonical = json.dumps(ingredients, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def plan_indexing(stored: str, expected: str) -> IndexAction:
    """``NO_OP`` if the stored fingerprint is the expected one, else ``REBUILD``.

    ``stored`` is empty for a document that was never indexed, or whose index is to be rebuilt.
    """
    return IndexAction.NO_OP if stored and stored == expected else IndexAction.REBUILD
