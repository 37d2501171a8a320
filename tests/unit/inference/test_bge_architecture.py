"""The architecture of BAAI/bge-reranker-v2-m3, tiny and with random weights, from a folder.

The real one is 2.3 GB. What it takes to load and run it is the same: an XLM-RoBERTa for sequence
classification with one label, a Unigram tokenizer over pieces, no token types, and positions that
start after the padding index.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from inference import conf
from inference.conf import RerankerSpec
from inference.errors import ModelUnavailable
from inference.local import LocalReranker

QUESTION = "怎样才能睡得更好"
PASSAGES = ["睡前不要喝咖啡。" * 12, "how can i sleep better?", "sleep apnea", "水果含糖"]
WORDS = ["▁sleep", "▁how", "▁can", "▁i", "▁better", "▁apnea", "睡", "怎样", "才能", "更好", "▁"]
CHARACTERS = "abcdefghijklmnopqrstuvwxyz得不要喝咖啡前水果含糖。?▁"
LONGEST = 48


@pytest.fixture(scope="session")
def tiny_bge(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import (
        PreTrainedTokenizerFast,
        XLMRobertaConfig,
        XLMRobertaForSequenceClassification,
    )

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(token, 0.0) for token in special]
    pieces += [(word, -2.0) for word in WORDS]
    pieces += [(letter, -5.0) for letter in CHARACTERS if letter not in WORDS]
    pieces.append(("<mask>", 0.0))
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    folder = tmp_path_factory.mktemp("tiny-bge")
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        cls_token="<s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=LONGEST,
    ).save_pretrained(folder)
    config = XLMRobertaConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LONGEST + 2,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        # Wide enough that passages differ: random weights of the usual size give all of them 0.
        initializer_range=0.5,
    )
    config.num_labels = 1
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


def test_it_is_loaded_by_its_path_and_gives_a_logit_for_each_passage(
    tiny_bge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(conf, "_made", {})
    reranker = conf.get_reranker(RerankerSpec("local", model=tiny_bge, max_length=LONGEST))
    assert isinstance(reranker, LocalReranker)
    reranker.warm_up()
    scores = reranker.score(QUESTION, PASSAGES, time_limit_s=60.0)
    assert all(math.isfinite(score) for score in scores)
    assert len(set(scores)) == len(PASSAGES)
    assert not reranker.card.unit_scores


def test_a_passage_scores_the_same_alone_as_in_a_batch_of_other_lengths(tiny_bge: str) -> None:
    together = LocalReranker(tiny_bge, batch_tokens=10_000, max_length=LONGEST)
    alone = LocalReranker(tiny_bge, batch_tokens=1, max_length=LONGEST)
    assert together.score(QUESTION, PASSAGES, time_limit_s=60.0) == pytest.approx(
        alone.score(QUESTION, PASSAGES, time_limit_s=60.0), abs=0.05
    )


def test_a_passage_longer_than_the_model_reads_is_cut(tiny_bge: str) -> None:
    reranker = LocalReranker(tiny_bge, max_length=LONGEST)
    (score,) = reranker.score(QUESTION, ["how can i sleep " * 200], time_limit_s=60.0)
    assert math.isfinite(score)


def test_its_vocabulary_knows_chinese_and_says_what_it_does_not_know(tiny_bge: str) -> None:
    reranker = LocalReranker(tiny_bge, max_length=LONGEST)
    assert reranker.unknown_share(QUESTION) == 0.0
    assert reranker.unknown_share("ЖЖЖ睡") > 0.3


def test_a_model_that_is_not_on_this_machine_is_unavailable_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="bge-reranker-v2-m3"):
        LocalReranker("BAAI/bge-reranker-v2-m3").warm_up()
