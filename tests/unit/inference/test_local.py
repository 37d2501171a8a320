from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inference.errors import InvalidModelResponse, ModelError, ModelTimeout, ModelUnavailable
from inference.local import LocalEmbedder, LocalModel, LocalReranker, cpu_runs_bf16

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
    """Stands for a loaded cross-encoder; answers with what ``reply`` makes of the pairs."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply
        self.at_once = 0
        self.most_at_once = 0
        self.batches: list[int] = []

    def predict(self, pairs: Sequence[tuple[str, str]], **options: object) -> Any:
        assert options["batch_size"] == len(pairs)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.batches.append(len(pairs))
        try:
            return self.reply(pairs)
        finally:
            self.at_once -= 1


class WordTokenizer:
    unk_token_id = None

    def __call__(self, texts: Any, **options: object) -> dict[str, Any]:
        del options
        if isinstance(texts, str):
            return {"input_ids": list(range(len(texts.split())))}
        return {"input_ids": [list(range(len(text.split()))) for text in texts]}


def scripted(reply: Any, **options: Any) -> tuple[LocalReranker, ScriptedNetwork]:
    network = ScriptedNetwork(reply)
    model = LocalModel(network, WordTokenizer())
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


def test_the_deadline_is_checked_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(
        "inference.local.time", SimpleNamespace(monotonic=lambda: now[0]), raising=True
    )

    def slow(pairs: Sequence[object]) -> list[float]:
        now[0] += 2.0
        return [0.0] * len(pairs)

    reranker, network = scripted(slow, batch_tokens=1)
    with pytest.raises(ModelTimeout):
        reranker.score(QUESTION, PASSAGES, time_limit_s=3.0)
    assert network.batches == [1, 1]


def test_batches_stay_within_the_token_budget() -> None:
    reranker, network = scripted(lambda pairs: [0.0] * len(pairs), batch_tokens=60)
    reranker.score(QUESTION, ["w " * 20] * 6, time_limit_s=ENOUGH_S)
    assert network.batches == [2, 2, 2]


def test_two_threads_never_run_the_model_at_once() -> None:
    def reply(pairs: Sequence[object]) -> list[float]:
        time.sleep(0.005)
        return [0.0] * len(pairs)

    reranker, network = scripted(reply, batch_tokens=1)
    threads = [
        threading.Thread(
            target=reranker.score, args=(QUESTION, PASSAGES), kwargs={"time_limit_s": ENOUGH_S}
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert network.most_at_once == 1
    assert len(network.batches) == 12


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
    with pytest.raises(ModelTimeout, match="busy"):
        reranker.score(QUESTION, ["b"], time_limit_s=0.02)
    finish.set()
    holder.join()


def test_several_threads_load_a_model_once() -> None:
    loads: list[int] = []

    def load() -> LocalModel:
        loads.append(1)
        time.sleep(0.01)
        return LocalModel(ScriptedNetwork(lambda pairs: [0.0] * len(pairs)), WordTokenizer())

    reranker = LocalReranker("scripted", load=load)
    threads = [threading.Thread(target=reranker.unknown_share, args=("a",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]


def test_weights_are_bf16_only_where_the_cpu_has_it_and_never_fp16(
    tiny_reranker_path: str,
) -> None:
    import torch

    reranker = LocalReranker(tiny_reranker_path)
    reranker.warm_up()
    dtype = next(reranker._engine.model().network.parameters()).dtype
    assert dtype == (torch.bfloat16 if cpu_runs_bf16() else torch.float32)


def test_without_bf16_hardware_weights_are_fp32(
    tiny_reranker_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr("inference.local.cpu_runs_bf16", lambda: False)
    reranker = LocalReranker(tiny_reranker_path)
    assert next(reranker._engine.model().network.parameters()).dtype == torch.float32
