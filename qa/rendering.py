"""From Markdown that a model or a document wrote to HTML that is safe to put on a page.

Two walls: the Markdown parser knows no raw HTML, and nh3 lets only the tags and attributes of a
short list through, whatever the parser made. Nothing is loaded from elsewhere: no images, no
styles, no scripts.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

import nh3
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence
    from typing import Any

    from markdown_it.renderer import RendererProtocol
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

    CitationHref = Callable[[int], str | None]

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li",
    "ol", "p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}
_CITATION = re.compile(r"\[(\d{1,3})\]")
_HREF_KEY = "citation_href"


def render_markdown(text: str) -> str:
    """Safe HTML of ``text``. Links keep http, https, mailto and relative targets only."""
    return _sanitise(_MARKDOWN.render(text))


def render_answer(text: str, citation_href: CitationHref) -> str:
    """Safe HTML of ``text`` with each ``[n]`` linked to ``citation_href(n)``.

    The link is ``<a class="cite" href=…>[n]</a>``. A marker whose target is ``None`` stays plain
    text, and so does one within code. ``citation_href`` is called once for each marker.
    """
    return _sanitise(_MARKDOWN.render(text, {_HREF_KEY: citation_href}))


def _sanitise(html: str) -> str:
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        # Markdown cannot set a class, so one that arrives here was made by _render_citation.
        allowed_classes={"a": {"cite"}},
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def _parse_citation(state: StateInline, silent: bool) -> bool:  # noqa: FBT001
    """Inline rule: ``[n]`` is a citation when it has a target, before it can be a link's text."""
    citation_href: CitationHref | None = state.env.get(_HREF_KEY)
    match = _CITATION.match(state.src, state.pos, state.posMax)
    if citation_href is None or match is None:
        return False
    if not silent:
        href = citation_href(int(match[1]))
        token = state.push("citation" if href is not None else "text", "", 0)
        token.content = match[0]
        token.meta = {"href": href}
    state.pos = match.end()
    return True


def _render_citation(
    renderer: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    token = tokens[index]
    return f'<a class="cite" href="{escape(token.meta["href"])}">{escape(token.content)}</a>'


def _render_image_as_text(
    renderer: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    # A remote image would tell its server who reads the answer, and when.
    return escape(tokens[index].content)


def _build_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False})
    parser.enable(["table", "strikethrough"])
    # A list of notes at the end of an answer ("[1]: https://…") is to be seen, not to be obeyed.
    parser.disable("reference")
    parser.inline.ruler.before("link", "citation", _parse_citation)
    parser.add_render_rule("citation", _render_citation)
    parser.add_render_rule("image", _render_image_as_text)
    return parser


_MARKDOWN = _build_parser()
