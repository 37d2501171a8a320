"""Cut a parsed document into passages, by structure first and by token budget second. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from documents.analysis import detect_language
from documents.sentences import sentence_spans
from documents.types import Block, ChunkDraft

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from documents.types import ChunkRecipe, Language, Line, ParsedDocument

CHUNKING_GENERATION = 2
"""Raised whenever ``chunk`` can give other passages for the same input; documents are rebuilt."""

_TOKEN = re.compile(
    r"[\u1100-\u11ff\u2e80-\u2fff\u3001-\u9fff\uac00-\ud7a3\uf900-\ufaff"
    r"\U00020000-\U0003ffff]"
    r"|[a-zA-Z]{1,8}|[0-9]{1,3}|[^\W\d_a-zA-Z]{1,3}|[^\w\s]|[\d_]"
)
_CODE_LINE = re.compile(r"\S(?:[^\n]*\S)?")
_BREAK = re.compile(r"[，,；;：:、]|\s+")
_REMNANT_SHARE = 10
"""A passage below a tenth of the budget joins its neighbour where both fit."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """The smallest thing that is packed: a sentence, a table row, a heading, a line of code."""

    start: int
    end: int
    tokens: int
    paragraph: int
    page: int | None
    heading: bool = False
    whole: bool = True
    """False for a part of a sentence that alone exceeds the budget; such a part is no overlap."""


@dataclass(frozen=True, slots=True)
class _Section:
    heading_path: tuple[str, ...]
    pieces: list[_Piece]
    question: str = ""
    """Of a question with its answer, which no other text joins."""


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    tokens: int
    heading_path: tuple[str, ...]
    pages: tuple[int, int] | None
    alone: bool = False
    """Never joined to a neighbour."""


def count_tokens(text: str) -> int:
    """An estimate of the tokens that a WordPiece model makes of ``text``.

    One per ideograph, kana or Hangul syllable, per eight Latin letters of a word, per three
    digits, per three letters of another script, and per mark. Against MiniLM's own tokenizer the
    sum over a set of passages is between 0.97 and 1.06 (English lay, technical and web text;
    Chinese 1.00); nine in ten single passages are between 0.78 and 1.16. It grows with the text:
    a prefix never counts more, and white space counts nothing.
    """
    return len(_TOKEN.findall(text))


def chunk(parsed: ParsedDocument, recipe: ChunkRecipe) -> list[ChunkDraft]:
    """The passages of ``parsed``, in reading order, numbered from 0.

    A heading starts a passage and belongs to it. A question with its answer is a passage by
    itself; where it does not fit, further ones have the question as the last title of their path.
    Inside a section, paragraphs are packed up to ``recipe.max_tokens``; a paragraph that does not
    fit is cut between sentences, a sentence that does not fit at a clause mark or a space, and only
    a word that does not fit inside it. Each passage after the first of its section begins with the
    last whole sentences of the one before, up to ``recipe.overlap_tokens``. No passage counts more
    than ``max_tokens``, and together they hold every non-space character of ``parsed.text``. Equal
    input gives equal output.

    Raises ``ValueError`` for a budget below one token.
    """
    if recipe.max_tokens < 1:
        msg = "a passage needs a budget of at least one token"
        raise ValueError(msg)
    spans: list[_Span] = []
    for section in _sections(parsed, recipe.max_tokens):
        spans.extend(_pack(parsed.text, section, recipe))
    fallback = parsed.language or detect_language(parsed.text)
    line_ends = [line.end for line in parsed.lines]
    return [
        _draft(parsed, ordinal, span, line_ends, fallback)
        for ordinal, span in enumerate(_join_remnants(spans, recipe.max_tokens))
    ]


def _sections(parsed: ParsedDocument, max_tokens: int) -> Iterator[_Section]:
    """Group the blocks: headings that follow each other, and all text up to the next heading."""
    path: tuple[str, ...] = ()
    pieces: list[_Piece] = []
    for paragraph, block in enumerate(_covering_blocks(parsed)):
        if block.kind == "pair":
            if pieces and not pieces[-1].heading:
                yield _Section(path, pieces)
                pieces = []
            path = block.heading_path
            pieces.extend(_pieces(parsed.text, block, paragraph, max_tokens))
            yield _Section(path, pieces, question=_first_line(parsed.text, block))
            pieces = []
        elif block.kind == "heading":
            if pieces and not pieces[-1].heading:
                yield _Section(path, pieces)
                pieces = []
            title = " ".join(parsed.text[block.start : block.end].split())
            path = (*block.heading_path, title)
        elif not pieces:
            path = block.heading_path
        if block.kind != "pair":
            pieces.extend(_pieces(parsed.text, block, paragraph, max_tokens))
    if pieces:
        yield _Section(path, pieces)


def _first_line(text: str, block: Block) -> str:
    return " ".join(text[block.start : block.end].partition("\n")[0].split())


def _covering_blocks(parsed: ParsedDocument) -> Iterator[Block]:
    """The document's blocks, cut where they overlap, with paragraphs put into gaps with text.

    A parser that forgets a span must cost structure, never text.
    """
    cursor = 0
    page: int | None = None
    for block in sorted(parsed.blocks, key=lambda block: (block.start, block.end)):
        start, end = max(block.start, cursor), min(block.end, len(parsed.text))
        if not parsed.text[start:end].strip():
            continue
        if parsed.text[cursor:start].strip():
            yield Block("paragraph", cursor, start, page=page)
        yield replace(block, start=start, end=end)
        cursor, page = end, block.page
    if parsed.text[cursor:].strip():
        yield Block("paragraph", cursor, len(parsed.text), page=page)


def _pieces(text: str, block: Block, paragraph: int, max_tokens: int) -> Iterator[_Piece]:
    is_heading = block.kind == "heading"
    for start, end in _natural_spans(text, block, max_tokens):
        tokens = count_tokens(text[start:end])
        piece = _Piece(start, end, tokens, paragraph, block.page, heading=is_heading)
        while piece.tokens > max_tokens:
            head, piece = _split(text, piece, max_tokens)
            yield head
        yield piece


def _natural_spans(text: str, block: Block, max_tokens: int) -> list[tuple[int, int]]:
    """Spans that should stay in one piece: lines of code, sentences, whole rows and headings."""
    if block.kind == "code":
        return [match.span() for match in _CODE_LINE.finditer(text, block.start, block.end)]
    spans = sentence_spans(text, block.start, block.end)
    if block.kind in ("heading", "table_row"):
        start, end = spans[0][0], spans[-1][1]
        if count_tokens(text[start:end]) <= max_tokens:
            return [(start, end)]
    return spans


def _split(text: str, piece: _Piece, budget: int) -> tuple[_Piece, _Piece]:
    """Cut ``piece`` in two, the first of at most ``budget`` tokens."""
    cut = rest_start = _cut_offset(text, piece.start, piece.end, budget)
    while text[rest_start].isspace():
        rest_start += 1
    head = text[piece.start : cut].rstrip()
    tokens = count_tokens(head)
    return (
        replace(piece, end=piece.start + len(head), tokens=tokens, whole=False),
        # The cut is at the end of a token, so the two counts add up: to count the rest again
        # would cost the square of its length on text without a single space.
        replace(piece, start=rest_start, tokens=piece.tokens - tokens, whole=False),
    )


def _cut_offset(text: str, start: int, end: int, budget: int) -> int:
    """Where the first ``budget`` tokens end, or at a clause mark or space not far before that."""
    cut = start
    for number, match in enumerate(_TOKEN.finditer(text, start, end)):
        if number == budget:
            break
        cut = match.end()
    if text[cut].isspace():
        return cut
    breaks = _BREAK.finditer(text, start + (cut - start) // 2, cut)
    return max((match.end() for match in breaks), default=cut)


def _pack(text: str, section: _Section, recipe: ChunkRecipe) -> Iterator[_Span]:
    pieces = list(section.pieces)
    begin = first = 0  # where the passage begins, and its first piece that no other passage holds
    while first < len(pieces):
        stop = _filled_to(pieces, begin, first, recipe.max_tokens)
        if pieces[stop - 1].heading and stop < len(pieces):
            stop += _follow_heading(text, pieces, begin, stop, recipe.max_tokens)
        elif stop < len(pieces):
            stop = _last_paragraph_end(pieces, begin, first, stop, recipe.max_tokens)
        path = section.heading_path
        if section.question and first:  # the answer goes on: under the question, as under a heading
            path = (*path, section.question)
        span = _span_of(pieces[begin:stop], path)
        yield replace(span, alone=True) if section.question else span
        if stop < len(pieces):
            room = min(recipe.overlap_tokens, recipe.max_tokens - pieces[stop].tokens)
            begin = _overlap_start(pieces, max(first, begin + 1), stop, room)
        first = stop


def _filled_to(pieces: Sequence[_Piece], begin: int, first: int, max_tokens: int) -> int:
    """The index after the last piece that fits, at least one piece beyond the overlap."""
    total = sum(piece.tokens for piece in pieces[begin:first])
    stop = first
    while stop < len(pieces) and total + pieces[stop].tokens <= max_tokens:
        total += pieces[stop].tokens
        stop += 1
    return stop


def _follow_heading(text: str, pieces: list[_Piece], begin: int, stop: int, max_tokens: int) -> int:
    """Cut the piece at ``stop`` so that a heading does not stand alone; how many pieces joined."""
    room = max_tokens - sum(piece.tokens for piece in pieces[begin:stop])
    if pieces[stop].heading or room < max_tokens // 4 or room < 1:
        return 0
    pieces[stop : stop + 1] = _split(text, pieces[stop], room)
    return 1


def _last_paragraph_end(
    pieces: Sequence[_Piece], begin: int, first: int, stop: int, max_tokens: int
) -> int:
    """Step back to the end of a paragraph if the passage stays at least half full."""
    total = sum(piece.tokens for piece in pieces[begin:stop])
    for end in range(stop, first, -1):
        if 2 * total < max_tokens:
            break
        if pieces[end - 1].paragraph != pieces[end].paragraph:
            return end
        total -= pieces[end - 1].tokens
    return stop


def _overlap_start(pieces: Sequence[_Piece], earliest: int, stop: int, room: int) -> int:
    """Where the next passage begins: whole sentences before ``stop`` that fit into ``room``.

    Never where the one before began, which would then stand in both as a whole.
    """
    begin = stop
    while begin > earliest:
        piece = pieces[begin - 1]
        if piece.tokens > room or piece.heading or not piece.whole:
            break
        room -= piece.tokens
        begin -= 1
    return begin


def _span_of(pieces: Sequence[_Piece], heading_path: tuple[str, ...]) -> _Span:
    pages = [piece.page for piece in pieces if piece.page is not None]
    return _Span(
        start=pieces[0].start,
        end=pieces[-1].end,
        tokens=sum(piece.tokens for piece in pieces),
        heading_path=heading_path,
        pages=(min(pages), max(pages)) if pages else None,
    )


def _join_remnants(spans: Sequence[_Span], max_tokens: int) -> list[_Span]:
    """Join a passage of next to no text to the one before, else to the one after, if it fits."""
    joined: list[_Span] = []
    for span in spans:
        if joined and _should_join(joined[-1], span, max_tokens):
            joined[-1] = _joined(joined[-1], span)
        else:
            joined.append(span)
    return joined


def _should_join(before: _Span, after: _Span, max_tokens: int) -> bool:
    smaller = min(before.tokens, after.tokens)
    if before.alone or after.alone:
        return False
    return smaller * _REMNANT_SHARE < max_tokens and before.tokens + after.tokens <= max_tokens


def _joined(before: _Span, after: _Span) -> _Span:
    pages = [page for span in (before, after) if span.pages for page in span.pages]
    return _Span(
        start=before.start,
        end=after.end,
        tokens=before.tokens + after.tokens,
        # The path of the larger part: the remnant's own heading is in the text.
        heading_path=max(before, after, key=lambda span: span.tokens).heading_path,
        pages=(min(pages), max(pages)) if pages else None,
    )


def _draft(
    parsed: ParsedDocument, ordinal: int, span: _Span, line_ends: Sequence[int], fallback: Language
) -> ChunkDraft:
    text = parsed.text[span.start : span.end]
    lines: list[Line] = []
    index = bisect_right(line_ends, span.start)
    while index < len(parsed.lines) and parsed.lines[index].start < span.end:
        lines.append(parsed.lines[index])
        index += 1
    pages = [line.page for line in lines] or list(span.pages or ())
    return ChunkDraft(
        ordinal=ordinal,
        text=text,
        start=span.start,
        end=span.end,
        heading_path=span.heading_path,
        page_start=min(pages, default=None),
        page_end=max(pages, default=None),
        token_count=count_tokens(text),
        language=detect_language(text) or fallback,
        lines=tuple(lines),
    )
