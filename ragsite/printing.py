"""An answer in a terminal: its text, its sources, and both rankings side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from qa.presentation import present_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accounts.models import User
    from qa.models import Answer
    from qa.movements import Movement
    from qa.presented import AnswerView, SourceView

TITLE_WIDTH = 60
_SIGNS = {"same": "=", "new": "new", "dropped": "dropped"}


def answer_lines(viewer: User, answer: Answer) -> Iterator[str]:
    """What ``viewer`` may see of ``answer``, line by line."""
    view = present_answer(viewer, answer)
    yield ""
    yield view.text or _("There is no text.")
    yield ""
    yield _("Sources")
    for source in view.sources or view.nearest:
        yield f"  [{source.number}] {_title(source)}"
    yield ""
    yield from _rankings(view)
    for sentence in view.reasons:
        yield f"  {sentence}"
    yield ""
    spans = ", ".join(f"{one.label} {one.milliseconds:.0f} ms" for one in view.timings)
    yield f"{_('Time')}: {spans}"


def _rankings(view: AnswerView) -> Iterator[str]:
    rankings = view.rankings
    yield _("Ranking with rerank (final score; relevance, completeness, readability, timeliness)")
    for source in rankings.with_rerank:
        factors = " ".join(f"{bar.value:.2f}" for bar in source.factors)
        score = f"{source.final_score:.3f}" if source.final_score is not None else "-"
        yield (
            f"  {source.final_rank:>2} {_sign(source.movement):<8} {score}  "
            f"{factors}  {_title(source)}"
        )
    yield ""
    yield _("Ranking without rerank")
    for source in rankings.without_rerank:
        yield f"  {source.fused_rank:>2} {_title(source)}"
    yield ""
    yield _("%(changed)d of %(top)d sources changed.") % {
        "changed": rankings.changed,
        "top": rankings.top,
    }


def _sign(movement: Movement) -> str:
    if movement.kind == "up":
        return f"▲{movement.places}"
    if movement.kind == "down":
        return f"▼{movement.places}"
    return _SIGNS[movement.kind]


def _title(source: SourceView) -> str:
    if not source.is_open:
        return _("a source you may not open")
    return source.title[:TITLE_WIDTH]
