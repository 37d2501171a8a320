"""A figure says which code made it and on which machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qa import origins

ROOT = Path(__file__).parents[3]

X86 = """processor\t: 0
model name\t: Some Processor 9000
flags\t\t: fpu vme avx2 avx512f avx512_bf16 sse
"""
ARM = """processor\t: 0
Features\t: fp asimd i8mm bf16
"""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the files in which a kernel describes the machine."""
    for name in ("_CPU_INFO", "_STATUS", "_MEMORY"):
        monkeypatch.setattr(origins, name, tmp_path / name)
    return tmp_path


def test_the_version_is_that_of_the_project_and_a_folder_of_none_has_none(tmp_path: Path) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{origins.code_of(ROOT)["version"]}"' in project
    assert origins.code_of(tmp_path) == {"version": "", "commit": ""}


@pytest.mark.parametrize(
    ("text", "instructions"),
    [(X86, ["avx2", "avx512f", "avx512_bf16"]), (ARM, ["asimd", "bf16", "i8mm"]), ("", [])],
)
def test_only_instructions_that_matter_to_models_are_named(
    kernel: Path, text: str, instructions: list[str]
) -> None:
    (kernel / "_CPU_INFO").write_text(text, encoding="utf-8")
    assert origins.machine()["instructions"] == instructions


def test_processor_and_memory_are_as_the_kernel_says(kernel: Path) -> None:
    (kernel / "_CPU_INFO").write_text(X86, encoding="utf-8")
    (kernel / "_MEMORY").write_text("MemTotal:        2097152 kB\n", encoding="utf-8")
    (kernel / "_STATUS").write_text("Name:\tpython\nVmRSS:\t  524288 kB\n", encoding="utf-8")
    found = origins.machine()
    assert found["processor"] == "Some Processor 9000"
    assert found["memory_mb"] == 2048
    assert origins.resident_mb() == 512


def test_a_kernel_that_does_not_say_leaves_it_open(kernel: Path) -> None:
    assert origins.resident_mb() is None
    assert origins.machine()["memory_mb"] is None


def test_cores_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 3, 5}, raising=False)
    assert origins.usable_cores() == 3


def test_where_the_system_cannot_say_which_all_cores_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert origins.usable_cores() == (os.cpu_count() or 1)
