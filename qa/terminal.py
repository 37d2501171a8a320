"""An answer as lines for a terminal: text, sources, both rankings with factors, stage times."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qa.movements import Movement
    from qa.presented import AnswerView, Rankings, SourceView

TITLE_COLUMNS = 52
INDENT = "  "


def answer_lines(view: AnswerView) -> Iterator[str]:
    """Everything that a page would show of the answer, already filtered for its viewer."""
    yield view.question
    yield ""
    yield from _text_lines(view)
    if view.sources and not view.no_evidence:
        yield ""
        yield _("Sources")
        for source in view.sources:
            yield f"{INDENT}[{source.number}] {_place(source)}"
    yield ""
    yield from ranking_lines(view.rankings)
    if view.reasons:
        yield ""
        yield from (f"{INDENT}{reason}" for reason in view.reasons)
    if view.timings:
        yield ""
        spans = (f"{each.label} {each.milliseconds:.0f} ms" for each in view.timings)
        yield _("Time: %(spans)s") % {"spans": ", ".join(spans)}


def ranking_lines(rankings: Rankings) -> Iterator[str]:
    """Both orders, what rerank moved, and of the final order each factor times its weight."""
    if not rankings.with_rerank:
        return
    first_open = next((each for each in rankings.with_rerank if each.factors), None)
    if rankings.was_reranked:
        yield _("Ranking with rerank")
    else:
        yield _("Ranking (not reranked: the fused order)")
    if first_open is not None:
        names = (f"{bar.label} × {bar.weight:.2f}" for bar in first_open.factors)
        yield f"{INDENT}{_('final score')} = {' + '.join(names)}"
    for source in rankings.with_rerank:
        yield _ranked_line(source, source.final_rank)
    if not rankings.was_reranked:
        return
    yield ""
    yield _("Ranking without rerank")
    for source in rankings.without_rerank:
        yield _fused_line(source)
    yield ""
    yield ngettext(
        "%(changed)d of %(top)d sources changed by rerank, %(moved)d moved.",
        "%(changed)d of %(top)d sources changed by rerank, %(moved)d moved.",
        rankings.changed,
    ) % {"changed": rankings.changed, "top": rankings.top, "moved": rankings.moved}


def movement_words(movement: Movement) -> str:
    """``▲3``, ``▼5``, ``=``, ``new`` or ``dropped``."""
    if movement.kind == "up":
        return f"▲{movement.places}"
    if movement.kind == "down":
        return f"▼{movement.places}"
    if movement.kind == "new":
        return _("new")
    return _("dropped") if movement.kind == "dropped" else "="


def _text_lines(view: AnswerView) -> Iterator[str]:
    if view.error:
        yield view.error
        return
    if view.no_evidence:
        yield _("These documents do not answer the question. The nearest passages:")
        yield from (f"{INDENT}- {_place(source)}" for source in view.nearest)
        return
    yield view.text or _("There is no text.")
    if view.withheld_sentences:
        yield ngettext(
            "%(count)d sentence rests on a source that you may not open, and is not shown.",
            "%(count)d sentences rest on sources that you may not open, and are not shown.",
            view.withheld_sentences,
        ) % {"count": view.withheld_sentences}


def _ranked_line(source: SourceView, place: int) -> str:
    number = f"[{source.number}]" if source.number is not None else ""
    head = f"{place:>4}. {movement_words(source.movement):<8}{_title(source)} {number:<4}"
    if source.final_score is None:
        return f"{INDENT}{head}".rstrip()
    factors = " ".join(f"{bar.value:.2f}" for bar in source.factors)
    floor = "" if source.above_floor else f"  {_('below the floor')}"
    return f"{INDENT}{head} {source.final_score:.3f} = {factors}{floor}"


def _fused_line(source: SourceView) -> str:
    head = f"{source.fused_rank:>4}. {movement_words(source.movement):<8}{_title(source)}"
    if source.fused_score is None:
        return f"{INDENT}{head}".rstrip()
    parts = [f"{_('fused')} {source.fused_score:.4f}"]
    if source.dense_rank is not None:
        parts.append(f"{_('dense')} {source.dense_rank}")
    if source.lexical_rank is not None:
        parts.append(f"{_('words')} {source.lexical_rank}")
    return f"{INDENT}{head} {', '.join(parts)}"


def _place(source: SourceView) -> str:
    if not source.is_open:
        return _("a source you may not open")
    headings = [part for part in source.heading_path if part != source.title]
    page = [_("page %(page)d") % {"page": source.page}] if source.page is not None else []
    dated = [source.effective_date.isoformat()] if source.effective_date else []
    return " · ".join([" › ".join([source.title, *headings]), *page, *dated])


def _title(source: SourceView) -> str:
    """The title cut and padded to ``TITLE_COLUMNS``; a Chinese character takes two columns."""
    title = source.title if source.is_open else _("a source you may not open")
    shown, columns = "", 0
    for character in title:
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if columns + width > TITLE_COLUMNS - 1:
            shown, columns = shown + "…", columns + 1
            break
        shown, columns = shown + character, columns + width
    return shown + " " * (TITLE_COLUMNS - columns)
