"""Rich text (RTF): paragraphs, headings by style, lists, tables, in the code page of each font."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from documents.parsing.base import ParseError
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.compound import codec_of
from documents.parsing.tables import add_table

if TYPE_CHECKING:
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import ParsedDocument

_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})?[ ]?"
    rb"|\\'(?P<hex>[0-9a-fA-F]{2})"
    rb"|\\(?P<symbol>[^a-zA-Z])"
    rb"|(?P<brace>[{}])"
    rb"|(?P<text>[^\\{}\r\n\x00]+)",
    re.DOTALL,
)
_SKIPPED = frozenset(
    b"colortbl pict object objdata header headerl headerr headerf footer footerl footerr footerf "
    b"fldinst themedata colorschememapping datastore xmlnstbl listtable listoverridetable rsidtbl "
    b"generator latentstyles filetbl revtbl pgptbl mmathPr wgrffmtfilter falt panose "
    b"atnid atnauthor annotation bkmkstart bkmkend pntext listtext nonesttables shpinst".split()
)
_TARGETS = _SKIPPED | {b"fonttbl", b"stylesheet", b"info", b"footnote"}
_SHOWN_STARRED = frozenset(b"shptxt nesttableprops shppict fldrslt".split())
_CHARSETS = {
    77: 10000, 128: 932, 129: 949, 130: 1361, 134: 936, 136: 950, 161: 1253, 162: 1254,
    163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250, 255: 437,
}  # fmt: skip
_CHARACTERS = {
    b"tab": "\t", b"line": "\n", b"emdash": "—", b"endash": "–", b"bullet": "•", b"lquote": "‘",
    b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"emspace": " ", b"enspace": " ",
    b"~": "\xa0", b"_": "-", b"nestcell": " ", b"softline": "\n",
}  # fmt: skip
_READ = frozenset([b"body", b"stylesheet-entry", b"footnote"])
_INFO = {b"title", b"author", b"subject", b"keywords", b"creatim", b"revtim"}
_TIME_WORDS = (b"yr", b"mo", b"dy")
_HEADING = re.compile(r"heading (\d)|标题 (\d)|überschrift (\d)|titre (\d)", re.IGNORECASE)
_DEEPEST = 10_000


@dataclass(frozen=True, slots=True)
class _State:
    """What a group inherits and its end undoes."""

    target: bytes = b"body"
    codec: str = "cp1252"
    skip_after: int = 1
    """Characters that follow a Unicode one for readers that know no Unicode."""


@dataclass(slots=True)
class _Reader:
    builder: DocumentBuilder
    state: _State = field(default_factory=_State)
    stack: list[_State] = field(default_factory=list)
    fonts: dict[int, str] = field(default_factory=dict)
    styles: dict[int, int] = field(default_factory=dict)
    info: dict[str, str] = field(default_factory=dict)
    time: dict[bytes, int] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    """Bytes that are not decoded yet: a character may take two."""
    cells: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    level: int = 0
    is_item: bool = False
    in_table: bool = False
    default_codec: str = "cp1252"
    number: int = 0
    """Of the font or style that is being described."""
    to_skip: int = 0
    starred: bool = False


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read a rich text file."""
    data = path.read_bytes()
    if not data.lstrip().startswith(b"{\\rtf"):
        raise ParseError("mislabelled", "no rich text")
    builder = DocumentBuilder(context.max_characters)
    info = add_rich_text(builder, data)
    created = {"created": info.pop("creatim", ""), "modified": info.pop("revtim", "")}
    return builder.build(
        title=info.pop("title", ""),
        author=info.pop("author", ""),
        metadata={**info, **created},
    )


def add_rich_text(builder: DocumentBuilder, data: bytes) -> dict[str, str]:
    """Add the blocks of rich text, and return what it says of itself. Raises ``ParseError``."""
    reader = _Reader(builder)
    position = 0
    while match := _TOKEN.search(data, position):
        position = match.end()
        if match["brace"]:
            _brace(reader, opens=match["brace"] == b"{")
        elif match["word"]:
            number = int(match["number"]) if match["number"] else None
            if match["word"] == b"bin":
                position += max(0, number or 0)
            else:
                _word(reader, match["word"], number)
        elif match["hex"]:
            _bytes(reader, bytes.fromhex(match["hex"].decode()))
        elif match["symbol"]:
            _symbol(reader, match["symbol"])
        else:
            _bytes(reader, match["text"])
    _end_paragraph(reader)
    _end_table(reader)
    return reader.info


def _brace(reader: _Reader, *, opens: bool) -> None:
    _decode(reader)
    if opens:
        if len(reader.stack) > _DEEPEST:
            raise ParseError("nested", "groups inside groups")
        reader.stack.append(reader.state)
        return
    ended = reader.state
    if reader.stack:
        reader.state = reader.stack.pop()
    if ended.target != reader.state.target:
        _end_target(reader, ended.target)
        reader.to_skip = 0


def _end_target(reader: _Reader, target: bytes) -> None:
    """Keep what a group described; only the body's text goes on to the next group."""
    if target == b"stylesheet-entry":
        match = _HEADING.match(one_line("".join(reader.text)))
        if match:
            reader.styles[reader.number] = min(int(match.group(match.lastindex or 1)), 6)
        reader.text.clear()
    elif target in (b"creatim", b"revtim"):
        if all(word in reader.time for word in _TIME_WORDS):
            year, month, day = (reader.time[word] for word in _TIME_WORDS)
            reader.info[target.decode()] = f"{year:04d}-{month:02d}-{day:02d}"
        reader.time.clear()
    elif target in _INFO:
        reader.info[target.decode()] = one_line("".join(reader.text))
        reader.text.clear()
    elif target == b"footnote":
        reader.text.append(") ")


def _word(reader: _Reader, word: bytes, number: int | None) -> None:
    starred, reader.starred = reader.starred, False
    target = reader.state.target
    if word == b"u" and number is not None:
        _unicode(reader, number)
    elif word in _CHARACTERS:
        _append(reader, _CHARACTERS[word])
    elif word in _TARGETS or (target == b"info" and word in _INFO):
        _begin_target(reader, word)
    elif starred and word not in _SHOWN_STARRED:
        _begin_target(reader, b"skipped")
    elif word == b"f":
        _font(reader, number or 0)
    elif word == b"fcharset" and target == b"fonttbl":
        page = _CHARSETS.get(number or 0)
        reader.fonts[reader.number] = codec_of(page) if page else reader.default_codec
    elif word == b"ansicpg":
        _decode(reader)
        reader.default_codec = codec_of(number or 1252)
        reader.state = replace(reader.state, codec=reader.default_codec)
    elif word == b"uc":
        reader.state = replace(reader.state, skip_after=max(0, number or 0))
    elif word in _TIME_WORDS and number is not None:
        reader.time[word] = number
    elif word == b"s" and target in (b"stylesheet", b"stylesheet-entry"):
        reader.number = number or 0
        reader.state = replace(reader.state, target=b"stylesheet-entry")
    elif target == b"body":
        _paragraph_word(reader, word, number)


def _paragraph_word(reader: _Reader, word: bytes, number: int | None) -> None:
    if word in (b"par", b"sect", b"page"):
        _end_paragraph(reader)
    elif word == b"pard":
        reader.level, reader.is_item, reader.in_table = 0, False, False
    elif word == b"intbl":
        reader.in_table = True
    elif word == b"s":
        reader.level = reader.styles.get(number or 0, 0)
    elif word == b"outlinelevel" and number is not None and 0 <= number < 6:
        reader.level = number + 1
    elif word in (b"ls", b"pnlvlblt", b"pnlvlbody"):
        reader.is_item = True
    elif word == b"cell":
        _decode(reader)
        reader.cells.append("".join(reader.text))
        reader.text.clear()
    elif word in (b"row", b"nestrow") and reader.cells:
        reader.rows.append(reader.cells)
        reader.cells = []


def _font(reader: _Reader, number: int) -> None:
    if reader.state.target == b"fonttbl":
        reader.number = number
        return
    codec = reader.fonts.get(number, reader.default_codec)
    if codec != reader.state.codec:
        _decode(reader)
        reader.state = replace(reader.state, codec=codec)


def _begin_target(reader: _Reader, word: bytes) -> None:
    _decode(reader)
    if word == b"footnote":
        _append(reader, " (")
    reader.state = replace(reader.state, target=word)


def _symbol(reader: _Reader, symbol: bytes) -> None:
    if symbol == b"*":
        reader.starred = True
    elif symbol in (b"\\", b"{", b"}"):
        _bytes(reader, symbol)
    elif symbol in (b"\n", b"\r"):
        _word(reader, b"par", None)
    elif symbol in _CHARACTERS:
        _append(reader, _CHARACTERS[symbol])


def _is_read(reader: _Reader) -> bool:
    target = reader.state.target
    return target in _READ or target in _INFO


def _bytes(reader: _Reader, data: bytes) -> None:
    reader.starred = False
    skipped = min(reader.to_skip, len(data))
    reader.to_skip -= skipped
    if _is_read(reader):
        reader.raw += data[skipped:]


def _unicode(reader: _Reader, number: int) -> None:
    if _is_read(reader):
        _decode(reader)
        reader.text.append(chr(number % 65536))
        reader.to_skip = reader.state.skip_after


def _append(reader: _Reader, text: str) -> None:
    if _is_read(reader):
        _decode(reader)
        reader.text.append(text)


def _decode(reader: _Reader) -> None:
    if reader.raw:
        reader.text.append(reader.raw.decode(reader.state.codec, errors="replace"))
        reader.raw.clear()


def _end_paragraph(reader: _Reader) -> None:
    _decode(reader)
    # Characters beyond the first plane are two halves, each written by itself.
    text = "".join(reader.text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if reader.in_table:
        reader.text = [text, "\n"] if text else []
        return
    reader.text.clear()
    if not text.strip():
        return
    _end_table(reader)
    if reader.level and len(text) <= 300:
        reader.builder.heading(text, reader.level)
    else:
        reader.builder.add("list_item" if reader.is_item else "paragraph", text)


def _end_table(reader: _Reader) -> None:
    if reader.cells:
        reader.rows.append(reader.cells)
        reader.cells = []
    if reader.rows:
        add_table(reader.builder, reader.rows)
        reader.rows = []
