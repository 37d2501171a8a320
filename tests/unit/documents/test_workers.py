from __future__ import annotations

import subprocess
import sys

import pytest

from documents import workers
from documents.workers import is_gone, worker_name


def test_a_process_has_one_name_and_is_not_gone() -> None:
    assert worker_name() == worker_name()
    assert not is_gone(worker_name())


def test_a_process_that_was_killed_is_gone_even_before_its_parent_has_heard_of_it() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        name = workers._name_of(process.pid)
        assert not is_gone(name)
        process.kill()
        process.wait()
        assert is_gone(name)


def test_a_number_that_went_to_another_process_does_not_keep_the_first_alive() -> None:
    host_and_number, _, place = worker_name().partition(" ")
    here, _, _began = place.rpartition(".")
    assert is_gone(f"{host_and_number} {here}.1")


@pytest.mark.parametrize("name", ["", "host:12", "host:12 elsewhere-4026531836.99", "host:x y.1"])
def test_nothing_is_said_of_a_process_elsewhere(name: str) -> None:
    assert not is_gone(name)


def test_a_system_that_hides_its_processes_gives_a_short_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "_here", lambda: "")
    workers._name_of.cache_clear()
    try:
        assert " " not in worker_name()
        assert not is_gone("host:1 .5")
    finally:
        workers._name_of.cache_clear()
