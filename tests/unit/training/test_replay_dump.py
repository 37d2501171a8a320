"""A dump is ranked again from the command line, under other calibrations and weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from inference.bundled import WEIGHTS
from qa.score_dumps import ScoredQuestion, writing
from training.replay import main


def scored(key: str, rerank: list[float | None], language: str = "en") -> ScoredQuestion:
    """The second candidate answers; recall had put it last."""
    return ScoredQuestion(
        key=key,
        text="?",
        language=language,
        grades={"b": 1.0},
        documents=["a", "b"],
        dense_ranks=[1, 2],
        lexical_ranks=[1, 2],
        rerank=rerank,
        cosine=[0.5, 0.5],
        lexical=[0.5, 0.5],
        relevance=[0.3, 0.8],
        evidence=[0.3, 0.8],
        completeness=[0.5, 0.5],
        readability=[1.0, 0.0],
        timeliness=[0.5, 0.5],
        dates=[None, None],
        outdated=[False, False],
    )


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    with writing(tmp_path / "dump" / "squad.jsonl.gz") as write:
        write(scored("1", [-2.0, 3.0]))
        write(scored("2", [-2.0, 3.0]))
    with writing(tmp_path / "dump" / "xquad_zh.jsonl.gz") as write:
        write(scored("3", [None, None], "zh"))
    return tmp_path / "dump"


def replayed(tmp_path: Path, *arguments: str) -> dict[str, dict[str, float]]:
    main([*arguments, "--json", str(tmp_path / "out.json")])
    found: dict[str, dict[str, float]] = json.loads((tmp_path / "out.json").read_text("utf-8"))
    return found


def test_each_set_and_the_mean_of_each_language_has_its_figures(dump: Path, tmp_path: Path) -> None:
    found = replayed(tmp_path, str(dump))
    assert list(found) == ["squad", "xquad_zh", "mean en", "mean zh"]
    assert found["squad"]["reranked"] == 1.0
    assert found["squad"]["fused"] == pytest.approx(0.6309, abs=1e-4)
    assert found["mean en"] == found["squad"]
    assert found["squad"]["best"] == 0.8


def test_a_set_that_was_not_reranked_says_nothing_of_probabilities(
    dump: Path, tmp_path: Path
) -> None:
    row = replayed(tmp_path, str(dump))["xquad_zh"]
    assert row["reranked"] == row["fused"]
    assert "ece" not in row


def test_weights_and_floor_change_the_blend_alone(dump: Path, tmp_path: Path) -> None:
    easy = replayed(tmp_path, str(dump), "--weights", "0.1,0,0.9,0", "--floor", "0")["squad"]
    assert easy["blended"] < 1.0
    assert easy["relevance_only"] == 1.0
    floored = replayed(tmp_path, str(dump), "--weights", "0.1,0,0.9,0", "--floor", "0.5")["squad"]
    assert floored["blended"] == 1.0


def test_calibrations_come_from_a_config(dump: Path, tmp_path: Path) -> None:
    config = tmp_path / "model" / "config.json"
    config.parent.mkdir()
    shutil.copy(WEIGHTS / "config.json", config)
    form = json.loads(config.read_text("utf-8"))
    form["calibrations"] = [{"weights": {"rerank": 0.0, "cosine": 0.0}, "bias": -9.0}]
    config.write_text(json.dumps(form), encoding="utf-8")
    row = replayed(tmp_path, str(dump), "--config", str(config))["squad"]
    assert row["best"] == row["tenth"] < 0.01
    assert row["reranked"] == 1.0  # Equal probabilities keep the order of the raw scores.


@pytest.mark.parametrize("wrong", ["nothing", "1,2", "a,b,c,d"])
def test_weights_that_are_none_are_refused(
    dump: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([str(dump), "--weights", wrong])
    assert "is no preset" in capsys.readouterr().err
