"""Texts end to end get the vectors that the library gives them padded, and are read once."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import InvalidModelResponse, ModelError, ModelTimeout, ModelUnavailable
from inference.local import LocalEmbedder, text_model
from inference.texts import LibraryTexts, PackedTexts, RecentlyRead, WordPieces, packed_bi_encoder
from tests.unit.inference.conftest import VOCABULARY, save_bert

CPU = torch.device("cpu")
WINDOW = 40
TEXTS = ["dim the lights and rest.", "fruit", "rest a lot. " * 25, "", "睡 sleep", "a a a a"]

words = st.sampled_from([*VOCABULARY[5:], "unheard", "睡"])
texts = st.lists(st.lists(words, max_size=60).map(" ".join), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers model as the shipped one is stored: mean of the tokens, a window."""
    folder = tmp_path_factory.mktemp("mean")
    save_bert(folder, head=False)
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    window = {"max_seq_length": WINDOW, "do_lower_case": False}
    (folder / "sentence_bert_config.json").write_text(json.dumps(window))
    parts = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling")]
    modules = [
        {
            "idx": int(name),
            "name": name,
            "path": path,
            "type": f"sentence_transformers.models.{kind}",
        }
        for name, path, kind in parts
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def packed_model(folder: Path, kind: torch.dtype = torch.float32) -> PackedTexts:
    return packed_bi_encoder(folder, kind=kind, place=CPU)


def embedder_of(model: Any, **options: Any) -> LocalEmbedder:
    return LocalEmbedder("tiny", load=lambda: model, query_prefix="", passage_prefix="", **options)


@pytest.fixture(scope="module")
def library(model_folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    network = SentenceTransformer(str(model_folder), device="cpu")
    network.max_seq_length = WINDOW
    return network.eval()


def expected_of(library: Any, given_texts: Sequence[str]) -> Any:
    found = library.encode(list(given_texts), prompt="", show_progress_bar=False)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


# ---- vectors -------------------------------------------------------------------------------------


def test_any_texts_get_the_vectors_of_the_library(model_folder: Path, library: Any) -> None:
    embedder = embedder_of(packed_model(model_folder), batch_tokens=100)

    @given(given_texts=texts)
    @settings(deadline=None, max_examples=30)
    def check(given_texts: list[str]) -> None:
        found = embedder.embed_passages(given_texts)
        np.testing.assert_allclose(found, expected_of(library, given_texts), atol=1e-4)

    check()


def test_the_vectors_of_the_test_above_differ_from_text_to_text(library: Any) -> None:
    found = expected_of(library, TEXTS)
    assert (found @ found.T)[~np.eye(len(TEXTS), dtype=bool)].max() < 0.999


def test_bf16_points_the_same_way_as_fp32(model_folder: Path) -> None:
    exact = embedder_of(packed_model(model_folder)).embed_passages(TEXTS)
    model = packed_model(model_folder, torch.bfloat16)
    assert model.dtype == torch.bfloat16
    rounded = embedder_of(model).embed_passages(TEXTS)
    assert (exact * rounded).sum(axis=1).min() > 0.99


def test_a_batch_stops_when_nobody_waits_for_it(model_folder: Path) -> None:
    model = packed_model(model_folder)

    def give_up() -> None:
        raise ModelTimeout("nobody waits")

    with pytest.raises(ModelTimeout):
        model.run(model.read(["sleep"]), give_up)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False}),
        ("config.json", {"hidden_act": "relu"}),
        ("tokenizer.json", None),
        ("model.safetensors", None),
    ],
)
def test_a_folder_with_another_kind_of_model_is_unavailable(
    model_folder: Path, tmp_path: Path, file: str, change: dict[str, object] | None
) -> None:
    folder = tmp_path / "other"
    (folder / "1_Pooling").mkdir(parents=True)
    for path in model_folder.rglob("*.*"):
        (folder / path.relative_to(model_folder)).write_bytes(path.read_bytes())
    if change is None:
        (folder / file).unlink()
    else:
        stored = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(stored | change))
    embedder = LocalEmbedder("other", load=lambda: packed_model(folder))
    with pytest.raises(ModelUnavailable):
        embedder.embed_query("sleep")


# ---- reading -------------------------------------------------------------------------------------


def test_a_text_is_cut_to_the_window_between_its_special_tokens(model_folder: Path) -> None:
    pieces = WordPieces(model_folder / "tokenizer.json", WINDOW)
    (long,) = pieces.read(["sleep " * 100])
    first, last = VOCABULARY.index("[CLS]"), VOCABULARY.index("[SEP]")
    assert (long.length, long.ids[0], long.ids[-1]) == (WINDOW, first, last)
    assert set(long.ids[1:-1]) == {VOCABULARY.index("sleep")}
    (empty,) = pieces.read([""])
    assert (empty.ids, empty.unknown_share) == ([first, last], 0.0)


def test_unknown_words_beyond_the_window_count_too(model_folder: Path) -> None:
    pieces = WordPieces(model_folder / "tokenizer.json", WINDOW)
    (text,) = pieces.read(["sleep " * 60 + "睡 " * 40])
    assert text.unknown_share == pytest.approx(0.4)


class Counted(NamedTuple):
    length: int
    unknown_share: float = 0.0


class Counting:
    """Reads a text as its number of words, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def read(self, given_texts: Sequence[str]) -> list[Counted]:
        self.asked.extend(given_texts)
        return [Counted(len(text.split())) for text in given_texts]


def test_a_text_that_is_judged_and_then_embedded_is_read_once() -> None:
    model = Scripted(lambda read: [[1, 0, 0, 0]] * len(read))
    embedder = embedder_of(model)
    assert embedder.unknown_share("sleep") == 0.0
    embedder.embed_passages(["sleep", "rest", "rest"])
    assert model.counting.asked == ["sleep", "rest"]


def test_texts_read_longest_ago_make_room() -> None:
    counting = Counting()
    recent = RecentlyRead(counting.read, most_tokens=5)
    assert [read.length for read in recent.read(["a b", "c d", "a b"])] == [2, 2, 2]
    recent.read(["e f"])
    recent.read(["c d", "a b"])
    assert counting.asked == ["a b", "c d", "e f", "a b"]


def test_a_text_longer_than_all_that_is_kept_is_read_and_forgotten() -> None:
    counting = Counting()
    recent = RecentlyRead(counting.read, most_tokens=3)
    for _ in range(2):
        assert recent.read(["a b c d"])[0].length == 4
    assert counting.asked == ["a b c d"] * 2


def test_threads_that_read_the_same_texts_each_get_all_of_them() -> None:
    recent = RecentlyRead(Counting().read, most_tokens=30)
    wrong: list[int] = []

    def ask(start: int) -> None:
        for turn in range(200):
            size = (start + turn) % 9
            if recent.read(["w " * size, "v " * size])[1].length != size:
                wrong.append(size)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert recent._tokens == sum(read.length for read in recent._kept.values()) <= 30


# ---- what goes wrong -----------------------------------------------------------------------------


class Scripted:
    """Stands for a network; answers with what ``reply`` makes of the number of texts."""

    dimension, lanes, runs = 4, 2, "scripted"
    prompts: Mapping[str, str] = {}

    def __init__(self, reply: Any) -> None:
        self.reply = reply
        self.counting = Counting()

    def begin(self) -> None: ...

    def read(self, given_texts: Sequence[str]) -> list[Counted]:
        return self.counting.read(given_texts)

    def batches(self, given_texts: Sequence[Counted], token_budget: int) -> list[list[int]]:
        del token_budget
        return [[position] for position in reversed(range(len(given_texts)))]

    def run(self, given_texts: Sequence[Counted], go_on: Any) -> Any:
        go_on()
        return self.reply(given_texts)


def test_vectors_come_in_the_order_of_the_texts_whatever_the_batches() -> None:
    embedder = embedder_of(Scripted(lambda read: [[each.length, 1, 0, 0] for each in read]))
    found = embedder.embed_passages(["a a a", "a", "a a"])
    np.testing.assert_allclose(found[:, 0] / found[:, 1], [3, 1, 2], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    "row", [[1, 2, 3], [float("nan")] * 4, [float("inf"), 0, 0, 0], [0, 0, 0, 0]]
)
def test_what_is_not_one_direction_each_is_refused(row: list[float]) -> None:
    embedder = embedder_of(Scripted(lambda read: [row] * len(read)))
    with pytest.raises(InvalidModelResponse):
        embedder.embed_passages(["a", "b"])


def test_a_network_that_fails_is_a_model_error_and_is_asked_again() -> None:
    def crash(read: object) -> Any:
        raise RuntimeError("not enough memory")

    model = Scripted(crash)
    embedder = embedder_of(model)
    with pytest.raises(ModelError, match="not enough memory"):
        embedder.embed_passages(["a"])
    model.reply = lambda read: [[1, 0, 0, 0]] * len(read)
    assert embedder.embed_passages(["a"]).tolist() == [[1, 0, 0, 0]]


def test_any_other_bi_encoder_is_run_by_the_library(library: Any) -> None:
    model = text_model(library)
    assert isinstance(model, LibraryTexts)
    assert [read.length for read in model.read(["sleep " * 100, "sleep"])] == [WINDOW, 3]
    assert model.batches(model.read(["a", "a a"]), 1_000) == [[1, 0]]


# ---- the shipped one -----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_shipped_embedder_gives_the_vectors_of_the_library() -> None:
    from sentence_transformers import SentenceTransformer

    from inference.base_embedder import base_embedder
    from inference.base_model import base_model_path

    given_texts = ["How can I sleep better?", "Dim the lights. " * 80, "Fruit for diabetics", ""]
    expected = SentenceTransformer(str(base_model_path()), device="cpu").encode(given_texts)
    found = base_embedder().embed_passages(given_texts)
    assert (expected * found).sum(axis=1).min() > 0.998
