"""A short trial of a reranker: how many candidates it reads within its time limit, here and now.

Two runs of different length tell a fixed cost (a connection, a queue) from the cost of a passage.
Knows no Django and stores nothing.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from inference.errors import InvalidModelResponse, ModelError, ModelTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inference.ports import Reranker

MOST = 200
"""Candidates; no knowledge base asks for more."""
FEW, FULL = 4, 30
"""Passages of the two runs, where the time limit allows the second."""
FIRST = 2
"""Passages of the run before, which loads the model and is not timed."""
LOADING_S = 600.0

QUESTIONS = {"en": "How can I sleep better at night?", "zh": "怎样才能睡得更好？"}
TEXTS = {
    "en": (
        "People who wake in the night can do a number of things before they turn to medicine. A "
        "regular bedtime, also on free days, lets the body expect its sleep. A dark, quiet and "
        "rather cool bedroom helps, and so does leaving screens, coffee and heavy meals out of the "
        "evening. Who lies awake for more than twenty minutes should get up, do something calm "
        "in dim light, and go back when they are tired. Daylight in the morning and some movement "
        "during the day make the next night easier. A diary of two weeks shows what disturbs the "
        "night, and is what a doctor asks for first when nothing of this has helped for a month."
    ),
    "zh": (
        "夜里容易醒来的人，在用药之前可以先做几件事。每天在固定的时间上床，休息日也一样，身体就会"
        "习惯在那时入睡。卧室要暗、要安静、稍微凉一些；晚上不要看屏幕，不要喝咖啡，也不要吃得太饱。"
        "如果躺下二十分钟还睡不着，就起来在暗一点的灯光下做些安静的事，困了再回去睡。早上多见阳光，"
        "白天适当活动，第二天晚上会更容易入睡。连续两周记下睡眠情况，可以看出是什么打扰了睡眠；如果"
        "一个月都没有好转，医生首先要看的就是这份记录。"
    ),
}
"""About as long as a passage of the product, in its two languages."""


class Timing(NamedTuple):
    passages: int
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial found. ``error`` is a reason of ``inference.errors``, empty for none."""

    candidates: int = 0
    """So many would be read within the time limit, at most ``MOST``."""
    ms_for_30: float = 0.0
    """For 30 passages; computed from a shorter run where 30 would take longer than allowed."""
    error: str = ""


def try_out(
    reranker: Reranker,
    *,
    time_limit_s: float,
    language: str = "en",
    clock: Callable[[], float] = time.monotonic,
) -> Trial:
    """Run it on made-up passages; takes at most loading and twice the time limit."""
    question, texts = QUESTIONS[language], _texts(language)
    limit_ms = time_limit_s * 1000

    def run(count: int, limit_s: float = time_limit_s) -> Timing:
        began = clock()
        scores = reranker.score(question, texts[:count], time_limit_s=limit_s)
        took = (clock() - began) * 1000
        # The port promises this; a server behind an adapter may still break the promise.
        if len(scores) != count or not all(math.isfinite(score) for score in scores):
            raise InvalidModelResponse("not one finite score for each passage")
        return Timing(count, took)

    try:
        run(FIRST, LOADING_S if hasattr(reranker, "warm_up") else time_limit_s)
        timings = [_shorter(run)]
        second = _second_size(timings[0], limit_ms)
        if second:
            # One that is in time for a few and not for more has told as much as it can.
            with suppress(ModelTimeout):
                timings.append(run(second))
    except ModelError as error:
        return Trial(error=error.reason)
    return Trial(candidates_within(limit_ms, timings), round(_estimate(timings, FULL), 1))


def candidates_within(limit_ms: float, timings: Sequence[Timing]) -> int:
    """The greatest number of passages, 0 to ``MOST``, whose estimated time is within the limit."""
    within = 0
    for count in range(1, MOST + 1):
        if _estimate(timings, count) > limit_ms:
            break
        within = count
    return within


def _estimate(timings: Sequence[Timing], count: int) -> float:
    """Milliseconds for ``count`` passages: a line through two timings, or in proportion to one.

    A line that would fall, or start below 0, is none: the longer run counts in proportion then.
    """
    last = timings[-1]
    if len(timings) > 1:
        first = timings[0]
        slope = (last.milliseconds - first.milliseconds) / (last.passages - first.passages)
        start = first.milliseconds - slope * first.passages
        if slope >= 0 and start >= 0:
            return start + slope * count
    return last.milliseconds / last.passages * count


def _shorter(run: Callable[[int], Timing]) -> Timing:
    """A few passages, or one where a few take too long."""
    try:
        return run(FEW)
    except ModelTimeout:
        return run(1)


def _second_size(first: Timing, limit_ms: float) -> int:
    """As many as seem to fit, at most 30; 0 when that would tell nothing new."""
    fitting = int(limit_ms / max(first.milliseconds / first.passages, 1e-6))
    size = min(FULL, fitting)
    return size if size >= 2 * first.passages else 0


def _texts(language: str) -> list[str]:
    """Passages that all differ: a server may keep what it has scored before."""
    return [f"{number}. {TEXTS[language]}" for number in range(1, FULL + 1)]
