"""Put a document together block by block, with offsets that are right by construction."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from documents.analysis import detect_language
from documents.parsing.base import ParseError
from documents.types import Block, Line, ParsedDocument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from documents.types import BlockKind

# Postgres refuses NUL, UTF-8 refuses surrogates; the rest of these nobody can see or type.
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")
_LINE_BREAK = re.compile("\r\n?|[\x85\u2028\u2029]")
_BLANK = re.compile(r"[^\S\n]+")
_UNSPACED = re.compile("[\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff\uff00-\uff9f]")
_TIGHT_KINDS = frozenset({"list_item", "table_row"})
_TITLE_LENGTH = 500
_MOST_POINTS = 1e6
"""Far more than the widest page has."""
_DEEPEST = 6
_METADATA_LENGTH = 2_000


def clean(text: str) -> str:
    """``text`` without characters that cannot be stored, and with ``\\n`` as the only line end."""
    return _UNSTORABLE.sub("", _LINE_BREAK.sub("\n", text))


def one_line(text: str) -> str:
    """``clean`` text with every run of white space as one space, none at the ends."""
    return " ".join(clean(text).split())


def joint(before: str, after: str) -> str:
    """What stands between two lines of a paragraph: nothing inside Chinese or Japanese text."""
    if before and after and _UNSPACED.match(before[-1]) and _UNSPACED.match(after[0]):
        return ""
    return "\n"


class DocumentBuilder:
    """Collects blocks in reading order. Text is cleaned before its offsets are taken.

    Blocks are parted by an empty line, list items and table rows of one list or table by a line
    end. Raises ``ParseError("too_large")`` when the text grows over ``max_characters``.
    """

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._lines: list[Line] = []
        self._headings: list[tuple[int, str]] = []

    def heading(self, text: str, level: int, *, page: int | None = None) -> None:
        """Add a heading of ``level`` 1 (outermost) to 6; an empty one is ignored."""
        title = one_line(text)
        if title:
            self._open_section(title, level)
            start = self._append("heading", title)
            self._add_block("heading", start, level=level, page=page)

    def add(self, kind: BlockKind, text: str, *, page: int | None = None) -> None:
        """Add a block that is no heading. White space is collapsed, except in code."""
        cleaned = clean(text)
        if kind == "code":
            cleaned = cleaned.strip("\n").rstrip()
        else:
            lines = [_BLANK.sub(" ", line).strip() for line in cleaned.split("\n")]
            cleaned = "\n".join(line for line in lines if line)
        if cleaned.strip():
            self._add_block(kind, self._append(kind, cleaned), page=page)

    def add_lines(
        self,
        kind: BlockKind,
        lines: Sequence[tuple[str, tuple[float, float, float, float], int]],
        *,
        level: int = 0,
    ) -> None:
        """Add a block of printed lines, each with box and page; they are recorded with offsets.

        The block's page is that of its first line.

        A line that ends with a soft hyphen (U+00AD) is joined to the next without it.
        """
        printed = [(one_line(text), box, page) for text, box, page in lines]
        printed = [line for line in printed if line[0].strip("\xad")]
        if not printed:
            return
        text = ""
        spans: list[tuple[int, int, tuple[float, float, float, float], int]] = []
        for line, box, page in printed:
            if text.endswith("\xad"):
                text = text[:-1]
                spans[-1] = (spans[-1][0], len(text), *spans[-1][2:])
            elif text:
                text += joint(text, line)
            spans.append((len(text), len(text) + len(line), box, page))
            text += line
        if kind == "heading":
            self._open_section(" ".join(text.split()), level)
        start = self._append(kind, text)
        self._lines.extend(
            Line(start + a, start + b, page, box)
            for a, b, box, page in spans
            # A damaged file's places are no numbers, or not on any page: its words are still there.
            if all(abs(side) < _MOST_POINTS for side in box)
        )
        self._add_block(kind, start, level=level, page=printed[0][2])

    def build(
        self,
        *,
        title: str = "",
        author: str = "",
        declared_language: str = "",
        published: date | None = None,
        page_count: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ParsedDocument:
        """The document. Raises ``ParseError("no_text")`` when not one letter or digit was added.

        Without a title the first heading is taken. The language is told from the text, and only
        where that fails from what the file declares (``zh-Hant``, ``en_GB``).
        """
        text = "".join(self._parts)
        if not any(character.isalnum() for character in text):
            raise ParseError("no_text")
        declared = re.match(r"[a-z]{2}(?![a-z])", declared_language.strip().lower())
        first_heading = next((b for b in self._blocks if b.kind == "heading"), None)
        if not one_line(title) and first_heading is not None:
            title = text[first_heading.start : first_heading.end]
        return ParsedDocument(
            text=text,
            blocks=tuple(self._blocks),
            lines=tuple(self._lines),
            title=one_line(title)[:_TITLE_LENGTH],
            author=one_line(author)[:_TITLE_LENGTH],
            language=detect_language(text) or (declared.group() if declared else ""),
            published=published,
            page_count=page_count,
            metadata={
                one_line(key)[:_TITLE_LENGTH]: one_line(value)[:_METADATA_LENGTH]
                for key, value in (metadata or {}).items()
                if one_line(value)
            },
        )

    def _open_section(self, title: str, level: int) -> None:
        self._headings = [entry for entry in self._headings if entry[0] < level]
        self._headings.append((level, title))

    def _append(self, kind: BlockKind, text: str) -> int:
        """Append ``text`` after a separator; where it starts."""
        separator = ""
        if self._blocks:
            tight = kind in _TIGHT_KINDS and self._blocks[-1].kind == kind
            separator = "\n" if tight else "\n\n"
        start = self._length + len(separator)
        self._length = start + len(text)
        if self._length > self._max_characters:
            raise ParseError("too_large", f"more than {self._max_characters} characters")
        self._parts.append(separator + text)
        return start

    def _add_block(
        self, kind: BlockKind, start: int, *, level: int = 0, page: int | None = None
    ) -> None:
        titles = tuple(title for _, title in self._headings)
        path = titles[:-1] if kind == "heading" else titles
        self._blocks.append(Block(kind, start, self._length, path, min(level, _DEEPEST), page))
