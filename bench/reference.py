"""What text a file holds, told without any of our parsers: the yardstick of ``bench.parsers``.

Simple on purpose: all text nodes of a packed format, the text layer of a PDF as pdfium gives it,
bytes in the encoding that the corpus states. Formats that need a real reader have none here; there
another library's text is the reference.
"""

from __future__ import annotations

import email
import json
import re
import zipfile
from collections import Counter
from email import policy
from itertools import pairwise
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pypdfium2
from lxml import etree, html  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_UNSEEN = ("script", "style", "noscript", "template", "head", "nav", "svg", "button", "select")
_HYPHENATED = re.compile("[\x02\xad\ufffe]\\s*")
"""How pdfium marks a word that goes on in the next line."""
_WORD = re.compile(
    "[\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
    "|[^\\W_\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7a3]+"
)


def words(text: str) -> list[str]:
    """Words without case; each ideograph, kana and syllable by itself."""
    return _WORD.findall(text.casefold())


def found(reference: str, text: str) -> tuple[float, float]:
    """The share of the reference's words that ``text`` has, and of its pairs of neighbours.

    Both count a word as often as it stands there; 1 for a reference without a word.
    """
    ours, theirs = words(text), words(reference)
    return _share(theirs, ours), _share(list(pairwise(theirs)), list(pairwise(ours)))


def _share(expected: list[Any], given: list[Any]) -> float:
    if not expected:
        return 1.0
    return (Counter(expected) & Counter(given)).total() / len(expected)


def reference_text(path: Path, entry: Mapping[str, Any]) -> str | None:
    """The text by the yardstick of its format; None for a format that has none."""
    reader = _READERS.get(PurePath(path.name).suffix.lower())
    return reader(path, entry) if reader is not None else None


def _decoded(path: Path, entry: Mapping[str, Any]) -> str:
    encoding = (entry.get("probe") or {}).get("enc") or "utf-8"
    known = {"fake-text-utf-16-be.txt": "utf-16-be"}.get(path.name, encoding)
    return path.read_bytes().decode(known, errors="replace").removeprefix("\ufeff")


def _page(data: bytes | str) -> str:
    known = html.HTMLParser(encoding="utf-8") if isinstance(data, str) else None
    root = html.document_fromstring(data.encode() if isinstance(data, str) else data, parser=known)
    for element in [e for tag in _UNSEEN for e in root.iter(tag)]:
        element.drop_tree()
    return " ".join(root.itertext())


def _html(path: Path, entry: Mapping[str, Any]) -> str:
    encoding = (entry.get("probe") or {}).get("enc")
    data = path.read_bytes()
    return _page(data.decode(encoding, errors="replace") if encoding else data)


def _pdf(path: Path, entry: Mapping[str, Any]) -> str:
    document = pypdfium2.PdfDocument(path)
    text = "\n".join(page.get_textpage().get_text_range() for page in document)
    return _HYPHENATED.sub("", text)


def _eml(path: Path, entry: Mapping[str, Any]) -> str:
    message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    parts = [str(message["Subject"] or "")]
    plain = [part for part in message.walk() if part.get_content_type() == "text/plain"]
    for part in plain:
        charset = part.get_content_charset() or "utf-8"
        payload = part.get_payload(decode=True)
        parts.append(payload.decode(charset, "replace") if isinstance(payload, bytes) else "")
    return "\n".join(parts)


def _parts(pattern: str, block: str, leaf: str) -> Callable[[Path, Mapping[str, Any]], str]:
    """All ``leaf`` texts of the members that match, a space after each ``block``."""
    wanted = re.compile(pattern)

    def read(path: Path, entry: Mapping[str, Any]) -> str:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if wanted.fullmatch(name)]
            names.sort(key=lambda name: [int(n) for n in re.findall(r"\d+", name)])
            roots = [etree.fromstring(archive.read(name)) for name in names]
        blocks = [element for root in roots for element in root.iter(f"{{*}}{block}")]
        return "\n".join("".join(e.text or "" for e in b.iter(f"{{*}}{leaf}")) for b in blocks)

    return read


def _opendocument(path: Path, entry: Mapping[str, Any]) -> str:
    with zipfile.ZipFile(path) as archive:
        root = etree.fromstring(archive.read("content.xml"))
    return "\n".join("".join(e.itertext()) for e in root.iter("{*}p", "{*}h"))


def _xlsx(path: Path, entry: Mapping[str, Any]) -> str:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        shared: list[str] = []
        if "xl/sharedStrings.xml" in names:
            root = etree.fromstring(archive.read("xl/sharedStrings.xml"))
            shared = ["".join(t.text or "" for t in s.iter("{*}t")) for s in root.iter("{*}si")]
        values = []
        for name in sorted(n for n in names if re.fullmatch(r"xl/worksheets/\w+\.xml", n)):
            for cell in etree.fromstring(archive.read(name)).iter("{*}c"):
                value = cell.findtext("{*}v") or "".join(t.text or "" for t in cell.iter("{*}t"))
                values.append(shared[int(value)] if cell.get("t") == "s" else value)
    return "\n".join(values)


def _epub(path: Path, entry: Mapping[str, Any]) -> str:
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if n.endswith(("html", ".htm"))]
        pages = [archive.read(name) for name in names]
    return "\n".join(_page(page) for page in pages if page.strip())


def _xml(path: Path, entry: Mapping[str, Any]) -> str:
    return " ".join(etree.parse(str(path)).getroot().itertext())


def _json(path: Path, entry: Mapping[str, Any]) -> str:
    """Keys and values, without the escapes."""
    return json.dumps(json.loads(path.read_bytes()), ensure_ascii=False)


def _notebook(path: Path, entry: Mapping[str, Any]) -> str:
    cells = json.loads(path.read_bytes())["cells"]
    printed = [output.get("text", "") for cell in cells for output in cell.get("outputs", [])]
    return "\n".join("".join(lines) for lines in [*(cell["source"] for cell in cells), *printed])


_READERS: dict[str, Callable[[Path, Mapping[str, Any]], str]] = {
    **dict.fromkeys((".txt", ".csv", ".tsv", ".md", ".rst"), _decoded),
    ".html": _html,
    ".org": _decoded,
    ".xml": _xml,
    ".json": _json,
    ".ipynb": _notebook,
    ".pdf": _pdf,
    ".eml": _eml,
    ".docx": _parts(r"word/(?:document|footnotes|endnotes)\.xml", "p", "t"),
    ".pptx": _parts(r"ppt/slides/slide\d+\.xml", "p", "t"),
    ".xlsx": _xlsx,
    ".odt": _opendocument,
    ".ods": _opendocument,
    ".epub": _epub,
}
