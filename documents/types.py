"""Values that cross layers inside ``documents``. Frozen, plain, no Django."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

Language = str
"""ISO 639-1 code (``en``, ``zh``), or ``""`` when the text is too short or too mixed to tell."""

BlockKind = Literal["heading", "paragraph", "list_item", "table_row", "code", "pair"]
"""A ``pair`` is a question on its first line and the answer on the others: one passage."""


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line: where it stands in the document's text and on its page.

    ``start`` and ``end`` are character offsets into ``ParsedDocument.text``; ``box`` is
    (left, bottom, right, top) in PDF points from the lower left corner of the page.
    """

    start: int
    end: int
    page: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, paragraph, list item or table row. ``text == document.text[start:end]``."""

    kind: BlockKind
    start: int
    end: int
    heading_path: tuple[str, ...] = ()
    """Titles of the sections around the block, outermost first; of a heading, its parents."""
    level: int = 0
    """1 to 6 for a heading, else 0."""
    page: int | None = None
    """1-based page, where the format has pages."""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser found: one text, and blocks and lines as spans of it, in reading order."""

    text: str
    blocks: tuple[Block, ...]
    lines: tuple[Line, ...] = ()
    title: str = ""
    author: str = ""
    language: Language = ""
    published: date | None = None
    page_count: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChunkRecipe:
    """How text is cut. ``max_tokens`` and ``overlap_tokens`` count as ``chunking.count_tokens``."""

    max_tokens: int = 180
    overlap_tokens: int = 24
    generation: int = 1
    """``chunking.CHUNKING_GENERATION``: raised when the same input gives other chunks."""


@dataclass(frozen=True, slots=True)
class ChunkDraft:
    """A passage before it is stored. ``text == document.text[start:end]``, in characters."""

    ordinal: int
    text: str
    start: int
    end: int
    heading_path: tuple[str, ...]
    page_start: int | None
    page_end: int | None
    token_count: int
    language: Language
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Readability:
    """How easy a text is to read, with the inputs it was computed from."""

    score: float
    """In [0, 1]; 1 is easiest."""
    measure: str
    """Name of the formula, e.g. ``new_dale_chall`` or ``zh_sentence_and_characters``."""
    inputs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DenseHit:
    """A chunk found by vector search, with its cosine similarity in [-1, 1]."""

    chunk_id: int
    document_id: int
    cosine: float


@dataclass(frozen=True, slots=True)
class LexicalHit:
    """A chunk found by term search. ``share`` is its score over the highest possible, [0, 1]."""

    chunk_id: int
    document_id: int
    score: float
    share: float
