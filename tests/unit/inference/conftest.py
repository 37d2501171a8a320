"""Tiny models with random weights: the whole library path in milliseconds, no download."""

from __future__ import annotations

from pathlib import Path

import pytest

WORDS = ("how can i sleep better dim the lights and rest a lot of fruit has sugar warm up").split()  # noqa: SIM905 -- a list of twenty words reads worse

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(WORDS)), ".", "?", ">"]


def save_bert(folder: Path, *, head: bool) -> None:
    """A one-layer BERT of 16 dimensions with the vocabulary above, seeded."""
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        BertModel,
        BertTokenizer,
    )

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    config.num_labels = 1
    network = BertForSequenceClassification(config) if head else BertModel(config)
    network.save_pretrained(folder)
    tokenizer = BertTokenizer(vocab=str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="session")
def tiny_embedder_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sentence-transformers bi-encoder with prompts of its own."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    bert, folder = (tmp_path_factory.mktemp(name) for name in ("bert", "embedder"))
    save_bert(bert, head=False)
    network = SentenceTransformer(
        modules=[Transformer(str(bert)), Pooling(16)],
        prompts={"query": "how can ", "document": "the "},
    )
    network.save(str(folder))
    return str(folder)


@pytest.fixture(scope="session")
def tiny_reranker_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cross-encoder with one logit."""
    folder = tmp_path_factory.mktemp("reranker")
    save_bert(folder, head=True)
    return str(folder)
