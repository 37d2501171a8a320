from __future__ import annotations

import pytest
import torch

from inference.pair_weights import PairShape
from training.pair_scorer import PairScorer

TINY = {"words": 40, "width": 24, "heads": 4, "inner": 32, "layers": 3, "positions": 32}


def tiny(**changes: int) -> PairScorer:
    torch.manual_seed(5)
    network = PairScorer(PairShape(**{**TINY, **changes})).eval()
    torch.nn.init.normal_(network.segment)
    return network


def pair(question: list[int], passage: list[int], length: int = 0) -> tuple[torch.Tensor, ...]:
    """One padded row: ids, segments, mask."""
    used = len(question) + len(passage)
    padding = max(0, length - used)
    ids = [*question, *passage, *[0] * padding]
    segments = [0] * len(question) + [1] * len(passage) + [0] * padding
    mask = [1] * used + [0] * padding
    return tuple(torch.tensor([row]) for row in (ids, segments, mask))


@pytest.mark.parametrize("apart", [0, 1, 3])
def test_padding_changes_no_score(apart: int) -> None:
    network = tiny(apart=apart)
    torch.nn.init.normal_(network.head.weight)
    alone = network(*pair([1, 5, 6, 2], [7, 8, 9, 2]))
    padded = network(*pair([1, 5, 6, 2], [7, 8, 9, 2], length=20))
    assert torch.allclose(alone, padded, atol=1e-4)


def test_a_fresh_network_scores_by_the_agreement_of_question_and_passage() -> None:
    network = tiny()
    row = pair([1, 5, 6, 2], [7, 8, 9, 2])
    question, passage = network.means(*row)
    agreement = torch.cosine_similarity(question, passage)
    assert torch.allclose(network(*row), network.scale * agreement)


def test_a_question_is_read_alone_while_the_layers_are_apart() -> None:
    network = tiny(apart=3)
    one, _ = network.means(*pair([1, 5, 6, 2], [7, 8, 9, 2]))
    other, _ = network.means(*pair([1, 5, 6, 2], [11, 12, 2]))
    assert torch.allclose(one, other, atol=1e-5)


def test_a_question_sees_the_passage_once_the_layers_are_joined() -> None:
    network = tiny(apart=2)
    one, _ = network.means(*pair([1, 5, 6, 2], [7, 8, 9, 2]))
    other, _ = network.means(*pair([1, 5, 6, 2], [11, 12, 2]))
    assert not torch.allclose(one, other, atol=1e-5)


def test_rows_of_added_characters_follow_the_vocabulary() -> None:
    network = tiny(added=3)
    found = network.embedded(torch.tensor([[39, 40, 42]]))
    assert torch.equal(found[0, 0], network.words.weight[39])
    assert torch.equal(found[0, 1], network.added.weight[0])
    assert torch.equal(found[0, 2], network.added.weight[2])
