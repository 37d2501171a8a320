"""One bounded queue before a model, and the threads that run it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from inference.errors import ModelBusy, ModelTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")


class Lanes:
    """Runs batches of requests, ``count`` of them at once, those of earlier requests first.

    ``begin`` is called in each thread before its first batch. The threads end with this object.
    """

    def __init__(
        self,
        name: str,
        count: int,
        *,
        most_requests: int,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._most, self._requests = name, most_requests, 0
        self._counting = threading.Lock()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="model", initializer=begin)

    def run(self, batches: Sequence[Callable[[Callable[[], None]], T]], deadline: float) -> list[T]:
        """The result of each batch, in order. ``deadline`` is on the clock of ``time.monotonic``.

        Each batch is called with a function that raises ``ModelTimeout`` when nobody waits any
        more; it should call that now and then. Raises ``ModelBusy`` at once when too many
        requests are here already, ``ModelTimeout`` at the deadline without waiting for a batch
        that still runs, and whatever a batch raises.
        """
        if deadline <= time.monotonic():
            raise ModelTimeout(f"{self._name} had no time left")
        given_up = threading.Event()
        with self._admitted():
            waiting = [
                self._pool.submit(partial(self._run_one, batch, deadline, given_up))
                for batch in batches
            ]
            try:
                wait(waiting, max(0.0, deadline - time.monotonic()), FIRST_EXCEPTION)
                for each in waiting:
                    if each.done() and (error := each.exception()) is not None:
                        raise error
                if not all(each.done() for each in waiting):
                    raise ModelTimeout(f"{self._name} did not finish in time")
                return [each.result() for each in waiting]
            finally:
                given_up.set()
                for each in waiting:
                    each.cancel()

    def _run_one(
        self,
        batch: Callable[[Callable[[], None]], T],
        deadline: float,
        given_up: threading.Event,
    ) -> T:
        def go_on() -> None:
            if given_up.is_set() or time.monotonic() >= deadline:
                raise ModelTimeout(f"{self._name} did not finish in time")

        go_on()
        return batch(go_on)

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        with self._counting:
            if self._requests >= self._most:
                raise ModelBusy(f"{self._name} has {self._most} requests to answer already")
            self._requests += 1
        try:
            yield
        finally:
            with self._counting:
                self._requests -= 1
