"""How much room a model takes is counted from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inference import footprint

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "weights").write_bytes(b"0" * MIB)
    (tmp_path / "link").symlink_to(tmp_path / "inner" / "weights")
    (tmp_path / "other").write_bytes(b"0" * (MIB // 2))
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert footprint.folder_mb(tmp_path) == pytest.approx(1.5)
    assert footprint.local_mb(str(tmp_path)) == pytest.approx(1.5)


def test_the_bundled_model_is_small_beside_its_base() -> None:
    own, base = footprint.bundled_mb()
    assert 0 < own < base


def test_a_model_that_was_not_fetched_has_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    assert footprint.local_mb("nobody/has-this-model") is None
    assert footprint.local_mb("not a name at all") is None


def test_a_device_has_a_name() -> None:
    pytest.importorskip("torch")
    assert footprint.local_device()
