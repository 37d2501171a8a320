from __future__ import annotations

from pathlib import Path

import pytest

from documents.parsing.base import ParseError
from tests.unit.documents.parsing.archives import zipped
from tests.unit.documents.parsing.builders import kinds_and_texts, parse

CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
PACKAGE = (
    '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>Sleep</dc:title>'
    "<dc:creator>A. B.</dc:creator><dc:creator>C. D.</dc:creator><dc:date>2024-05-01</dc:date>"
    "<dc:language>en</dc:language></metadata><manifest>"
    '<item id="one" href="text/one%201.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="two" href="text/two.xhtml" media-type="application/xhtml+xml"/>'
    '</manifest><spine><itemref idref="two"/><itemref idref="one"/><itemref idref="none"/></spine>'
    "</package>"
)


def page(body: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><html><body>{body}</body></html>'


def book(path: Path, more: dict[str, str | bytes] | None = None) -> Path:
    parts: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OPS/book.opf": PACKAGE,
        "OPS/text/one 1.xhtml": page("<h1>Diet</h1><p>Eat well.</p>"),
        "OPS/text/two.xhtml": page("<h1>Sleep</h1><nav>contents</nav><p>Rest — well.</p>"),
    }
    return zipped(path, parts | (more or {}))


def code_of(path: Path) -> str:
    with pytest.raises(ParseError) as caught:
        parse(path)
    return caught.value.code


def test_chapters_come_in_the_order_of_the_spine(tmp_path: Path) -> None:
    assert kinds_and_texts(parse(book(tmp_path / "a.epub"))) == [
        ("heading", "Sleep"),
        ("paragraph", "Rest — well."),
        ("heading", "Diet"),
        ("paragraph", "Eat well."),
    ]


def test_the_package_gives_title_authors_and_date(tmp_path: Path) -> None:
    parsed = parse(book(tmp_path / "a.epub"))

    assert (parsed.title, parsed.author) == ("Sleep", "A. B., C. D.")
    assert parsed.published is not None and parsed.published.year == 2024


def test_a_book_without_an_order_gives_all_its_pages(tmp_path: Path) -> None:
    parsed = parse(book(tmp_path / "a.epub", {"OPS/book.opf": "<package/>"}))

    assert parsed.text == "Diet\n\nEat well.\n\nSleep\n\nRest — well."


def test_rights_management_is_told_and_garbled_fonts_are_not(tmp_path: Path) -> None:
    def encryption(algorithm: str) -> dict[str, str | bytes]:
        return {
            "META-INF/encryption.xml": "<encryption><EncryptedData><EncryptionMethod "
            f'Algorithm="{algorithm}"/></EncryptedData></encryption>'
        }

    aes = encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    fonts = encryption("http://www.idpf.org/2008/embedding")

    assert code_of(book(tmp_path / "a.epub", aes)) == "encrypted"
    assert parse(book(tmp_path / "b.epub", fonts)).title == "Sleep"


def test_another_archive_is_mislabelled(tmp_path: Path) -> None:
    assert code_of(zipped(tmp_path / "a.epub", {"note": "text"})) == "mislabelled"
