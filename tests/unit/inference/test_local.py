from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.errors import (
    InvalidModelResponse,
    ModelBusy,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from inference.local import LocalEmbedder, LocalReranker, pair_model
from inference.pairs import LibraryPairs, PackedPairs
from tests.unit.inference.conftest import VOCABULARY, save_bert

QUESTION = "how can i sleep better?"
PASSAGES = ["dim the lights and rest.", "fruit has sugar.", "rest a lot. " * 12, "sleep"]
ENOUGH_S = 60.0


# ---- embedder ----------------------------------------------------------------------------------


def test_vectors_are_unit_length_and_in_the_order_given(tiny_embedder_path: str) -> None:
    embedder = LocalEmbedder(tiny_embedder_path, batch_tokens=40)
    together = embedder.embed_passages(PASSAGES)
    assert together.shape == (4, 16)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, rtol=1e-5)
    for text, vector in zip(PASSAGES, together, strict=True):
        np.testing.assert_allclose(embedder.embed_passages([text])[0], vector, atol=0.03)


def test_a_query_and_a_passage_get_the_prompts_of_the_model(tiny_embedder_path: str) -> None:
    embedder = LocalEmbedder(tiny_embedder_path)
    assert embedder.recipe.query_prefix == "how can "
    assert embedder.recipe.passage_prefix == "the "
    plain = LocalEmbedder(tiny_embedder_path, query_prefix="", passage_prefix="")
    np.testing.assert_allclose(
        embedder.embed_query("sleep"), plain.embed_query("how can sleep"), atol=1e-6
    )
    np.testing.assert_allclose(
        embedder.embed_passages(["lights"]), plain.embed_passages(["the lights"]), atol=1e-6
    )


def test_a_recipe_that_is_fully_given_is_read_without_loading() -> None:
    embedder = LocalEmbedder("no/model", dimension=5, query_prefix="q ", passage_prefix="")
    assert embedder.recipe.dimension == 5
    assert embedder.recipe.query_prefix == "q "


def test_a_recipe_with_open_ends_is_completed_from_the_model(tiny_embedder_path: str) -> None:
    recipe = LocalEmbedder(tiny_embedder_path, revision="r1", languages=("en",)).recipe
    assert (recipe.dimension, recipe.revision, recipe.languages) == (16, "r1", ("en",))
    assert recipe.provider == "sentence-transformers"


def test_a_model_of_another_dimension_than_promised_is_refused(tiny_embedder_path: str) -> None:
    embedder = LocalEmbedder(tiny_embedder_path, dimension=17, query_prefix="", passage_prefix="")
    with pytest.raises(InvalidModelResponse, match="shape"):
        embedder.embed_query("sleep")


def test_no_texts_give_an_empty_matrix(tiny_embedder_path: str) -> None:
    assert LocalEmbedder(tiny_embedder_path).embed_passages([]).shape == (0, 16)


def test_a_text_longer_than_the_window_is_cut_and_still_embedded(tiny_embedder_path: str) -> None:
    embedder = LocalEmbedder(tiny_embedder_path, batch_tokens=100)
    assert np.isfinite(embedder.embed_passages(["sleep " * 500, "rest"])).all()


def test_a_missing_model_is_unavailable_and_asked_for_again(tmp_path: Any) -> None:
    embedder = LocalEmbedder(str(tmp_path / "none"))
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="cannot be loaded"):
            embedder.embed_query("sleep")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", b""),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\nsize 3\n"),
        ("pytorch_model.bin", b"version https://git-lfs.github.com/spec/v1\nsize 3\n"),
        ("config.json", b"[]"),
        ("config.json", b'{"model_type": "bert", "hidden_size": "x"}'),
        ("config.json", b'{"model_type": "bert", "num_attention_heads": 0}'),
        ("tokenizer.json", b'{"version'),
    ],
)
def test_a_damaged_model_is_unavailable_whatever_the_libraries_raise(
    tiny_reranker_path: str, tmp_path: Path, name: str, content: bytes
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_reranker_path, folder)
    if name == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        LocalReranker(str(folder)).score("sleep", ["rest"], time_limit_s=60.0)


def test_truncated_weights_are_unavailable(tiny_reranker_path: str, tmp_path: Path) -> None:
    folder = tmp_path / "truncated"
    shutil.copytree(tiny_reranker_path, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        LocalReranker(str(folder)).score("sleep", ["rest"], time_limit_s=60.0)


def test_an_embedding_model_is_not_taken_for_a_cross_encoder(tmp_path: Path) -> None:
    save_bert(tmp_path, head=False)
    with pytest.raises(ModelUnavailable, match="BertModel, which does not score pairs"):
        LocalReranker(str(tmp_path)).score("sleep", ["rest"], time_limit_s=60.0)


def test_words_outside_the_vocabulary_count_as_unknown(tiny_embedder_path: str) -> None:
    embedder = LocalEmbedder(tiny_embedder_path)
    assert embedder.unknown_share("how can i sleep") == 0.0
    assert embedder.unknown_share("how can 睡觉") == 0.5
    assert embedder.unknown_share("怎样才能睡得更好") == 1.0
    assert embedder.unknown_share("") == 0.0


# ---- reranker ----------------------------------------------------------------------------------


def test_scores_keep_the_order_of_the_passages_whatever_the_batches(
    tiny_reranker_path: str,
) -> None:
    together = LocalReranker(tiny_reranker_path, batch_tokens=4_000, max_length=64)
    apart = LocalReranker(tiny_reranker_path, batch_tokens=1, max_length=64)
    expected = together.score(QUESTION, PASSAGES, time_limit_s=ENOUGH_S)
    assert apart.score(QUESTION, PASSAGES, time_limit_s=ENOUGH_S) == pytest.approx(
        expected, abs=0.1
    )
    assert max(expected) - min(expected) > 0.3


def test_scores_are_raw_logits(tiny_reranker_path: str) -> None:
    from sentence_transformers import CrossEncoder

    reranker = LocalReranker(tiny_reranker_path, max_length=64)
    probabilities = CrossEncoder(tiny_reranker_path).predict([(QUESTION, p) for p in PASSAGES])
    logits = np.array(reranker.score(QUESTION, PASSAGES, time_limit_s=ENOUGH_S))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), probabilities, atol=0.01)


def test_no_passages_need_no_model() -> None:
    assert LocalReranker("no/model").score(QUESTION, [], time_limit_s=1) == []


def test_a_time_limit_that_has_passed_is_a_timeout(tiny_reranker_path: str) -> None:
    with pytest.raises(ModelTimeout):
        LocalReranker(tiny_reranker_path).score(QUESTION, PASSAGES, time_limit_s=0.0)


def test_the_card_says_name_model_and_revision_without_loading() -> None:
    card = LocalReranker("BAAI/bge-reranker-v2-m3", revision="r", languages=("zh", "en")).card
    assert (card.name, card.model) == ("bge-reranker-v2-m3", "BAAI/bge-reranker-v2-m3")
    assert (card.revision, card.languages, card.calibrations) == ("r", ("zh", "en"), ())


class ScriptedNetwork:
    """Stands for a cross-encoder of the library; answers with what ``reply`` makes of the pairs."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply
        self.batches: list[int] = []

    def predict(self, pairs: Sequence[tuple[str, str]], **options: object) -> Any:
        assert options["batch_size"] == len(pairs)
        self.batches.append(len(pairs))
        return self.reply(pairs)


class WordTokenizer:
    unk_token_id = None

    def __call__(self, texts: Any, **options: object) -> dict[str, Any]:
        del options
        if isinstance(texts, str):
            return {"input_ids": list(range(len(texts.split())))}
        return {"input_ids": [list(range(len(text.split()))) for text in texts]}


def scripted(reply: Any, **options: Any) -> tuple[LocalReranker, ScriptedNetwork]:
    network = ScriptedNetwork(reply)
    model = LibraryPairs(network, WordTokenizer(), options.get("max_length", 512))
    return LocalReranker("scripted", load=lambda: model, **options), network


@pytest.mark.parametrize(
    "reply",
    [
        lambda pairs: [0.0] * (len(pairs) - 1),
        lambda pairs: [[0.1, 0.9]] * len(pairs),
        lambda pairs: [float("nan")] * len(pairs),
        lambda pairs: [float("inf")] * len(pairs),
    ],
    ids=["too few", "two classes", "nan", "infinite"],
)
def test_a_response_that_is_not_one_finite_score_each_is_refused(reply: Any) -> None:
    reranker, _ = scripted(reply)
    with pytest.raises(InvalidModelResponse):
        reranker.score(QUESTION, PASSAGES, time_limit_s=ENOUGH_S)


def test_a_crash_inside_the_model_is_a_model_error_and_frees_the_model() -> None:
    def crash(pairs: object) -> None:
        raise RuntimeError("not enough memory")

    reranker, network = scripted(crash)
    with pytest.raises(ModelError, match="not enough memory"):
        reranker.score(QUESTION, PASSAGES, time_limit_s=ENOUGH_S)
    network.reply = lambda pairs: [1.0] * len(pairs)
    assert reranker.score(QUESTION, ["a"], time_limit_s=ENOUGH_S) == [1.0]


def test_a_request_out_of_time_runs_no_further_batch() -> None:
    began, finish = threading.Event(), threading.Event()

    def slow(pairs: Sequence[object]) -> list[float]:
        began.set()
        finish.wait(10)
        return [0.0] * len(pairs)

    reranker, network = scripted(slow, batch_tokens=1)
    with pytest.raises(ModelTimeout):
        reranker.score(QUESTION, PASSAGES, time_limit_s=0.2)
    assert began.is_set()
    finish.set()
    reranker.score(QUESTION, ["a"], time_limit_s=ENOUGH_S)
    assert len(network.batches) == 2


def test_ten_people_at_once_get_each_their_own_scores() -> None:
    reranker, _ = scripted(
        lambda pairs: [float(question) + float(passage) for question, passage in pairs],
        batch_tokens=14,
    )
    found: dict[int, list[float]] = {}

    def ask(person: int) -> None:
        texts = [str(number) for number in range(7)]
        found[person] = reranker.score(str(100 * person), texts, time_limit_s=ENOUGH_S)

    people = [threading.Thread(target=ask, args=(person,)) for person in range(10)]
    for each in people:
        each.start()
    for each in people:
        each.join()
    assert found == {p: [100.0 * p + number for number in range(7)] for p in range(10)}


def test_one_more_than_may_wait_is_told_that_the_reranker_is_busy() -> None:
    began, finish = threading.Event(), threading.Event()

    def slow(pairs: Sequence[object]) -> list[float]:
        began.set()
        finish.wait(10)
        return [0.0] * len(pairs)

    reranker, _ = scripted(slow, most_requests=1)
    holder = threading.Thread(
        target=reranker.score, args=(QUESTION, ["a"]), kwargs={"time_limit_s": ENOUGH_S}
    )
    holder.start()
    assert began.wait(10)
    with pytest.raises(ModelBusy):
        reranker.score(QUESTION, ["b"], time_limit_s=ENOUGH_S)
    finish.set()
    holder.join()


def test_batches_stay_within_the_token_budget() -> None:
    reranker, network = scripted(lambda pairs: [0.0] * len(pairs), batch_tokens=60)
    reranker.score(QUESTION, ["w " * 20] * 6, time_limit_s=ENOUGH_S)
    assert network.batches == [2, 2, 2]


def test_waiting_for_a_busy_model_ends_at_the_time_limit() -> None:
    started, finish = threading.Event(), threading.Event()

    def reply(pairs: Sequence[object]) -> list[float]:
        started.set()
        finish.wait(10)
        return [0.0] * len(pairs)

    reranker, _ = scripted(reply)
    holder = threading.Thread(
        target=reranker.score, args=(QUESTION, ["a"]), kwargs={"time_limit_s": ENOUGH_S}
    )
    holder.start()
    started.wait(10)
    with pytest.raises(ModelTimeout):
        reranker.score(QUESTION, ["b"], time_limit_s=0.02)
    finish.set()
    holder.join()


def test_several_threads_load_a_model_once() -> None:
    loads: list[int] = []

    def load() -> LibraryPairs:
        loads.append(1)
        time.sleep(0.01)
        network = ScriptedNetwork(lambda pairs: [0.0] * len(pairs))
        return LibraryPairs(network, WordTokenizer(), 512)

    reranker = LocalReranker("scripted", load=load)
    threads = [threading.Thread(target=reranker.unknown_share, args=("a",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]


def test_texts_longer_than_another_kind_of_network_reads_are_cut(tmp_path: Path) -> None:
    from transformers import BertTokenizer, DistilBertConfig, DistilBertForSequenceClassification

    save_bert(tmp_path, head=True)
    config = DistilBertConfig(
        vocab_size=len(VOCABULARY),
        dim=16,
        n_layers=1,
        n_heads=2,
        hidden_dim=32,
        max_position_embeddings=64,
    )
    config.num_labels = 1
    DistilBertForSequenceClassification(config).save_pretrained(tmp_path)
    BertTokenizer(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    reranker = LocalReranker(str(tmp_path), max_length=256)
    scores = reranker.score(QUESTION, ["rest a lot. " * 100, "sleep"], time_limit_s=ENOUGH_S)
    assert np.isfinite(scores).all()


def test_a_question_does_not_wait_for_a_load_beyond_its_limit_and_the_load_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_load = threading.Event()
    loads: list[int] = []

    def load() -> LibraryPairs:
        loads.append(1)
        assert may_load.wait(30)
        network = ScriptedNetwork(lambda pairs: [1.0] * len(pairs))
        return LibraryPairs(network, WordTokenizer(), 512)

    monkeypatch.setattr("inference.local.LOADING_PATIENCE_S", 0.01)
    reranker = LocalReranker("slow", load=load)
    with pytest.raises(ModelTimeout, match="still being loaded"):
        reranker.unknown_share("sleep")
    with pytest.raises(ModelTimeout, match="still being loaded"):
        reranker.score("sleep", ["rest"], time_limit_s=0.01)
    assert not reranker.is_loaded
    may_load.set()
    assert reranker.score("sleep", ["rest"], time_limit_s=60.0) == [1.0]
    assert (reranker.is_loaded, loads) == (True, [1])


@pytest.mark.parametrize("in_hardware", [True, False])
def test_weights_are_bf16_only_where_the_cpu_has_it_and_never_fp16(
    tiny_reranker_path: str, monkeypatch: pytest.MonkeyPatch, *, in_hardware: bool
) -> None:
    import torch

    monkeypatch.setattr("inference.local.cpu_runs_bf16", lambda: in_hardware)
    model = loaded(tiny_reranker_path)
    assert isinstance(model, PackedPairs)
    assert model.dtype == (torch.bfloat16 if in_hardware else torch.float32)


def loaded(path: str, **changes: Any) -> Any:
    from sentence_transformers import CrossEncoder

    network = CrossEncoder(path, max_length=64, device="cpu")
    for name, value in changes.items():
        setattr(network, name, value)
    return pair_model(network, 64)


def test_a_cross_encoder_with_a_prompt_of_its_own_is_run_by_the_library(
    tiny_reranker_path: str,
) -> None:
    model = loaded(tiny_reranker_path, prompts={"ask": "how "}, default_prompt_name="ask")
    assert isinstance(model, LibraryPairs)


def test_library_and_packed_model_give_the_same_scores(
    tiny_reranker_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.local.cpu_runs_bf16", lambda: False)
    fast = loaded(tiny_reranker_path)
    monkeypatch.setattr("inference.local.packed_classifier", lambda *_, **__: None)
    slow = loaded(tiny_reranker_path)
    assert isinstance(slow, LibraryPairs)
    passages = [*PASSAGES, "  sleep  ", "", "rest a lot of " * 40]
    scores = [model.run(model.read(QUESTION, passages), lambda: None) for model in (fast, slow)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)
