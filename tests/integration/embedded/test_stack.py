"""The whole stack as a user starts it: it serves, and it ends whole, however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ragsite.embedded.memory import descendants
from tests.integration.embedded.test_processes import eventually, is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
START_LIMIT_S = 240.0


class RunningStack:
    """``python -m ragsite.embedded serve`` with fakes for models, and what it printed."""

    def __init__(self, state: Path) -> None:
        self.port = _free_port()
        self.lines: list[str] = []
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAGSITE_TEST")}
        environment |= {
            "RAGSITE_STATE_DIR": str(state),
            "DJANGO_SETTINGS_MODULE": "ragsite.settings",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ragsite.embedded", "serve", "--port", str(self.port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def wait_until_ready(self) -> None:
        assert eventually(lambda: "Ready after" in self.log or self._ended(), seconds=START_LIMIT_S)
        assert "Ready after" in self.log, self.log

    def status_of(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as page:
                return int(page.status)
        except urllib.error.HTTPError as error:
            return error.code

    def text_of(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as page:
            return str(page.read().decode())

    def processes(self) -> set[int]:
        return set(descendants(self.process.pid)) - {self.process.pid}

    def child(self, words: str) -> int:
        """The process whose command line has ``words``, nearest to the supervisor."""
        return min(
            one
            for one in self.processes()
            if words in Path(f"/proc/{one}/cmdline").read_text(encoding="utf-8").replace("\0", " ")
        )

    def has_child(self, words: str) -> bool:
        try:
            return self.child(words) > 0
        except (ValueError, OSError):  # none, or one that has ended meanwhile
            return False

    def wait_for_end(self) -> int:
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip() for line in self.process.stdout)

    def _ended(self) -> bool:
        return self.process.poll() is not None


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One state folder for all: later starts find the database of the first."""
    return tmp_path_factory.mktemp("stack")


@pytest.fixture
def stack(state: Path) -> Iterator[RunningStack]:
    running = RunningStack(state)
    yield running
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGINT)
        running.process.wait(timeout=60)


def test_it_serves_alone_on_its_folder_and_ends_everything_when_asked(
    stack: RunningStack, state: Path
) -> None:
    stack.wait_until_ready()
    started = stack.processes()
    assert len(started) >= 6
    assert stack.status_of("/healthz") == 200
    assert stack.status_of("/setup/") == 200
    assert stack.status_of(_stylesheet_in(stack.text_of("/setup/"))) == 200
    assert "one-time token" in stack.log
    second = RunningStack(state)
    assert second.wait_for_end() == 1
    assert f"already runs from {state} (process {stack.process.pid})" in second.log
    os.kill(stack.process.pid, signal.SIGINT)
    assert stack.wait_for_end() == 0
    assert eventually(lambda: not any(is_alive(one) for one in started))
    assert stack.lines[-1].endswith("Stopped.")


def test_a_killed_part_is_named_and_started_again(stack: RunningStack) -> None:
    stack.wait_until_ready()
    killed = stack.child(" beat ")
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: "The process 'beat' was killed by SIGKILL" in stack.log)
    assert eventually(lambda: stack.has_child(" beat ") and stack.child(" beat ") != killed)
    assert stack.status_of("/healthz") == 200


def test_nothing_outlives_a_supervisor_that_is_killed_outright(stack: RunningStack) -> None:
    stack.wait_until_ready()
    started = stack.processes()
    stack.process.kill()
    stack.process.wait()
    assert eventually(lambda: not any(is_alive(one) for one in started), seconds=40)


def _stylesheet_in(html: str) -> str:
    found = re.search(r'href="(/static/[^"]+\.css)"', html)
    assert found is not None
    return found.group(1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
