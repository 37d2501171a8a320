from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from documents.parsing.base import ParseError
from documents.parsing.registry import FORMATS, SUPPORTED, detect_media_type, parser_for
from documents.parsing.sniffing import COMPOUND_FILE

OOXML = "application/vnd.openxmlformats-officedocument"
DOCX = f"{OOXML}.wordprocessingml.document"
NOISE = hashlib.shake_128(b"noise").digest(4096)


@pytest.mark.parametrize(
    ("filename", "head", "media_type"),
    [
        ("a.pdf", b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        ("A.PDF", b"junk before\n%PDF-1.4", "application/pdf"),
        ("a.docx", b"PK\x03\x04rest", DOCX),
        ("protected.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", DOCX),
        ("a.html", b"<p>hello", "text/html"),
        ("a.htm", "<p>你好".encode("gbk"), "text/html"),
        ("a.md", b"# Title", "text/markdown"),
        ("a.txt", b"MZ is how this note begins", "text/plain"),
        ("a.txt", "word".encode("utf-16"), "text/plain"),
        ("a.txt", "plain words".encode("utf-16-le"), "text/plain"),
        ("a.txt", ("这是一个在中国的人的年" * 5).encode("utf-16-le"), "text/plain"),
        ("a.txt", b"one \x00 stray NUL in a text", "text/plain"),
        ("a.pptx", b"PK\x03\x04rest", f"{OOXML}.presentationml.presentation"),
        ("a.XLSX", b"PK\x03\x04rest", f"{OOXML}.spreadsheetml.sheet"),
        ("a.odt", b"PK\x03\x04rest", "application/vnd.oasis.opendocument.text"),
        ("a.epub", b"PK\x03\x04rest", "application/epub+zip"),
        ("a.doc", COMPOUND_FILE, "application/msword"),
        ("a.xls", COMPOUND_FILE, "application/vnd.ms-excel"),
        ("a.ppt", COMPOUND_FILE, "application/vnd.ms-powerpoint"),
        ("a.msg", COMPOUND_FILE, "application/vnd.ms-outlook"),
        ("a.rtf", b"\n{\\rtf1", "application/rtf"),
        ("a.eml", b"Received: by x\r\nSubject: y\r\n\r\nz", "message/rfc822"),
        ("a.csv", "姓名,年龄".encode("gbk"), "text/csv"),
        ("a.tsv", b"a\tb", "text/tab-separated-values"),
        ("a.json", b'{"a": 1}', "application/json"),
        ("a.ipynb", b'{"nbformat": 4}', "application/x-ipynb+json"),
        ("a.xml", b"<a/>", "text/xml"),
        ("a.org", b"* Title", "text/x-org"),
        ("a.log", b"words", "text/plain"),
        ("a.rst", b"Title\n=====", "text/x-rst"),
    ],
)
def test_the_type_follows_from_name_and_bytes(filename: str, head: bytes, media_type: str) -> None:
    assert detect_media_type(filename, head) == media_type


@pytest.mark.parametrize(
    ("filename", "head", "code"),
    [
        ("a.exe", b"MZ", "unsupported"),
        ("noextension", b"text", "unsupported"),
        ("a.pdf", b"", "empty"),
        ("a.pdf", b"<html><body>not a pdf", "mislabelled"),
        ("a.pdf", b"PK\x03\x04", "mislabelled"),
        ("a.pdf", b"\x89PNG\r\n\x1a\n", "mislabelled"),
        ("a.pdf", NOISE, "truncated"),
        ("a.pdf", b"\x00" * 100, "truncated"),
        ("a.docx", b"%PDF-1.7", "mislabelled"),
        ("a.docx", b"plain words", "mislabelled"),
        ("a.docx", NOISE, "truncated"),
        ("a.html", b"%PDF-1.7", "mislabelled"),
        ("a.md", b"PK\x03\x04", "mislabelled"),
        ("a.txt", b"<!DOCTYPE html><html>", "mislabelled"),
        ("a.txt", b"{\\rtf1\\ansi", "mislabelled"),
        ("a.txt", NOISE, "mislabelled"),
        ("a.docm", b"PK\x03\x04", "macros"),
        ("a.XLSM", b"PK\x03\x04", "macros"),
        ("a.doc", b"PK\x03\x04", "mislabelled"),
        ("a.doc", b"{\\rtf1", "mislabelled"),
        ("a.odt", b"This is text", "mislabelled"),
        ("a.xls", b"<html><table>", "mislabelled"),
        ("a.rtf", b"plain words", "mislabelled"),
        ("a.eml", b"no header, only words", "mislabelled"),
        ("a.csv", b"PK\x03\x04", "mislabelled"),
        ("a.msg", NOISE, "truncated"),
        ("a.txt", b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00", "mislabelled"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_its_own_code(
    filename: str, head: bytes, code: str
) -> None:
    with pytest.raises(ParseError) as caught:
        detect_media_type(filename, head)

    assert caught.value.code == code


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.media_type)
def test_every_format_has_a_parser_and_its_endings_are_supported(known: object) -> None:
    assert isinstance(known, type(FORMATS[0]))
    assert callable(parser_for(known.media_type).parse)
    assert {SUPPORTED[extension] for extension in known.extensions} == {known.media_type}


def test_the_list_of_formats_imports_no_parsing_library() -> None:
    heavy = (
        "{'bs4', 'lxml', 'docx', 'pypdfium2', 'markdown_it', 'charset_normalizer', 'django', "
        "'python_calamine', 'olefile', 'docutils', 'email'}"
    )
    script = (
        "import sys, documents.parsing.registry, documents.parsing.runner\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )

    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[4],
    )

    assert result.stdout.strip() == "[]"
