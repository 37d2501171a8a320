"""What is scheduled and what pages enqueue is known to a worker that has only just begun."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NAMES = """
import json
from ragsite.celery import app
app.loader.import_default_modules()
scheduled = [entry["task"] for entry in app.conf.beat_schedule.values()]
print(json.dumps([sorted(app.tasks), scheduled]))
"""
"""In a program of its own: here the tests have imported every module already."""


@pytest.mark.slow
def test_a_worker_knows_every_task() -> None:
    said = subprocess.run(
        [sys.executable, "-c", NAMES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    known, scheduled = json.loads(said.stdout.splitlines()[-1])
    assert scheduled
    assert set(scheduled) <= set(known)
    written = {
        f"{path.parent.name}.{path.stem}.{line.removeprefix('def ').partition('(')[0]}"
        for path in ROOT.glob("*/*tasks.py")
        for before, line in pairwise(path.read_text(encoding="utf-8").splitlines())
        if before.startswith("@shared_task")
    }
    assert any("delivery_tasks" in name for name in written)
    assert written <= set(known)
