from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from training import average
from training.average import averaged

EARLIER = {"head": torch.tensor([0.0, 2.0]), "places": torch.tensor([1, 2])}
LATER = {"head": torch.tensor([1.0, 4.0]), "places": torch.tensor([3, 4])}


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, [0.0, 2.0]), (0.6, [0.6, 3.2]), (1.0, [1.0, 4.0])]
)
def test_a_weight_lies_between_the_two_by_the_share_of_the_later(
    share: float, expected: list[float]
) -> None:
    assert averaged(LATER, EARLIER, share)["head"].tolist() == pytest.approx(expected)


def test_whole_numbers_are_the_later_ones() -> None:
    assert averaged(LATER, EARLIER, 0.5)["places"].tolist() == [3, 4]


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="different networks"):
        averaged(LATER, {"head": EARLIER["head"]}, 0.5)


def saved(path: Path, network: dict[str, torch.Tensor], characters: list[str]) -> str:
    torch.save({"network": network, "characters": characters, "apart": 2}, path)
    return str(path)


def test_the_command_writes_a_checkpoint_like_those_it_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = saved(tmp_path / "b.pt", LATER, ["睡"])
    earlier = saved(tmp_path / "a.pt", EARLIER, ["睡"])
    output = tmp_path / "c.pt"
    monkeypatch.setattr(sys, "argv", ["average", later, earlier, "--output", str(output)])
    average.main()
    found = torch.load(output, weights_only=True)
    assert found["characters"] == ["睡"] and found["apart"] == 2
    assert found["network"]["head"].tolist() == pytest.approx([0.6, 3.2])


def test_the_command_refuses_other_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    later, earlier = saved(tmp_path / "b.pt", LATER, ["睡"]), saved(tmp_path / "a.pt", EARLIER, [])
    monkeypatch.setattr(sys, "argv", ["average", later, earlier, "--output", "never.pt"])
    with pytest.raises(SystemExit):
        average.main()
    assert "different networks" in capsys.readouterr().err
