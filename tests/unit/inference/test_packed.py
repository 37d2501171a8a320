"""Texts end to end give what the same texts give when padded and run by the network itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import packed
from inference.errors import ModelTimeout
from inference.pair_weights import PairShape
from inference.pairs import PackedPairs, TokenPair, packed_classifier, packed_pair_scorer
from training.pair_scorer import PairScorer

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU = torch.device("cpu")
WORDS = 40
LONGEST = 24

lengths = st.lists(st.tuples(st.integers(2, 9), st.integers(1, 15)), min_size=1, max_size=9)
"""Tokens of the question's part and of the passage's part, for each pair of a batch."""


def pairs_of(sizes: list[tuple[int, int]], seed: int = 3) -> list[TokenPair]:
    """Questions of the same length are the same question, as all of a request are."""
    chance = np.random.default_rng(seed)
    questions = {a: chance.integers(5, WORDS, a).tolist() for a in range(2, 10)}
    return [
        TokenPair(questions[a] + chance.integers(5, WORDS, b).tolist(), [0] * a + [1] * b)
        for a, b in sizes
    ]


def padded(pairs: list[TokenPair], filler: int = 0) -> tuple[Any, Any, Any]:
    """Ids, segments and mask of a batch, as a library would make them."""
    ids = torch.full((len(pairs), LONGEST), filler)
    segments, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, pair in enumerate(pairs):
        size = len(pair.ids)
        ids[row, :size] = torch.tensor(pair.ids)
        segments[row, :size] = torch.tensor(pair.segments)
        mask[row, :size] = 1
    return ids, segments, mask


def go_on() -> None:
    """Nobody gives up."""


def scorer(apart: int = 0) -> PairScorer:
    torch.manual_seed(5)
    shape = PairShape(
        words=WORDS - 6, width=32, heads=4, inner=64, layers=3, positions=32, added=6, apart=apart
    )
    network = PairScorer(shape).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    torch.nn.init.constant_(network.scale, 8.0)
    torch.nn.init.normal_(network.head.weight, std=1.0)
    return network


def classifier(kind: str) -> Any:
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        XLMRobertaConfig,
        XLMRobertaForSequenceClassification,
    )

    torch.manual_seed(6)
    sizes: dict[str, Any] = {
        "vocab_size": WORDS,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "initializer_range": 0.3,
        "num_labels": 1,
    }
    if kind == "bert":
        plain: Any = BertForSequenceClassification(
            BertConfig(**sizes, max_position_embeddings=LONGEST)
        )
        return plain.eval()
    config = XLMRobertaConfig(
        **sizes, max_position_embeddings=LONGEST + 2, type_vocab_size=1, pad_token_id=1
    )
    network: Any = XLMRobertaForSequenceClassification(config)
    return network.eval()


def packed_scorer(network: PairScorer, kind: torch.dtype = torch.float32) -> PackedPairs:
    state = network.state_dict()
    return packed_pair_scorer(network.shape, state, None, LONGEST, kind=kind, place=CPU)


PLAIN = {apart: scorer(apart) for apart in (0, 2, 3)}
PACKED = {apart: packed_scorer(network) for apart, network in PLAIN.items()}


@given(sizes=lengths, apart=st.sampled_from(sorted(PLAIN)))
@settings(deadline=None, max_examples=40)
def test_a_pair_scorer_gives_the_same_scores_for_pairs_of_any_lengths(
    sizes: list[tuple[int, int]], apart: int
) -> None:
    pairs = pairs_of(sizes)
    with torch.inference_mode():
        expected = PLAIN[apart](*padded(pairs)).numpy()
    np.testing.assert_allclose(PACKED[apart].run(pairs, go_on), expected, atol=2e-4, rtol=2e-4)


def test_the_scores_of_the_tests_above_differ_from_pair_to_pair_and_from_depth_to_depth() -> None:
    pairs = pairs_of([(3, 9), (5, 12), (2, 1), (9, 15)])
    scores = {apart: model.run(pairs, go_on) for apart, model in PACKED.items()}
    assert np.ptp(scores[0]) > 0.1
    assert np.abs(scores[0] - scores[2]).max() > 0.01
    assert np.abs(scores[2] - scores[3]).max() > 0.01


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_a_classifier_of_transformers_gives_the_same_scores(kind: str) -> None:
    network = classifier(kind)
    model = packed_classifier(network, None, 512, kind=torch.float32, place=CPU)
    assert model is not None
    pairs = pairs_of([(3, 9), (5, 12), (2, 1), (9, 15), (4, 4)])
    segments = 1 if kind == "bert" else 0
    pairs = [TokenPair(pair.ids, [segments * s for s in pair.segments]) for pair in pairs]
    ids, types, mask = padded(pairs, filler=0 if kind == "bert" else 1)
    with torch.inference_mode():
        expected = network(input_ids=ids, token_type_ids=types, attention_mask=mask).logits[:, 0]
    scores = model.run(pairs, go_on)
    np.testing.assert_allclose(scores, expected.numpy(), atol=2e-4, rtol=2e-4)
    assert np.ptp(scores) > 0.05


def test_what_is_not_known_how_to_run_is_left_to_the_library() -> None:
    network = classifier("bert")
    network.config.hidden_act = "relu"
    assert packed_classifier(network, None, 512, kind=torch.float32, place=CPU) is None
    network.config.hidden_act, network.config.num_labels = "gelu", 2
    assert packed_classifier(network, None, 512, kind=torch.float32, place=CPU) is None
    other: Any = torch.nn.Linear(2, 2)
    assert packed_classifier(other, None, 512, kind=torch.float32, place=CPU) is None


def test_bf16_is_close_to_fp32() -> None:
    pairs = pairs_of([(3, 9), (5, 12), (2, 1), (9, 15)])
    rounded = packed_scorer(scorer(2), torch.bfloat16)
    assert rounded.dtype == torch.bfloat16
    np.testing.assert_allclose(
        rounded.run(pairs, go_on), PACKED[2].run(pairs, go_on), atol=0.3, rtol=0.1
    )


def test_plain_linear_layers_take_the_place_of_fused_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = pairs_of([(3, 9), (5, 12), (2, 1)])
    monkeypatch.setattr(packed, "has_fused_linears", lambda kind: False)
    plain = packed_scorer(scorer(2))
    np.testing.assert_allclose(
        plain.run(pairs, go_on), PACKED[2].run(pairs, go_on), atol=2e-4, rtol=2e-4
    )


def test_a_batch_that_nobody_waits_for_stops_between_layers() -> None:
    asked = []

    def give_up() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise ModelTimeout("nobody waits")

    with pytest.raises(ModelTimeout):
        PACKED[0].run(pairs_of([(3, 4)]), give_up)
    assert len(asked) == 2


def threads_of_a_new_thread() -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


@pytest.fixture
def three_threads() -> Iterator[None]:
    """Let this thread and all new ones begin with 3, whatever earlier tests left."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_one_thread_for_a_lane_leaves_the_threads_of_others_as_they_were() -> None:
    def lane() -> tuple[int, int]:
        packed.one_thread_each()
        return torch.get_num_threads(), threads_of_a_new_thread()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lane).result() == (1, 3)
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_lanes_that_begin_together_leave_the_threads_of_others_as_they_were() -> None:
    lanes = 8
    for _ in range(20):
        together = threading.Barrier(lanes)

        def lane(together: threading.Barrier = together) -> int:
            together.wait()
            packed.one_thread_each()
            return torch.get_num_threads()

        with ThreadPoolExecutor(lanes) as pool:
            seen = [pool.submit(lane) for _ in range(lanes)]
        assert {each.result() for each in seen} == {1}
        assert threads_of_a_new_thread() == 3
