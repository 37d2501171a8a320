"""The real stack, started as a user starts it, and a real browser that looks at it."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Page,
        ViewportSize,
    )

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 120
FLAGS = ["--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PASSWORD = "plain sailing on tuesday"
WIDE: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}


@dataclass(frozen=True, slots=True)
class Stack:
    """A running installation without demo data."""

    address: str
    token: str


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """``python -m ragsite.embedded serve`` on a folder of its own, with the real small models."""
    state = tmp_path_factory.mktemp("stack")
    port = _free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAGSITE_", "DJANGO"))}
    environment |= {"RAGSITE_STATE_DIR": str(state), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "ragsite.embedded", "serve", "--port", str(port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: queue.Queue[str] = queue.Queue()
    said: list[str] = []
    threading.Thread(target=_listen, args=(process, lines), daemon=True).start()
    try:
        token = _wait_for_token(process, lines, said)
        yield Stack(f"http://127.0.0.1:{port}", token)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(state, ignore_errors=True)


def _listen(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)


def _wait_for_token(
    process: subprocess.Popen[str], lines: queue.Queue[str], said: list[str]
) -> str:
    deadline = time.monotonic() + START_LIMIT_S
    token = ""
    while time.monotonic() < deadline:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            if process.poll() is not None:
                break
            continue
        said.append(line)
        if found := re.search(r"(?:^|\s)([A-Za-z0-9_-]{20,})\s*$", line):
            token = found[1]
        if token and "Ready after" in line:
            return token
    pytest.fail("the stack did not start:\n" + "".join(said))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# Of the module, not the run: no asynchronous test can run in this thread beside its loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("PLAYWRIGHT_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium: install it, or set PLAYWRIGHT_CHROMIUM")
        flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    """What browsers said about the pages: script errors and breaches of the content policy."""
    return []


@pytest.fixture
def context(browser: Browser, stack: Stack, complaints: list[str]) -> Iterator[BrowserContext]:
    made = browser.new_context(base_url=stack.address, viewport=WIDE, locale="en")
    made.set_default_timeout(20_000)
    made.on("console", lambda message: _note(message, complaints))
    made.on("weberror", lambda error: complaints.append(str(error.error)))
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def photograph(page: Page, path: Path, *, whole: bool = False) -> None:
    """Keep the page as a picture.

    The caret stays: hiding it writes a style attribute on each field for a moment, and htmx copies
    what attributes it finds when it swaps that field just then, which the content policy refuses.
    """
    page.screenshot(path=path, full_page=whole, caret="initial")


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    # A refused question answers 422 on purpose, and the browser reports any such status.
    if message.type == "error" and "status of 4" not in message.text:
        complaints.append(message.text)


@pytest.fixture(scope="module")
def pictures() -> Path:
    """Where screenshots go; ``RAGSITE_PICTURES`` keeps them, as for the README."""
    folder = Path(os.environ.get("RAGSITE_PICTURES") or ROOT / "var" / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
