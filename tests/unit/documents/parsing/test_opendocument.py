from __future__ import annotations

from pathlib import Path

import pytest

from documents.parsing.base import ParseError
from tests.unit.documents.parsing.archives import zipped
from tests.unit.documents.parsing.builders import kinds_and_texts, parse

NS = "urn:oasis:names:tc:opendocument:xmlns:"
NAMES = " ".join(
    f'xmlns:{name}="{NS}{"drawing" if name == "draw" else name}:1.0"'
    for name in ("office", "text", "table", "draw", "presentation", "meta", "manifest")
)
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'


def written(path: Path, body: str, more: dict[str, str | bytes] | None = None) -> Path:
    parts: dict[str, str | bytes] = {
        "mimetype": "application/vnd.oasis.opendocument.text",
        "content.xml": f"<office:document {NAMES} {DC}><office:body>{body}</office:body>"
        "</office:document>",
    }
    return zipped(path, parts | (more or {}))


def code_of(path: Path) -> str:
    with pytest.raises(ParseError) as caught:
        parse(path)
    return caught.value.code


def test_headings_lists_tables_and_notes_are_told_apart(tmp_path: Path) -> None:
    body = (
        '<text:h text:outline-level="2">Sleep</text:h>'
        "<text:p>Rest<text:s text:c='3'/>well<text:line-break/>always."
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Or try."
        "</text:p></text:note-body></text:note> More.</text:p>"
        "<text:list><text:list-item><text:p>early</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>Food</text:p></table:table-cell>"
        "<table:table-cell><text:p>Grams</text:p></table:table-cell></table:table-row>"
        "<table:table-row><table:table-cell><text:p>Apple</text:p></table:table-cell>"
        "<table:table-cell><text:p>12</text:p></table:table-cell></table:table-row></table:table>"
    )

    parsed = parse(written(tmp_path / "a.odt", body))

    assert kinds_and_texts(parsed) == [
        ("heading", "Sleep"),
        ("paragraph", "Rest well\nalways. More."),
        ("list_item", "early"),
        ("table_row", "Food | Grams"),
        ("table_row", "Food: Apple | Grams: 12"),
        ("paragraph", "Or try."),
    ]


def test_deletions_comments_and_variables_are_not_read_and_boxes_are_once(tmp_path: Path) -> None:
    body = (
        "<text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
        "<text:p>kept<office:annotation><text:p>a comment</text:p></office:annotation>"
        "<draw:frame><draw:text-box><text:p>boxed</text:p></draw:text-box></draw:frame></text:p>"
    )

    assert parse(written(tmp_path / "a.odt", body)).text == "kept\n\nboxed"


def test_properties_give_title_author_and_times(tmp_path: Path) -> None:
    meta = (
        f"<office:meta {NAMES} {DC}><dc:title>The title</dc:title><dc:creator>C. D.</dc:creator>"
        "<meta:initial-creator>A. B.</meta:initial-creator><dc:date>2024-05-01</dc:date>"
        "</office:meta>"
    )
    parsed = parse(written(tmp_path / "a.odt", "<text:p>Words</text:p>", {"meta.xml": meta}))

    assert (parsed.title, parsed.author) == ("The title", "A. B.")
    assert parsed.metadata["modified"] == "2024-05-01"


def test_each_slide_is_a_page(tmp_path: Path) -> None:
    body = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>Sleep</text:p>'
        "</draw:text-box></draw:frame></draw:page><draw:page><text:p>Rest</text:p></draw:page>"
    )

    parsed = parse(written(tmp_path / "a.odp", body))

    assert kinds_and_texts(parsed) == [("heading", "Sleep"), ("paragraph", "Rest")]
    assert [block.page for block in parsed.blocks] == [1, 2]


def test_each_sheet_is_a_section_and_values_are_as_shown(tmp_path: Path) -> None:
    def row(*cells: str) -> str:
        inside = "".join(
            f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>"
            if cell
            else '<table:table-cell table:number-columns-repeated="2"/>'
            for cell in cells
        )
        return f"<table:table-row>{inside}</table:table-row>"

    first = row("Food", "Grams", "Colour", "Share") + row("Apple", "", "10%")
    body = (
        f'<office:spreadsheet><table:table table:name="Sheet1">{first}</table:table>'
        f'<table:table table:name="Prices">{row("Apple")}</table:table></office:spreadsheet>'
    )

    assert kinds_and_texts(parse(written(tmp_path / "a.ods", body))) == [
        ("table_row", "Food | Grams | Colour | Share"),
        ("table_row", "Food: Apple | Share: 10%"),
        ("heading", "Prices"),
        ("table_row", "Apple"),
    ]


@pytest.mark.parametrize("count", ["99999999999", "-5", "x", "²"])
def test_counts_that_lie_do_no_harm(tmp_path: Path, count: str) -> None:
    body = (
        f"<text:p>a<text:s text:c='{count}'/>b</text:p><table:table><table:table-row>"
        f"<table:table-cell table:number-columns-repeated='{count}'><text:p>c</text:p>"
        "</table:table-cell></table:table-row></table:table>"
    )

    assert parse(written(tmp_path / "a.odt", body)).text.startswith("a b\n\nc")


def test_hostile_files_end_with_their_codes(tmp_path: Path) -> None:
    entry = "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    manifest = f"<manifest:manifest {NAMES}>{entry}</manifest:manifest>"
    locked = written(tmp_path / "a.odt", "", {"META-INF/manifest.xml": manifest})
    bomb = '<!DOCTYPE d [<!ENTITY a "ha">]><d>&a;</d>'

    assert code_of(locked) == "encrypted"
    assert code_of(written(tmp_path / "b.odt", "", {"content.xml": bomb})) == "bomb"
    assert code_of(zipped(tmp_path / "c.odt", {"other": "x"})) == "mislabelled"
    deep = "<text:list><text:list-item>" * 200 + "</text:list-item></text:list>" * 200
    assert code_of(written(tmp_path / "d.odt", deep)) == "nested"
