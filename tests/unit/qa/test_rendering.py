"""Nothing that a model or a document writes becomes active on a page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qa.rendering import render_answer, render_markdown

ALLOWED = {"href", "title", "rel", "class", "start"}
HOSTILE_PIECES = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))", "[a](  javascript&colon;alert(1))", "![x](https://spy/i.png)",
    "<svg/onload=alert(1)>", "[b](data:text/html,<script>)", '[c](https://x "onclick=1")',
    "<a href='vbscript:x'>", "`<b>`", "[1]", "[2](javascript:x)", "[1]: javascript:alert(1)",
    "<iframe src=//e>", "<style>*{}</style>", "&#x6A;avascript:", "\n\n", "*", "_", "](", "[",
    '"', "'", "<", ">", "&lt;", "|a|b|\n|-|-|\n|c|d|", "# ", "- ", "<javascript:x>", "\\",
]  # fmt: skip
hostile = st.lists(st.sampled_from(HOSTILE_PIECES) | st.text(max_size=8)).map("".join)


class Element(NamedTuple):
    tag: str
    attributes: dict[str, str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))


def elements(html: str) -> list[Element]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.elements


def assert_harmless(html: str) -> None:
    for tag, attributes in elements(html):
        assert tag not in {"script", "img", "svg", "iframe", "style", "object", "form", "input"}
        assert set(attributes) <= ALLOWED
        scheme = attributes.get("href", "").strip().lower().partition(":")[0]
        assert scheme not in {"javascript", "vbscript", "data", "file"}


@given(hostile)
def test_no_text_becomes_active(text: str) -> None:
    assert_harmless(render_markdown(text))
    assert "<script" not in render_markdown(text).lower()


@given(hostile)
def test_no_text_becomes_active_beside_citations(text: str) -> None:
    html = render_answer(text, lambda n: f"/sources/{n}/" if n < 3 else None)
    assert_harmless(html)
    for _, attributes in elements(html):
        if "class" in attributes:
            assert attributes["class"] == "cite"
            assert attributes["href"] in {"/sources/0/", "/sources/1/", "/sources/2/"}


def test_ordinary_markdown_is_formatted() -> None:
    html = render_markdown("# Sleep\n\nKeep **regular** hours:\n\n- dark room\n- no `coffee`")
    assert "<h1>Sleep</h1>" in html
    assert "<strong>regular</strong>" in html
    assert "<li>dark room</li>" in html
    assert "<code>coffee</code>" in html


@pytest.mark.parametrize(
    "target", ["https://nhs.uk/sleep", "http://a.b/c", "mailto:a@b.org", "/documents/3/", "#s2"]
)
def test_ordinary_links_are_kept_and_tell_the_target_nothing(target: str) -> None:
    (link,) = [e for e in elements(render_markdown(f"[x]({target})")) if e.tag == "a"]
    assert link.attributes["href"] == target
    assert "noopener" in link.attributes["rel"]


@pytest.mark.parametrize("target", ["javascript:alert(1)", "data:text/html,x", "ftp://a/b"])
def test_other_targets_are_dropped(target: str) -> None:
    assert all("href" not in e.attributes for e in elements(render_markdown(f"[x]({target})")))


def test_an_image_becomes_its_description() -> None:
    html = render_markdown("![a <b>pear</b>](https://spy.example/1.png)")
    assert "img" not in html
    assert "spy.example" not in html
    assert "pear" in html


def test_raw_html_is_shown_as_text() -> None:
    assert render_markdown("<b onclick=x>hi</b>") == "<p>&lt;b onclick=x&gt;hi&lt;/b&gt;</p>\n"


class TestCitations:
    def test_a_marker_becomes_a_link_to_its_source(self) -> None:
        html = render_answer("Keep it dark. [2]", lambda n: f"#source-{n}")
        (link,) = elements(html)[1:]
        assert link.attributes["href"] == "#source-2"
        assert link.attributes["class"] == "cite"
        assert ">[2]</a>" in html

    def test_a_marker_without_a_target_stays_text(self) -> None:
        assert render_answer("Dark. [7]", lambda _: None) == "<p>Dark. [7]</p>\n"

    def test_neighbouring_markers_are_links_of_their_own(self) -> None:
        html = render_answer("Dark. [1][2]", lambda n: f"#{n}")
        assert [e.attributes["href"] for e in elements(html) if e.tag == "a"] == ["#1", "#2"]

    def test_a_marker_in_code_stays_code(self) -> None:
        assert "<a" not in render_answer("`rows[1]`", lambda n: f"#{n}")

    def test_a_model_cannot_give_a_marker_another_target(self) -> None:
        html = render_answer(
            "[1](https://evil.example)\n\n[1]: https://evil.example", lambda _: "#1"
        )
        assert {e.attributes["href"] for e in elements(html) if e.tag == "a"} == {"#1"}

    def test_a_marker_without_a_target_cannot_become_a_link_either(self) -> None:
        assert "<a" not in render_answer("[9](https://evil.example)", lambda _: None)

    def test_a_list_of_notes_stays_visible_and_gives_no_link(self) -> None:
        html = render_answer("See [here].\n\n[here]: https://evil.example", lambda _: None)
        assert "<a" not in html
        assert "[here]: https://evil.example" in html

    def test_quotes_in_a_target_cannot_leave_the_attribute(self) -> None:
        html = render_answer("[1]", lambda _: '/s?q="onclick="x')
        (link,) = [e for e in elements(html) if e.tag == "a"]
        assert set(link.attributes) == {"href", "class", "rel"}

    def test_markers_in_lists_and_tables_are_linked(self) -> None:
        html = render_answer("- a [1]\n- b [2]\n\n| x |\n|---|\n| y [3] |", lambda n: f"#{n}")
        assert [e.attributes["href"] for e in elements(html) if e.tag == "a"] == ["#1", "#2", "#3"]
