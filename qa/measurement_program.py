"""Makes a measurement in a program of its own, and turns every way that can end into a state.

A program of its own, because a reranker that is only tried must not stay in the worker's memory,
may need more memory than there is, and can be ended at any moment. The worker waits beside it,
writes the heartbeat, and looks whether the measurement is to be cancelled.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING

from celery.signals import worker_shutting_down
from django.conf import settings

from documents.jobs import ClaimLost
from qa.measurement_claims import Cancelled, claim, give_up_lost, next_waiting, unheard
from qa.measuring import clean_up
from qa.models import RerankerMeasurement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qa.measurement_claims import Claim

logger = logging.getLogger(__name__)

TIME_LIMIT_S = 40 * 60.0
"""Shorter than the time after which the broker delivers the message again."""
LOOK_EVERY_S = 2.0
_PROGRAM = ("manage.py", "measure_reranker")
_closing = threading.Event()
_STDERR_BYTES = 500


def close(**_: object) -> None:
    """A worker that ends does not wait for a measurement: it gives it back."""
    _closing.set()


worker_shutting_down.connect(close)


def run(measurement_id: int) -> int | None:
    """Claim a waiting measurement and have it made; anything but a waiting one is left alone.

    Returns the one whose turn is next, if any waits.
    """
    taken = claim(measurement_id)
    if taken is not None:
        make_apart(taken)
    return next_waiting()


def make_apart(
    taken: Claim, *, program: Sequence[str] = _PROGRAM, look_every_s: float = LOOK_EVERY_S
) -> None:
    """Start the program, and wait until it, or the wish for it, has ended."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            [sys.executable, *program, str(taken.job_id), str(taken.attempt)],
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            reason = _wait(taken, process.pid, look_every_s)
        finally:
            status = _end(process)
        errors.seek(0, os.SEEK_END)
        errors.seek(max(0, errors.tell() - _STDERR_BYTES))
        said = " ".join(errors.read().decode("utf-8", errors="replace").split())
    _settle(taken, reason, status, said)


def release_lost() -> int | None:
    """Give up what a lost worker holds. Returns one that waits and was not heard of, if any."""
    for row in give_up_lost():
        clean_up(row)
        logger.warning("measurement.worker.lost", extra={"measurement_id": row.pk})
    return unheard()


def _wait(taken: Claim, pid: int, look_every_s: float) -> str:
    """Wait for the end without taking it: "" or the reason to end it."""
    deadline = time.monotonic() + TIME_LIMIT_S
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            return "timeout"
        if _closing.is_set():
            return "closing"
        try:
            taken.write()
            taken.go_on()
        except Cancelled:
            return "cancelled"
        except ClaimLost:
            # The program has written its last state, or somebody else has the measurement.
            return "lost" if _goes_on(pid, look_every_s) else ""
        time.sleep(look_every_s)
    return ""


def _goes_on(pid: int, seconds: float) -> bool:
    """Whether the program is still there after a moment to end by itself."""
    deadline = time.monotonic() + max(seconds, 1.0) * 5
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return False
        time.sleep(0.05)
    return True


def _end(process: subprocess.Popen[bytes]) -> int:
    """Kill the whole group, also what the program may have started; its exit status."""
    os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _settle(taken: Claim, reason: str, status: int, said: str) -> None:
    """Write the end, unless the program has. A program that was killed left things behind."""
    row = RerankerMeasurement.objects.filter(pk=taken.job_id).first()
    if row is not None and (reason or status != 0):
        clean_up(row)
    try:
        if reason == "cancelled":
            taken.cancel()
        elif reason == "closing":
            taken.give_back()
        elif reason == "timeout":
            taken.fail("timeout")
        elif status == -signal.SIGKILL and not reason:
            # Nobody here did that: it is how a system without memory ends a program.
            taken.fail("memory", said)
        else:
            taken.fail("crashed", f"exit status {status}: {said}")
    except ClaimLost:
        return  # The usual case: the program has said itself how it ended.
    logger.warning(
        "measurement.ended",
        extra={"measurement_id": taken.job_id, "reason": reason, "status": status},
    )
