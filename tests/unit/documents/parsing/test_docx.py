from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn

from documents.parsing.base import ParseError, ParserContext
from tests.unit.documents.parsing.builders import kinds_and_texts, parse


def written(tmp_path: Path, fill: Callable[[Any], None]) -> Path:
    document = docx.Document()
    fill(document)
    path = tmp_path / "file.docx"
    document.save(str(path))
    return path


def archive(tmp_path: Path, **members: bytes) -> Path:
    """A ZIP archive with the members named; ``types`` stands for its table of contents."""
    path = tmp_path / "file.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr({"types": "[Content_Types].xml"}.get(name, name), content)
    return path


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def code_of(path: Path, context: ParserContext | None = None) -> str:
    with pytest.raises(ParseError) as caught:
        parse(path, context)
    return caught.value.code


def test_headings_lists_and_tables_are_told_by_style(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        document.add_heading("Guideline", 0)
        document.add_heading("Sleep", 1)
        document.add_paragraph("Rest well.")
        document.add_paragraph("early", style="List Bullet")
        document.add_heading("Diet", 2)
        table = document.add_table(rows=2, cols=2)
        for cell, text in zip(table._cells, ["Food", "Grams", "Apple", "12"], strict=True):
            cell.text = text

    parsed = parse(written(tmp_path, fill))

    assert kinds_and_texts(parsed) == [
        ("heading", "Guideline"),
        ("heading", "Sleep"),
        ("paragraph", "Rest well."),
        ("list_item", "early"),
        ("heading", "Diet"),
        ("table_row", "Food | Grams"),
        ("table_row", "Food: Apple | Grams: 12"),
    ]
    assert parsed.blocks[5].heading_path == ("Sleep", "Diet")


def test_a_table_that_says_that_it_has_no_header_gives_values_only(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        table = document.add_table(rows=2, cols=2)
        for cell, text in zip(table._cells, ["Food", "Apple", "Grams", "12"], strict=True):
            cell.text = text
        look = table._tbl.tblPr.find(qn("w:tblLook"))
        look.set(qn("w:firstRow"), "0")

    assert parse(written(tmp_path, fill)).text == "Food | Apple\nGrams | 12"


def test_a_style_based_on_a_heading_is_a_heading(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        style = document.styles.add_style("Chapter", 1)
        style.base_style = document.styles["Heading 2"]
        document.add_paragraph("Sleep", style="Chapter")

    parsed = parse(written(tmp_path, fill))

    assert [(block.kind, block.level) for block in parsed.blocks] == [("heading", 2)]


def test_styles_based_on_each_other_do_not_hang(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        first = document.styles.add_style("First", 1)
        second = document.styles.add_style("Second", 1)
        first.base_style, second.base_style = second, first
        document.add_paragraph("Words", style="First")

    assert parse(written(tmp_path, fill)).text == "Words"


def test_insertions_controls_and_text_boxes_are_read_and_deletions_are_not(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        xml = (
            f"<w:p {nsdecls('w')}>"
            "<w:ins><w:r><w:t>kept</w:t></w:r></w:ins>"
            "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
            "<w:sdt><w:sdtContent><w:r><w:tab/><w:t>controlled</w:t></w:r></w:sdtContent></w:sdt>"
            "<w:r><w:br/><w:t>next</w:t></w:r></w:p>"
        )
        control = (
            f"<w:sdt {nsdecls('w')}><w:sdtContent>"
            "<w:p><w:r><w:t>block</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        )
        body = document.element.body
        body.insert(0, parse_xml(xml))
        body.insert(1, parse_xml(control))

    assert parse(written(tmp_path, fill)).text == "kept controlled\nnext\n\nblock"


def test_a_text_box_ends_before_the_text_behind_it(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        box = "<w:r><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:r>"
        xml = f"<w:p {nsdecls('w')}>{box}<w:r><w:t>behind</w:t></w:r></w:p>"
        document.element.body.insert(0, parse_xml(xml))

    assert parse(written(tmp_path, fill)).text == "boxed\nbehind"


def test_merged_and_nested_cells_are_read_once(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        table = document.add_table(rows=1, cols=3)
        table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
        inner = table.cell(0, 2).add_table(rows=1, cols=1)
        inner.cell(0, 0).text = "inner"

    assert kinds_and_texts(parse(written(tmp_path, fill))) == [("table_row", "wide | inner")]


def test_core_properties_give_title_author_and_times(tmp_path: Path) -> None:
    def fill(document: Any) -> None:
        document.add_paragraph("Words")
        document.core_properties.title = "The title"
        document.core_properties.author = "A. B."
        document.core_properties.modified = datetime(2024, 5, 1, 10, 0)

    parsed = parse(written(tmp_path, fill))

    assert (parsed.title, parsed.author) == ("The title", "A. B.")
    assert parsed.metadata["modified"].startswith("2024-05-01")
    assert parsed.published is None


def test_a_truncated_document_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, lambda document: document.add_paragraph("Words"))
    path.write_bytes(path.read_bytes()[:-2000])

    assert code_of(path) == "truncated"


def test_a_document_with_a_damaged_part_is_truncated(tmp_path: Path) -> None:
    path = written(tmp_path, lambda document: document.add_paragraph("Words"))
    damaged = tmp_path / "damaged.docx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(damaged, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content[:-50] if name == "word/document.xml" else content)

    assert code_of(damaged) == "truncated"


def test_a_password_protected_document_is_told_from_a_legacy_one(tmp_path: Path) -> None:
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)
    protected, legacy = tmp_path / "protected.docx", tmp_path / "legacy.docx"
    protected.write_bytes(compound + "EncryptedPackage".encode("utf-16-le"))
    legacy.write_bytes(compound + "WordDocument".encode("utf-16-le"))

    assert code_of(protected) == "encrypted"
    assert code_of(legacy) == "mislabelled"


def test_another_archive_is_mislabelled(tmp_path: Path) -> None:
    assert code_of(archive(tmp_path, note=b"text")) == "mislabelled"


def test_macros_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, types=b"wordprocessingml", **{"word/vbaProject.bin": b"code"})

    assert code_of(path) == "macros"


def test_another_office_document_is_mislabelled(tmp_path: Path) -> None:
    assert code_of(archive(tmp_path, types=b"<Types>spreadsheetml</Types>")) == "mislabelled"


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path,
) -> None:
    bomb = archive(tmp_path, types=b"wordprocessingml", media=bytes(2_000_000))

    assert code_of(bomb, ParserContext(max_uncompressed_bytes=1_000_000)) == "too_large"


def test_an_archive_of_too_many_members_is_refused(tmp_path: Path) -> None:
    many = archive(tmp_path, **{f"member{number}": b"" for number in range(20)})

    assert code_of(many, ParserContext(max_archive_members=10)) == "too_large"


def test_entities_are_not_expanded_without_end(tmp_path: Path) -> None:
    path = written(tmp_path, lambda document: document.add_paragraph("Words"))
    laughs = '<!DOCTYPE d [<!ENTITY a "' + "ha" * 100 + '">'
    for number, name in enumerate("bcdefgh"):
        laughs += f'<!ENTITY {name} "' + f"&{'abcdefgh'[number]};" * 100 + '">'
    xml = (
        f"{laughs}]><w:document {nsdecls('w')}><w:body>"
        "<w:p><w:r><w:t>&h;</w:t></w:r></w:p></w:body></w:document>"
    )
    bomb = tmp_path / "bomb.docx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(bomb, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, xml if name == "word/document.xml" else content)

    assert code_of(bomb) == "bomb"


def test_a_document_without_words_has_no_text(tmp_path: Path) -> None:
    assert code_of(written(tmp_path, lambda document: None)) == "no_text"


RELATION = (
    '<Relationship Id="rNotes" Target="footnotes.xml" Type="http://schemas.openxmlformats.org/'
    'officeDocument/2006/relationships/footnotes"/></Relationships>'
)


def test_broken_notes_are_damage_and_no_crash(tmp_path: Path) -> None:
    path = written(tmp_path, lambda document: document.add_paragraph("Rest well."))
    parts = parts_of(path)
    links = "word/_rels/document.xml.rels"
    parts[links] = parts[links].replace(b"</Relationships>", RELATION.encode())
    parts["word/footnotes.xml"] = b"<w:footnotes \xff"
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(
        b"</Types>", b'<Override PartName="/word/footnotes.xml" ContentType="a/b"/></Types>'
    )

    assert code_of(archive(tmp_path, **parts)) == "truncated"


def test_a_document_without_a_body_is_damaged(tmp_path: Path) -> None:
    path = written(tmp_path, lambda document: document.add_paragraph("Rest well."))
    parts = parts_of(path)
    parts["word/document.xml"] = parts["word/document.xml"].replace(b"w:body", b"w:corpse")

    assert code_of(archive(tmp_path, **parts)) == "truncated"


def test_a_name_in_the_archive_that_is_no_text_is_damage(tmp_path: Path) -> None:
    path = archive(tmp_path, types=b"wordprocessingml", **{"\xe9.xml": b"<a/>"})
    path.write_bytes(path.read_bytes().replace("\xe9".encode(), b"\xff\xfe"))

    assert code_of(path) == "truncated"


def test_a_part_that_does_not_unpack_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "file.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("[Content_Types].xml", b"wordprocessingml " * 99)
        place = file.infolist()[0].header_offset
    data = bytearray(path.read_bytes())
    start = place + 30 + len("[Content_Types].xml") + 4  # behind the properties of LZMA
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)

    assert code_of(path) == "truncated"
