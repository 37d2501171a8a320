from __future__ import annotations

from pathlib import Path

import pytest

from documents.parsing.base import ParseError, ParserContext
from tests.unit.documents.parsing.archives import CORE, relations, types, zipped
from tests.unit.documents.parsing.builders import kinds_and_texts, parse

NAMES = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)


def text(*paragraphs: str) -> str:
    return "".join(f"<a:p><a:r><a:t>{one}</a:t></a:r></a:p>" for one in paragraphs)


def shape(*paragraphs: str, kind: str = "") -> str:
    place = f'<p:nvPr><p:ph type="{kind}"/></p:nvPr>' if kind else "<p:nvPr/>"
    return f"<p:sp><p:nvSpPr>{place}</p:nvSpPr><p:txBody>{text(*paragraphs)}</p:txBody></p:sp>"


def slide(*shapes: str) -> str:
    return f"<p:sld {NAMES}><p:cSld><p:spTree>{''.join(shapes)}</p:spTree></p:cSld></p:sld>"


def presentation(
    path: Path, slides: list[str], more: dict[str, str | bytes] | None = None, order: str = ""
) -> Path:
    numbers = [int(number) for number in order] or list(range(1, len(slides) + 1))
    listed = "".join(f'<p:sldId id="{n}" r:id="r{n}"/>' for n in numbers)
    targets = {f"r{n}": ("slide", f"slides/slide{n}.xml") for n in range(1, len(slides) + 1)}
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": types("presentationml.presentation"),
        "ppt/presentation.xml": f"<p:presentation {NAMES}><p:sldIdLst>{listed}</p:sldIdLst>"
        "</p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(**targets),
        "docProps/core.xml": CORE,
    }
    parts |= {f"ppt/slides/slide{n}.xml": content for n, content in enumerate(slides, 1)}
    return zipped(path, parts | (more or {}))


def code_of(path: Path, context: ParserContext | None = None) -> str:
    with pytest.raises(ParseError) as caught:
        parse(path, context)
    return caught.value.code


def test_each_slide_is_a_page_with_its_title_first(tmp_path: Path) -> None:
    first = slide(shape("One", "Two", kind="body"), shape("Sleep well", kind="title"))
    second = slide(shape("A note"), shape("7", kind="sldNum"))

    parsed = parse(presentation(tmp_path / "a.pptx", [first, second]))

    assert kinds_and_texts(parsed) == [
        ("heading", "Sleep well"),
        ("list_item", "One"),
        ("list_item", "Two"),
        ("paragraph", "A note"),
    ]
    assert [block.page for block in parsed.blocks] == [1, 1, 1, 2]
    assert parsed.page_count == 2
    assert (parsed.title, parsed.author) == ("The title", "A. B.")


def test_slides_come_in_the_order_of_the_presentation(tmp_path: Path) -> None:
    slides = [slide(shape(name)) for name in ("first", "second")]

    assert parse(presentation(tmp_path / "a.pptx", slides, order="21")).text == "second\n\nfirst"


def test_tables_groups_and_alternatives_are_read_once(tmp_path: Path) -> None:
    rows = "".join(
        "<a:tr>" + "".join(f"<a:tc><a:txBody>{text(c)}</a:txBody></a:tc>" for c in row) + "</a:tr>"
        for row in (("Food", "Grams"), ("Apple", "12"))
    )
    table = f'<a:tbl><a:tblPr firstRow="1"/>{rows}</a:tbl>'
    content = slide(
        f"<p:grpSp>{shape('in a group')}</p:grpSp>",
        f"<p:graphicFrame><a:graphic>{table}</a:graphic></p:graphicFrame>",
        f"<mc:AlternateContent><mc:Choice>{shape('new')}</mc:Choice>"
        f"<mc:Fallback>{shape('old')}</mc:Fallback></mc:AlternateContent>",
    )

    assert kinds_and_texts(parse(presentation(tmp_path / "a.pptx", [content]))) == [
        ("paragraph", "in a group"),
        ("table_row", "Food | Grams"),
        ("table_row", "Food: Apple | Grams: 12"),
        ("paragraph", "new"),
    ]


def test_charts_diagrams_and_notes_are_read(tmp_path: Path) -> None:
    def values(tag: str, *points: str) -> str:
        return f"<c:{tag}>{''.join(f'<c:pt><c:v>{p}</c:v></c:pt>' for p in points)}</c:{tag}>"

    series = values("tx", "Hours") + values("cat", "Mon", "Tue") + values("val", "7", "8")
    chart = f"<c:chart {NAMES}><c:title>{text('Rest')}</c:title><c:ser>{series}</c:ser></c:chart>"
    content = slide(
        '<p:graphicFrame><c:chart r:id="r1"/></p:graphicFrame>',
        '<p:graphicFrame><a:x r:id="r2"/></p:graphicFrame>',
    )
    more: dict[str, str | bytes] = {
        "ppt/slides/_rels/slide1.xml.rels": relations(
            r1=("chart", "../charts/chart1.xml"),
            r2=("diagramData", "../diagrams/data1.xml"),
            r3=("notesSlide", "../notesSlides/n1.xml"),
        ),
        "ppt/charts/chart1.xml": chart,
        "ppt/diagrams/data1.xml": f"<a:d {NAMES}>{text('Step')}</a:d>",
        "ppt/notesSlides/n1.xml": slide(shape("Say this", kind="body"), shape("1", kind="sldNum")),
    }

    parsed = parse(presentation(tmp_path / "a.pptx", [content], more))

    assert parsed.text.split("\n") == [
        *("Rest", "", "Hours", "", "Mon | 7", "Tue | 8"),
        *("", "Step", "", "Say this"),
    ]


def test_a_missing_slide_costs_itself(tmp_path: Path) -> None:
    path = presentation(tmp_path / "a.pptx", [slide(shape("here"))], order="12")

    assert parse(path).text == "here"


def test_hostile_presentations_end_with_their_codes(tmp_path: Path) -> None:
    deep = "<p:grpSp>" * 400 + "</p:grpSp>" * 400
    bomb = f'<!DOCTYPE p [<!ENTITY a "ha">]>{slide(shape("&amp;a;"))}'

    assert code_of(presentation(tmp_path / "a.pptx", [slide(deep)])) == "nested"
    assert code_of(presentation(tmp_path / "b.pptx", [bomb])) == "bomb"
    assert code_of(presentation(tmp_path / "c.pptx", ["<p:sld"])) == "truncated"
    many = presentation(tmp_path / "d.pptx", [slide(shape("a"))] * 3)
    assert code_of(many, ParserContext(max_pages=2)) == "too_large"
    macros = presentation(tmp_path / "e.pptx", [slide()], {"ppt/vbaProject.bin": b"code"})
    assert code_of(macros) == "macros"
