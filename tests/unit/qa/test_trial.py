"""How many candidates fit into a time limit, from two short runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import InvalidModelResponse, ModelError, ModelKeyRefused, ModelTimeout
from inference.ports import RerankerCard
from qa.trial import FULL, MOST, TEXTS, Timing, Trial, candidates_within, try_out


class Timed:
    """A reranker on a clock of its own: so much a call, so much a passage."""

    card = RerankerCard("timed", "m", "r")

    def __init__(self, fixed_s: float, passage_s: float, error: ModelError | None = None) -> None:
        self.fixed_s, self.passage_s, self.error = fixed_s, passage_s, error
        self.now = 0.0
        self.asked: list[tuple[str, int]] = []

    def clock(self) -> float:
        return self.now

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        self.asked.append((question, len(passages)))
        if self.error is not None:
            raise self.error
        took = self.fixed_s + self.passage_s * len(passages)
        self.now += min(took, time_limit_s)
        if took > time_limit_s:
            raise ModelTimeout
        return [float(number) for number in range(len(passages))]

    def unknown_share(self, text: str) -> float:
        return 0.0


def trial_of(reranker: Timed, time_limit_s: float, language: str = "en") -> Trial:
    return try_out(reranker, time_limit_s=time_limit_s, language=language, clock=reranker.clock)


def test_a_model_on_this_machine_is_measured_with_thirty() -> None:
    reranker = Timed(fixed_s=0.0, passage_s=0.0625)
    assert trial_of(reranker, 10.0) == Trial(candidates=160, ms_for_30=1875.0)
    assert reranker.asked[-1][1] == FULL


def test_the_fixed_cost_of_a_call_is_counted_once() -> None:
    trial = trial_of(Timed(fixed_s=0.5, passage_s=0.0625), 3.0)
    assert trial == Trial(candidates=40, ms_for_30=2375.0)


def test_a_large_model_on_a_small_machine_is_told_by_what_fits() -> None:
    # As bge-reranker-v2-m3 on two cores: some 35 s for 30 candidates.
    reranker = Timed(fixed_s=0.0, passage_s=1.25)
    trial = trial_of(reranker, 10.0)
    assert trial == Trial(candidates=8, ms_for_30=37_500.0)
    assert max(count for _, count in reranker.asked) == 8


def test_one_that_is_too_slow_for_a_few_is_tried_with_one() -> None:
    trial = trial_of(Timed(fixed_s=0.0, passage_s=0.75), 2.0)
    assert trial == Trial(candidates=2, ms_for_30=22_500.0)


def test_one_that_is_too_slow_for_the_very_first_has_an_error() -> None:
    assert trial_of(Timed(fixed_s=5.0, passage_s=0.0), 2.0) == Trial(error="model_timeout")


def test_a_server_that_takes_as_long_for_many_reads_as_many_as_are_ever_asked_for() -> None:
    assert trial_of(Timed(fixed_s=0.25, passage_s=0.0), 2.0).candidates == MOST


def test_an_error_is_told_by_its_reason_and_nothing_is_claimed() -> None:
    reranker = Timed(0.0, 0.1, error=ModelKeyRefused("status 401"))
    assert trial_of(reranker, 5.0) == Trial(error="model_key_refused")
    assert len(reranker.asked) == 1


@pytest.mark.parametrize("scores", [[], [1.0], [float("nan")] * 2, [1.0, float("inf")]])
def test_scores_that_keep_no_promise_are_an_error(scores: list[float]) -> None:
    class Broken(Timed):
        def score(
            self, question: str, passages: Sequence[str], *, time_limit_s: float
        ) -> list[float]:
            return scores

    assert trial_of(Broken(0.0, 0.0), 5.0).error == InvalidModelResponse.reason


def test_it_is_asked_in_its_language_with_passages_that_differ() -> None:
    reranker = Timed(0.0, 0.01)
    trial_of(reranker, 5.0, language="zh")
    assert {question for question, _ in reranker.asked} == {"怎样才能睡得更好？"}
    assert all(len(text) > 150 for text in TEXTS.values())


@given(
    fixed=st.floats(0, 2_000),
    passage=st.floats(0.01, 2_000),
    limit=st.floats(100, 120_000),
)
def test_what_is_promised_keeps_the_limit_and_one_more_would_not(
    fixed: float, passage: float, limit: float
) -> None:
    timings = [Timing(4, fixed + 4 * passage), Timing(30, fixed + 30 * passage)]
    count = candidates_within(limit, timings)
    slack = 1e-6 * (limit + fixed + 31 * passage)
    assert 0 <= count <= MOST
    if count:
        assert fixed + count * passage <= limit + slack
    if count < MOST:
        assert fixed + (count + 1) * passage >= limit - slack


@given(st.floats(0.1, 10_000), st.floats(0.1, 10_000), st.floats(1, 60_000), st.floats(1, 60_000))
def test_more_time_never_promises_less(few: float, full: float, one: float, other: float) -> None:
    timings = [Timing(4, few), Timing(30, full)]
    less, more = sorted([one, other])
    assert candidates_within(less, timings) <= candidates_within(more, timings)
