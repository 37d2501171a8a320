"""The statements of a text: sentences, list items, headings, each a span of characters.

Passages and answers are read as statements: the extractive composer picks some, and a citation
points at one. Lists come in every shape (Markdown, a line each, or "includes - one - two" run
into the sentence by a converter), and are told apart from prose here, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from documents.sentences import sentence_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

StatementKind = Literal["sentence", "item", "row", "heading"]
_ItemForm = Literal["marked", "open", "closed"]

_LINE = re.compile(r"[^\n]+")
_HEADING_MARK = re.compile(r"[ \t]*#{1,6}[ \t]+")
_RULE = re.compile(r"[ \t]*(?:={3,}|-{3,}|_{3,}|\*{3,}|(?:\*[ \t]*){3,})[ \t]*$")
_ITEM_MARK = re.compile(
    r"[ \t]*(?:[-*+•·‣▪●○–][ \t]+|\(?\d{1,2}[.)、．][ \t]*(?=\D)|（\d{1,2}）[ \t]*"
    r"|[一二三四五六七八九十]{1,3}、[ \t]*|[①-⑳][ \t]*)"
)
_INLINE_MARK = re.compile(r"(?<=\s)(?:-|–|•|\*)[ \t]+(?=[A-Z0-9“\"(\u4e00-\u9fff])")
_RUN_ON = re.compile(
    r"(?<=[a-z)])[ ](?=(?:[A-Z]{2,5}:[ ]|(?:Your|You|The|This|These|They|There|If|It|Some|Most|Many"
    r"|Other|But|When|In|For|To|As|An?"
    r"|Treatments?|Doctors?|People|Talk|See|Call|Ask|He|She|Exercis\w+)[ ][a-z]))"
)
_CLOSED = re.compile(r"[.!?。！？…;；,，、:：][\"'”’」』）)\]]*$")
_OPENS_LIST = re.compile(r"[:：]$")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")

_LONGEST_FRAGMENT = 90
_LONGEST_HEADING = 60
_LONGEST_CJK_HEADING = 24
_LONGEST_UNMARKED_ITEM = 160
_LONGEST_ITEM = 240
"""Characters. A longer list item is read sentence by sentence."""


@dataclass(frozen=True, slots=True)
class Statement:
    """``text[start:end]`` says one thing; list marks and heading marks stand outside the span."""

    start: int
    end: int
    kind: StatementKind
    list_number: int | None = None
    """Which list of the text an item belongs to, from 0."""
    lead_in: int | None = None
    """Index of the statement that introduces the item's list ("Try this:")."""


@dataclass(frozen=True, slots=True)
class _Block:
    kind: Literal["paragraph", "item", "row", "heading"]
    start: int
    end: int
    lines: int = 1


def split_statements(text: str, heading_path: Sequence[str] = ()) -> list[Statement]:
    """The statements of ``text`` in order. Lines that repeat ``heading_path`` are headings."""
    headings = {" ".join(heading.split()) for heading in heading_path}
    splitter = _Splitter(text)
    blocks = _blocks(text, headings)
    for index, block in enumerate(blocks):
        splitter.add(block, is_last=index == len(blocks) - 1)
    return splitter.statements


def _blocks(text: str, headings: set[str]) -> list[_Block]:
    blocks: list[_Block] = []
    is_open = False
    previous_end = 0
    for match in _LINE.finditer(text):
        line, start, end = match.group(), match.start(), match.end()
        if text.count("\n", previous_end, start) > 1 or not line.strip():
            is_open = False
        previous_end = end
        if not line.strip():
            continue
        if _RULE.match(line):
            if is_open and blocks[-1].kind == "paragraph" and blocks[-1].lines == 1:
                blocks[-1] = replace(blocks[-1], kind="heading")
            is_open = False
        elif mark := _HEADING_MARK.match(line):
            blocks.append(_Block("heading", start + mark.end(), end))
            is_open = False
        elif " ".join(line.split()) in headings:
            blocks.append(_Block("heading", start, end))
            is_open = False
        elif line.count("|") >= 2:
            blocks.append(_Block("row", start, end))
            is_open = False
        elif (mark := _ITEM_MARK.match(line)) and mark.end() < len(line):
            blocks.append(_Block("item", start + mark.end(), end))
            is_open = True
        elif is_open and _continues(blocks[-1], line):
            blocks[-1] = replace(blocks[-1], end=end, lines=blocks[-1].lines + 1)
        else:
            blocks.append(_Block("paragraph", start, end))
            is_open = True
    return blocks


def _continues(block: _Block, line: str) -> bool:
    """Whether a line goes on with the block above it: prose wraps freely, an item's lines do
    when they are indented or go on in mid-sentence."""
    return block.kind == "paragraph" or line[0].isspace() or line[0].islower()


class _Splitter:
    """Turns blocks into statements, remembering which list is open and what introduced it."""

    def __init__(self, text: str) -> None:
        self.statements: list[Statement] = []
        self._text = text
        self._lists = 0
        self._list_is_open = False
        self._lead_in: int | None = None
        self._item_form: _ItemForm | None = None

    def add(self, block: _Block, *, is_last: bool) -> None:
        if block.kind in ("heading", "row"):
            self._close_list()
            self._append(block.start, block.end, "heading" if block.kind == "heading" else "row")
        elif self._is_item(block):
            self._add_item(block.start, block.end)
        elif self._is_fragment(block):
            self._close_list()
            kind: StatementKind = "sentence" if is_last else self._fragment_kind(block)
            self._append(block.start, block.end, kind)
        else:
            self._add_prose(block.start, block.end)

    def _add_prose(self, start: int, end: int) -> None:
        """Sentences, with the lists that a converter ran into them taken apart."""
        self._close_list()
        marks = list(_INLINE_MARK.finditer(self._text, start, end))
        if len(marks) < 2:
            self._add_sentences(start, end)
            return
        self._add_sentences(start, marks[0].start(), opens_list=True)
        for mark, item_end in zip(marks, [*(m.start() for m in marks[1:]), end], strict=True):
            self._add_run_on_item(mark.end(), item_end, is_last=item_end == end)

    def _add_run_on_item(self, start: int, end: int, *, is_last: bool) -> None:
        cut = _RUN_ON.search(self._text, start, end)
        if cut is not None:
            item_end = cut.start()
        elif is_last:
            item_end = sentence_spans(self._text, start, end)[0][1]
        else:
            item_end = end
        self._add_item(start, item_end)
        if self._text[item_end:end].strip():
            self._close_list()
            self._add_sentences(item_end, end)

    def _add_sentences(self, start: int, end: int, *, opens_list: bool = False) -> None:
        for sentence_start, sentence_end in sentence_spans(self._text, start, end):
            self._append(sentence_start, sentence_end, "sentence")
        if self.statements:
            last = self._text[self.statements[-1].start : self.statements[-1].end]
            if _OPENS_LIST.search(last) or (opens_list and not _CLOSED.search(last)):
                self._lead_in = len(self.statements) - 1

    def _add_item(self, start: int, end: int) -> None:
        if not self._list_is_open:
            self._list_is_open = True
            self._lists += 1
        if end - start <= _LONGEST_ITEM:
            self._append(start, end, "item")
            return
        for sentence_start, sentence_end in sentence_spans(self._text, start, end):
            self._append(sentence_start, sentence_end, "item")

    def _append(self, start: int, end: int, kind: StatementKind) -> None:
        while start < end and self._text[start].isspace():
            start += 1
        while end > start and self._text[end - 1].isspace():
            end -= 1
        if start == end:
            return
        if kind == "item":
            self.statements.append(Statement(start, end, kind, self._lists - 1, self._lead_in))
        else:
            self.statements.append(Statement(start, end, kind))

    def _close_list(self) -> None:
        self._list_is_open = False
        self._lead_in = None
        self._item_form = None

    def _is_item(self, block: _Block) -> bool:
        """Whether a block is marked as an item, or is one that a converter left unmarked.

        Those are lines under a lead-in ("Such as:") that all have one form, that is, all with or
        all without an end mark; the first line of another form ends the list.
        """
        if block.kind == "item":
            self._item_form = "marked"
            return True
        line = self._text[block.start : block.end].strip()
        form: _ItemForm = "closed" if _CLOSED.search(line) else "open"
        if self._lead_in is None or self._item_form not in (None, form):
            return False
        self._item_form = form
        return (
            block.lines == 1
            and len(line) <= _LONGEST_UNMARKED_ITEM
            and not _OPENS_LIST.search(line)
            and len(sentence_spans(line)) == 1
            and _INLINE_MARK.search(line) is None
        )

    def _is_fragment(self, block: _Block) -> bool:
        line = self._text[block.start : block.end].strip()
        return (
            block.lines == 1
            and len(line) <= _LONGEST_FRAGMENT
            and not _CLOSED.search(line)
            and len(list(_INLINE_MARK.finditer(line))) < 2
        )

    def _fragment_kind(self, block: _Block) -> StatementKind:
        line = self._text[block.start : block.end].strip()
        longest = _LONGEST_CJK_HEADING if _CJK.search(line) else _LONGEST_HEADING
        return "heading" if len(line) <= longest else "sentence"


def texts(text: str, statements: Sequence[Statement]) -> Iterator[str]:
    """The words of each statement, with line breaks and runs of space made single spaces."""
    for statement in statements:
        yield " ".join(text[statement.start : statement.end].split())
