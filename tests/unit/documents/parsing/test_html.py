from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from documents.parsing.base import ParseError
from tests.unit.documents.parsing.builders import kinds_and_texts, parse


def written(tmp_path: Path, body: str, head: str = "", encoding: str = "utf-8") -> Path:
    path = tmp_path / "page.html"
    page = f"<!DOCTYPE html><html lang='de'><head>{head}</head><body>{body}</body></html>"
    path.write_bytes(page.encode(encoding))
    return path


def test_blocks_are_kept_in_order_with_their_sections(tmp_path: Path) -> None:
    parsed = parse(
        written(
            tmp_path,
            "<h1>Sleep</h1><p>It is <b>good</b>\n for you.</p><h2>Tips</h2>"
            "<ul><li><p>Rest</p></li><li>Walk <ul><li>far</li></ul></li></ul>"
            "<pre>a\n  b</pre>Loose words<div>Boxed</div>",
        )
    )

    assert kinds_and_texts(parsed) == [
        ("heading", "Sleep"),
        ("paragraph", "It is good for you."),
        ("heading", "Tips"),
        ("list_item", "Rest"),
        ("list_item", "Walk"),
        ("list_item", "far"),
        ("code", "a\n  b"),
        ("paragraph", "Loose words"),
        ("paragraph", "Boxed"),
    ]
    assert parsed.blocks[3].heading_path == ("Sleep", "Tips")


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>secret()</script>",
        "<style>.secret {}</style>",
        "<nav>secret</nav>",
        "<div role='navigation'>secret</div>",
        "<p hidden>secret</p>",
        "<p style='color: red; DISPLAY : none'>secret</p>",
        "<div aria-hidden='true'><p>secret</p></div>",
        "<noscript>secret</noscript>",
        "<template>secret</template>",
        "<!-- secret -->",
        "<svg><text>secret</text></svg>",
    ],
)
def test_what_a_reader_does_not_see_is_left_out(tmp_path: Path, hidden: str) -> None:
    assert parse(written(tmp_path, f"<p>Seen</p>{hidden}")).text == "Seen"


def test_a_table_of_values_gives_rows(tmp_path: Path) -> None:
    parsed = parse(
        written(
            tmp_path,
            "<table><tr><th>Food</th><th>Grams</th></tr>"
            "<tr><td>Apple <br> pie</td><td></td><td><script>x</script>12</td></tr></table>",
        )
    )

    assert kinds_and_texts(parsed) == [
        ("table_row", "Food | Grams"),
        ("table_row", "Food: Apple pie | 12"),
    ]


def test_a_table_without_a_header_row_gives_values_only(tmp_path: Path) -> None:
    html = "<table><tr><th>Food</th><td>Apple</td></tr><tr><th>Grams</th><td>12</td></tr></table>"

    assert kinds_and_texts(parse(written(tmp_path, html))) == [
        ("table_row", "Food | Apple"),
        ("table_row", "Grams | 12"),
    ]


def test_cells_over_several_rows_and_columns_stay_under_their_headings(tmp_path: Path) -> None:
    html = (
        "<p>Before</p><table><thead><tr><th>Day</th><th>Food</th><th>Grams</th></tr></thead>"
        "<tbody><tr><td rowspan=2>Monday</td><td>Apple</td><td>12</td></tr>"
        "<tr><td>Pear</td><td>9</td></tr><tr><td colspan=2>both</td><td>21</td></tr></tbody>"
        "</table><table><tr><td>next</td></tr></table><p>After</p>"
    )

    assert kinds_and_texts(parse(written(tmp_path, html))) == [
        ("paragraph", "Before"),
        ("table_row", "Day | Food | Grams"),
        ("table_row", "Day: Monday | Food: Apple | Grams: 12"),
        ("table_row", "Day: Monday | Food: Pear | Grams: 9"),
        ("table_row", "Day: both | Grams: 21"),
        ("table_row", "next"),
        ("paragraph", "After"),
    ]


@pytest.mark.parametrize("span", ["99999999999999999999", "-1", "x", "²"])
def test_a_span_that_lies_does_no_harm(tmp_path: Path, span: str) -> None:
    html = f"<table><tr><td colspan={span} rowspan={span}>a</td><td>b</td></tr></table>"

    text = parse(written(tmp_path, html)).text
    assert text.startswith("a |") and text.endswith("| b")


def test_a_table_that_lays_out_the_page_gives_its_blocks(tmp_path: Path) -> None:
    parsed = parse(
        written(tmp_path, "<table><tr><td><h2>Title</h2><p>One.</p><p>Two.</p></td></tr></table>")
    )

    assert kinds_and_texts(parsed) == [
        ("heading", "Title"),
        ("paragraph", "One."),
        ("paragraph", "Two."),
    ]


def test_title_author_and_dates_come_from_the_head(tmp_path: Path) -> None:
    parsed = parse(
        written(
            tmp_path,
            "<p>Words</p>",
            "<title> The \n title </title><meta name='author' content='A. B.'>"
            "<meta property='article:published_time' content='2024-05-01T10:00:00Z'>"
            '<script type=\'application/ld+json\'>{"dateModified": "2024-06-02"}</script>',
        )
    )

    assert parsed.title == "The title"
    assert parsed.author == "A. B."
    assert parsed.published == date(2024, 5, 1)
    assert parsed.metadata["updated"] == "2024-06-02"


def test_the_declared_language_helps_where_the_words_do_not(tmp_path: Path) -> None:
    assert parse(written(tmp_path, "<p>Besser schlafen und leben</p>")).language == "de"


def test_the_declared_encoding_is_used(tmp_path: Path) -> None:
    parsed = parse(
        written(tmp_path, "<p>żółć</p>", "<meta charset='iso-8859-2'>", encoding="iso-8859-2")
    )

    assert parsed.text == "żółć"


def test_a_page_nested_deeper_than_python_recurses_is_read(tmp_path: Path) -> None:
    parsed = parse(written(tmp_path, "<div>" * 5000 + "deep" + "</div>" * 5000 + "<p>after</p>"))

    assert "deep" in parsed.text


def test_entities_and_broken_markup_are_read_as_browsers_do(tmp_path: Path) -> None:
    assert parse(written(tmp_path, "<p>1 &lt; 2 &nbsp;&eacute;<p>next<b>bold")).text == (
        "1 < 2 é\n\nnextbold"
    )


def test_a_page_of_scripts_has_no_text(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        parse(written(tmp_path, "<div id='app'></div><script>app()</script>"))

    assert caught.value.code == "no_text"
