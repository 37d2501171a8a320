from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from inference.errors import InvalidModelResponse, ModelBusy, ModelTimeout
from inference.lanes import Lanes

GoOn = Callable[[], None]


def soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


def give(value: int) -> Callable[[GoOn], int]:
    return lambda go_on: value


class Gate:
    """A batch that runs until it is let through, or until nobody waits for it."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, go_on: GoOn) -> int:
        self.entered.set()
        while not self.open.wait(0.005):
            go_on()
        return 0


def occupied(lanes: Lanes) -> tuple[Gate, threading.Thread]:
    gate = Gate()
    thread = threading.Thread(target=lanes.run, args=([gate], soon()))
    thread.start()
    assert gate.entered.wait(10)
    return gate, thread


def test_results_come_in_the_order_of_the_batches_whichever_ends_first() -> None:
    first_waits = threading.Event()

    def last(go_on: GoOn) -> int:
        first_waits.set()
        return 2

    def first(go_on: GoOn) -> int:
        assert first_waits.wait(10)
        return 1

    assert Lanes("m", 2, most_requests=1).run([first, last], soon()) == [1, 2]


def test_no_batches_give_no_results() -> None:
    assert Lanes("m", 2, most_requests=1).run([], soon()) == []


def test_a_request_beyond_the_bound_is_refused_at_once_by_name() -> None:
    lanes = Lanes("m", 1, most_requests=1)
    gate, thread = occupied(lanes)
    with pytest.raises(ModelBusy) as refused:
        lanes.run([give(1)], soon())
    assert refused.value.reason == "model_busy"
    gate.open.set()
    thread.join()
    assert lanes.run([give(1)], soon()) == [1]


def test_waiting_ends_at_the_deadline_and_the_batch_is_never_begun() -> None:
    lanes = Lanes("m", 1, most_requests=2)
    gate, thread = occupied(lanes)
    begun: list[int] = []
    with pytest.raises(ModelTimeout):
        lanes.run([lambda go_on: begun.append(1)], soon(0.03))
    gate.open.set()
    thread.join()
    assert lanes.run([give(1)], soon()) == [1]
    assert begun == []


def test_a_running_batch_is_told_that_nobody_waits_any_more() -> None:
    lanes = Lanes("m", 1, most_requests=1)
    with pytest.raises(ModelTimeout):
        lanes.run([Gate()], soon(0.03))
    # Were it still at its gate, the only lane would be taken.
    assert lanes.run([give(1)], soon()) == [1]


def test_a_deadline_that_has_passed_begins_nothing() -> None:
    begun: list[int] = []
    with pytest.raises(ModelTimeout):
        Lanes("m", 1, most_requests=1).run([lambda go_on: begun.append(1)], time.monotonic())
    assert begun == []


def test_what_one_batch_raises_ends_the_others_of_its_request() -> None:
    def broken(go_on: GoOn) -> int:
        raise InvalidModelResponse("two scores for one passage")

    lanes = Lanes("m", 2, most_requests=1)
    batches: list[Callable[[GoOn], int]] = [Gate(), broken]
    with pytest.raises(InvalidModelResponse):
        lanes.run(batches, soon())
    assert lanes.run([give(1), give(2)], soon()) == [1, 2]


def test_batches_of_earlier_requests_run_first() -> None:
    lanes = Lanes("m", 1, most_requests=3)
    gate, thread = occupied(lanes)
    order: list[str] = []

    def note(name: str, go_on: GoOn) -> None:
        order.append(name)

    requests = [thread]
    for number, name in enumerate("ab"):
        batches = [partial(note, name + part) for part in "12"]
        requests.append(threading.Thread(target=lanes.run, args=(batches, soon())))
        requests[-1].start()
        while lanes._pool._work_queue.qsize() < 2 * (number + 1):
            time.sleep(0.001)
    gate.open.set()
    for each in requests:
        each.join()
    assert order == ["a1", "a2", "b1", "b2"]


def test_never_more_batches_at_once_than_lanes_and_each_lane_begins_once() -> None:
    begun: list[str] = []
    now: list[int] = []
    most = 0
    counting = threading.Lock()

    def work(go_on: GoOn) -> None:
        nonlocal most
        with counting:
            now.append(1)
            most = max(most, len(now))
        time.sleep(0.002)
        with counting:
            now.pop()

    lanes = Lanes(
        "m", 3, most_requests=5, begin=lambda: begun.append(threading.current_thread().name)
    )
    people = [threading.Thread(target=lanes.run, args=([work] * 4, soon())) for _ in range(5)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert 1 <= most <= 3
    assert len(begun) == len(set(begun)) <= 3


def test_threads_end_with_the_lanes() -> None:
    lanes = Lanes("m", 2, most_requests=1, begin=lambda: threads.append(threading.current_thread()))
    threads: list[threading.Thread] = []
    lanes.run([give(1), give(2)], soon())
    del lanes
    gc.collect()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
