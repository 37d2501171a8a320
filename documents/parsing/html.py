"""HTML: what a reader sees, without scripts, styles, navigation and hidden parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bs4 import BeautifulSoup
from bs4.element import CData, NavigableString, PreformattedString, Tag

from documents.dates import parse_date
from documents.parsing.builder import DocumentBuilder, one_line
from documents.parsing.decoding import decode
from documents.parsing.tables import add_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from documents.parsing.base import ParserContext
    from documents.types import BlockKind, ParsedDocument

_UNSEEN = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "nav",
        "svg",
        "math",
        "iframe",
        "object",
        "embed",
        "canvas",
        "audio",
        "video",
        "head",
        "map",
        "button",
        "select",
        "datalist",
        "dialog",
    ]
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_KINDS: dict[str, BlockKind] = {"li": "list_item", "pre": "code", "tr": "table_row"}
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "header",
        "hr",
        "legend",
        "main",
        "ol",
        "p",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "ul",
    ]
) | {*_HEADINGS, *_KINDS}
_HIDDEN_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_TABLE_PARTS = frozenset(["thead", "tbody", "tfoot", "table"])
_WIDEST = 100
_LAYOUT_INSIDE = ["table", "ul", "ol", "pre", "blockquote", *_HEADINGS]
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]{2,40})""", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,100}encoding\s*=\s*["']([\w-]{2,40})""")
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]{0,200}\?>")
_JSON_LD_DATE = re.compile(r'"date(Published|Modified)"\s*:\s*"([^"]{4,40})"')
_META_DATES = {
    "published": [
        "article:published_time",
        "citation_publication_date",
        "citation_date",
        "dc.date",
        "dc.date.issued",
        "dcterms.issued",
        "dcterms.date",
        "date",
        "pubdate",
        "publishdate",
        "datepublished",
    ],
    "updated": [
        "article:modified_time",
        "og:updated_time",
        "dcterms.modified",
        "dc.date.modified",
        "last-modified",
        "lastmod",
        "datemodified",
    ],
}


def parse(path: Path, context: ParserContext) -> ParsedDocument:
    """Read an HTML file; the encoding is its mark's, its own declaration's, or guessed."""
    soup = soup_of(path.read_bytes())
    builder = DocumentBuilder(context.max_characters)
    add_visible_blocks(builder, soup)
    metadata = _metadata(soup)
    title = soup.title.get_text() if soup.title else ""
    root = soup.find("html")
    return builder.build(
        title=title,
        author=metadata.get("author", ""),
        declared_language=str(root.get("lang", "")) if isinstance(root, Tag) else "",
        published=parse_date(metadata.get("published", "")),
        metadata=metadata,
    )


def soup_of(data: bytes, declared: str = "") -> BeautifulSoup:
    """The tree of a page. ``declared`` is the encoding that something outside of it states."""
    inside = _XML_ENCODING.search(data[:4096]) or _CHARSET.search(data[:4096])
    text = decode(data, declared or (inside.group(1).decode() if inside else ""))
    return BeautifulSoup(_XML_DECLARATION.sub("", text, count=1), "lxml")


def add_visible_blocks(builder: DocumentBuilder, root: Tag) -> None:
    """Add the headings, paragraphs, list items, rows and code under ``root`` to ``builder``.

    Walks with a stack of its own: a page may be nested deeper than Python may recurse.
    """
    inline: list[str] = []
    table = _Table()
    kinds: list[tuple[str, BlockKind]] = [("", "paragraph")]

    def flush() -> None:
        tag, kind = kinds[-1]
        text = "".join(inline)
        inline.clear()
        if text.strip() or tag not in _TABLE_PARTS:
            table.add_to(builder)
        if tag in _HEADINGS:
            builder.heading(text, _HEADINGS[tag])
        else:
            builder.add(kind, text)

    for node, leaves in _walk(root):
        if isinstance(node, NavigableString):
            in_code = kinds[-1][1] == "code"
            inline.append(str(node) if in_code else _spaced(str(node)))
        elif leaves:
            flush()
            kinds.pop()
        elif node.name == "br":
            inline.append("\n")
        elif node.name == "img":
            inline.append(_spaced(f" {node.get('alt') or ''} "))
        elif node.name == "tr":
            flush()
            table.read(node)
        else:
            flush()
            inherited = kinds[-1] if node.name in ("p", "div") and len(kinds) > 1 else None
            kinds.append(inherited or (node.name, _KINDS.get(node.name, "paragraph")))
    flush()


def _walk(root: Tag) -> Iterator[tuple[Tag | NavigableString, bool]]:
    """Strings, and block elements twice: entered (``False``) and left (``True``)."""
    stack: list[tuple[Tag | NavigableString, bool]] = [(root, False)]
    while stack:
        node, leaves = stack.pop()
        if isinstance(node, NavigableString):
            # Comments, doctypes and processing instructions are strings too.
            if not isinstance(node, PreformattedString) or isinstance(node, CData):
                yield node, False
            continue
        if leaves:
            yield node, True
            continue
        if node is not root and _is_unseen(node):
            continue
        if node.name in ("br", "img") or (node.name == "tr" and _is_data_row(node)):
            yield node, False
            continue
        if node.name in _BLOCKS and node.name != "tr":
            yield node, False
            stack.append((node, True))
        stack.extend(
            (child, False)
            for child in reversed(node.contents)
            if isinstance(child, Tag | NavigableString)
        )


def _is_unseen(node: Tag) -> bool:
    return (
        node.name in _UNSEEN
        or node.has_attr("hidden")
        or node.get("aria-hidden") == "true"
        or node.get("role") == "navigation"
        or _HIDDEN_STYLE.search(str(node.get("style", ""))) is not None
    )


def _is_data_row(row: Tag) -> bool:
    """Whether the row holds values; a row that lays out a page holds blocks of its own."""
    if row.find(_LAYOUT_INSIDE) is not None:
        return False
    return all(len(cell.find_all("p")) < 2 for cell in row.find_all(["td", "th"]))


class _Table:
    """The rows of a table, until it ends; a cell over several rows is read in each of them."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self._has_header = False
        self._below: dict[int, tuple[int, str]] = {}

    def read(self, row: Tag) -> None:
        found = row.find_all(["td", "th"])
        if not self._rows:
            self._has_header = bool(found) and all(cell.name == "th" for cell in found)
        cells: list[str] = []
        for cell in found:
            self._carry_down(cells)
            strings = [str(n) for n, leaves in _walk(cell) if isinstance(n, NavigableString)]
            text = one_line("".join(strings))
            rows = _span(cell, "rowspan")
            if rows > 1:
                self._below[len(cells)] = (rows - 1, text)
            cells += [text, *[""] * (_span(cell, "colspan") - 1)]
        self._carry_down(cells)
        self._rows.append(cells)

    def add_to(self, builder: DocumentBuilder) -> None:
        """Add what was read, and begin anew."""
        if self._rows:
            add_table(builder, self._rows, has_header=self._has_header)
        self._rows = []
        self._below = {}

    def _carry_down(self, cells: list[str]) -> None:
        while len(cells) in self._below:
            rows, text = self._below.pop(len(cells))
            if rows > 1:
                self._below[len(cells)] = (rows - 1, text)
            cells.append(text)


def _span(cell: Tag, name: str) -> int:
    stated = str(cell.get(name) or "")
    return min(max(1, int(stated)), _WIDEST) if stated.isascii() and stated.isdigit() else 1


def _spaced(text: str) -> str:
    """White space as HTML shows it: any run is one space."""
    return re.sub(r"\s+", " ", text)


def _metadata(soup: BeautifulSoup) -> dict[str, str]:
    named: dict[str, str] = {}
    for meta in soup.find_all("meta", limit=500):
        for key in ("name", "property", "itemprop", "http-equiv"):
            name = str(meta.get(key, "")).lower()
            if name and meta.get("content"):
                named.setdefault(name, str(meta["content"]))
    found = {
        kind: next((named[name] for name in names if name in named), "")
        for kind, names in _META_DATES.items()
    }
    for script in soup.find_all("script", type="application/ld+json", limit=20):
        for name, value in _JSON_LD_DATE.findall(script.get_text()):
            kind = "published" if name == "Published" else "updated"
            found[kind] = found[kind] or value
    found["author"] = named.get("author", "") or named.get("citation_author", "")
    found["description"] = named.get("description", "")
    return {key: value for key, value in found.items() if value}
