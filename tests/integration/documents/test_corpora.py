from __future__ import annotations

from typing import TYPE_CHECKING

from documents import corpora
from documents.chunking import count_tokens
from documents.indexing import index_passages
from documents.models import Chunk, Document, DocumentVersion, IndexGeneration, ParsedText

if TYPE_CHECKING:
    import pytest

    from documents.models import KnowledgeBase


def test_each_passage_becomes_a_ready_document(knowledge_base: KnowledgeBase) -> None:
    count = index_passages(knowledge_base, [("a-1", "Sleep", "Go to bed early."), ("b", "", "Tea")])
    assert count == 2
    version = DocumentVersion.objects.get(metadata__external_id="a-1")
    assert version.state == DocumentVersion.State.READY
    assert version.document.title == "Sleep"
    assert version.document.current_version == version
    assert version.chunks.get().text == "Go to bed early."
    assert version.chunks.get().embeddings.count() == 1
    assert ParsedText.objects.get(version=version).text == "Go to bed early."
    assert DocumentVersion.objects.get(metadata__external_id="b").document.title == "b"


def test_a_long_passage_is_cut_as_the_product_cuts(knowledge_base: KnowledgeBase) -> None:
    text = " ".join(f"Sentence number {n} says a little." for n in range(200))
    index_passages(knowledge_base, [("long", "Long", text)])
    chunks = list(Chunk.objects.order_by("ordinal"))
    assert len(chunks) > 3
    budget = IndexGeneration.objects.get().chunk_max_tokens
    assert all(count_tokens(chunk.text) <= budget for chunk in chunks)
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)


def test_batches_join_up_and_progress_is_told(
    knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpora, "DOCUMENTS_PER_TRANSACTION", 3)
    heard: list[int] = []
    passages = ((str(n), "", f"text {n}") for n in range(8))
    assert index_passages(knowledge_base, passages, on_progress=heard.append) == 8
    assert heard == [3, 6, 8]
    for chunk in Chunk.objects.select_related("version"):
        assert chunk.text == f"text {chunk.version.metadata['external_id']}"


def test_statistics_are_counted_at_the_end(knowledge_base: KnowledgeBase) -> None:
    index_passages(knowledge_base, [(str(n), "", f"text {n}") for n in range(8)])
    generation = IndexGeneration.objects.get()
    assert generation.chunk_count == 8
    assert generation.average_length == 2


def test_what_postgres_cannot_store_is_taken_out(knowledge_base: KnowledgeBase) -> None:
    index_passages(knowledge_base, [("nul", "Ti\x00tle", "before\x00after")])
    assert Chunk.objects.get().text == "before after"
    assert Document.objects.get().title == "Ti tle"


def test_a_title_alone_is_kept_and_nothing_at_all_is_left_out(
    knowledge_base: KnowledgeBase,
) -> None:
    assert index_passages(knowledge_base, [("t", "Only a title", ""), ("n", "", " ")]) == 1
    assert Chunk.objects.get().text == "Only a title"
