"""Files made to do harm, each through the limited program: it ends, with words for people."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from documents.parsing import runner
from documents.parsing.base import ParseError
from documents.parsing.registry import detect_media_type
from documents.parsing.runner import parse_file
from documents.problems import PROBLEMS

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
CONTENT_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-'
    'officedocument.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONSHIPS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="a" Target="word/document.xml" Type="http://schemas.openxmlformats.org/'
    'officeDocument/2006/relationships/officeDocument"/></Relationships>'
)


def package(parts: dict[str, bytes | str]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return file.getvalue()


def word(document: bytes | str, **more: bytes | str) -> bytes:
    return package(
        {
            "[Content_Types].xml": CONTENT_TYPES,
            "_rels/.rels": RELATIONSHIPS,
            "word/document.xml": document,
            **more,
        }
    )


def laughs(root: str) -> str:
    """A few hundred bytes that stand for gigabytes."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(12))
    return f"<?xml version='1.0'?><!DOCTYPE x [{entities}]>{root.replace('HERE', '&l11;')}"


def pdf(*objects: bytes, trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A PDF of numbered objects, with a table of them."""
    data = b"%PDF-1.7\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = trailer.replace(b"HERE", b"%d" % table)
    data += b"trailer\n<</Size %d %s>>\n" % (len(places) + 1, trailer)
    return data + b"startxref\n%d\n%%%%EOF\n" % table


CATALOGUE = b"<</Type/Catalog/Pages 2 0 R>>"
PAGES = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R%s>>"
FONT = b"/Resources<</Font<</F <</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"


def stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<</Length %d %s>>stream\n%s\nendstream" % (len(data), more, data)


def deflated(megabytes: int) -> bytes:
    """So many megabytes of spaces, packed; the same block again and again, without a checksum."""
    packer = zlib.compressobj(9)
    first = packer.compress(b" " * 1024 * 1024) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(b" " * 1024 * 1024) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (megabytes - 1) + packer.flush()


def word_bomb() -> bytes:
    return word(b" " * (100 * 1024 * 1024))


def word_entities() -> bytes:
    return word(laughs(f'<w:document xmlns:w="{WORD}"><w:body>HERE</w:body></w:document>'))


def word_in_layers() -> bytes:
    return word("<a>" * 100_000 + "</a>" * 100_000)


def word_with_macros() -> bytes:
    body = f'<w:document xmlns:w="{WORD}"><w:body/></w:document>'
    return word(body, **{"word/vbaProject.bin": b"macros"})


def open_text_bomb() -> bytes:
    kind = "application/vnd.oasis.opendocument.text"
    return package({"mimetype": kind, "content.xml": b" " * (100 * 1024 * 1024)})


def open_text_entities() -> bytes:
    kind = "application/vnd.oasis.opendocument.text"
    return package({"mimetype": kind, "content.xml": laughs("<x>HERE</x>")})


def pdf_bomb() -> bytes:
    packed = zlib.compress(deflated(1500), 9)
    return pdf(CATALOGUE, PAGES, PAGE % FONT, stream(packed, b"/Filter[/FlateDecode/FlateDecode]"))


def pdf_in_layers() -> bytes:
    return pdf(CATALOGUE, PAGES, PAGE % FONT, stream(b""), b"[" * 200_000 + b"]" * 200_000)


def pdf_with_itself_for_a_page() -> bytes:
    return pdf(CATALOGUE, b"<</Type/Pages/Kids[2 0 R]/Count 1>>")


def pdf_whose_table_leads_to_itself() -> bytes:
    return pdf(CATALOGUE, b"<</Type/Pages/Kids[]/Count 0>>", trailer=b"/Root 1 0 R /Prev HERE")


def pdf_of_a_huge_picture() -> bytes:
    picture = stream(
        deflated(1),
        b"/Type/XObject/Subtype/Image/Width 60000/Height 60000/ColorSpace/DeviceRGB"
        b"/BitsPerComponent 8/Filter/FlateDecode",
    )
    shown = b"/Resources<</XObject<</I 5 0 R>>>>"
    return pdf(CATALOGUE, PAGES, PAGE % shown, stream(b"200 0 0 200 0 0 cm /I Do"), picture)


def pdf_of_a_huge_page() -> bytes:
    page = PAGE.replace(b"200 200", b"2000000000 2000000000") % FONT
    return pdf(CATALOGUE, PAGES, page, stream(b"BT /F 12 Tf (words) Tj ET"))


def html_in_layers() -> bytes:
    return b"<html>" + b"<div>" * 60_000 + b"words"


def markdown_in_layers() -> bytes:
    return b">" * 50_000 + b" words"


def rich_text_in_layers() -> bytes:
    return rb"{\rtf1 " + b"{" * 200_000 + b"words" + b"}" * 200_000 + b"}"


def restructured_text_in_layers() -> bytes:
    return b"".join(b" " * n + b"* words\n\n" for n in range(0, 2000, 2))


def mail_in_layers() -> bytes:
    part = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"
    return b"Subject: layers\n" + b"".join(part % (n, n) for n in range(5_000)) + b"\nwords"


HARMFUL: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "bomb.docx": (word_bomb, {"too_large"}),
    "bomb.odt": (open_text_bomb, {"too_large"}),
    "bomb.pdf": (pdf_bomb, {"memory", "no_text"}),
    "entities.docx": (word_entities, {"bomb"}),
    "entities.odt": (open_text_entities, {"bomb"}),
    "layers.docx": (word_in_layers, {"nested"}),
    "layers.rtf": (rich_text_in_layers, {"nested"}),
    "layers.rst": (restructured_text_in_layers, {"nested"}),
    "layers.eml": (mail_in_layers, {"nested"}),
    "macros.docx": (word_with_macros, {"macros"}),
    "loop.pdf": (pdf_with_itself_for_a_page, {"no_text", "truncated"}),
    "table-loop.pdf": (pdf_whose_table_leads_to_itself, {"no_text", "truncated"}),
    "picture.pdf": (pdf_of_a_huge_picture, {"needs_recognition", "no_text"}),
}
"""What is never read, with the codes that it may end with."""

READ = {
    "layers.html": html_in_layers,
    "layers.md": markdown_in_layers,
    "layers.pdf": pdf_in_layers,
    "page.pdf": pdf_of_a_huge_page,
}
"""What a careful parser reads, or gives up with one of the codes for too much."""


@pytest.fixture(autouse=True)
def _without_recognition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "find_recogniser", lambda: "")


def end_of(path: Path) -> str:
    """The code that the file ends with, ``""`` if it is read."""
    try:
        with path.open("rb") as file:
            media_type = detect_media_type(path.name, file.read(4096))
        parse_file(path, media_type)
    except ParseError as error:
        return error.code
    return ""


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_file_ends_with_a_sentence_and_a_remedy(name: str, tmp_path: Path) -> None:
    make, codes = HARMFUL[name]
    path = tmp_path / name
    path.write_bytes(make())

    code = end_of(path)

    assert code in codes
    assert PROBLEMS[code].sentence
    assert PROBLEMS[code].remedy


@pytest.mark.parametrize("name", READ)
def test_a_strange_file_is_read_or_ends_with_words_for_people(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(READ[name]())

    assert end_of(path) in {"", "no_text", "nested", "memory", "too_large"}


def test_a_name_that_promises_macros_is_refused_before_it_is_stored() -> None:
    with pytest.raises(ParseError) as caught:
        detect_media_type("report.docm", b"PK\x03\x04")

    assert caught.value.code == "macros"
