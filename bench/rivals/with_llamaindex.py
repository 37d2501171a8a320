"""Chunks into LlamaIndex's pgvector store: run by ``bench.ingest`` where LlamaIndex is installed.

``VectorStoreIndex`` embeds and inserts, as its documentation shows it, in its own batches.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.postgres import PGVectorStore


def nodes_of(file: Path) -> list[TextNode]:
    return [
        TextNode(
            id_=chunk["id"],
            text=chunk["text"],
            metadata={"document": chunk["document"]},
            # Or it would be embedded with the text, which then was not the same.
            excluded_embed_metadata_keys=["document"],
        )
        for chunk in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]


def main(chunks: str, warm_up: str, sockets: str, database: str, model: str, batch: str) -> None:
    embedder = HuggingFaceEmbedding(model_name=model, embed_batch_size=int(batch), device="cpu")
    place = f"://ragsite@/{database}?host={sockets}"
    store = PGVectorStore.from_params(
        connection_string=f"postgresql+psycopg2{place}",
        async_connection_string=f"postgresql+asyncpg{place}",
        table_name="chunks",
        embed_dim=384,
    )

    def index(nodes: list[TextNode]) -> Any:
        storage = StorageContext.from_defaults(vector_store=store)
        return VectorStoreIndex(nodes, storage_context=storage, embed_model=embedder)

    index(nodes_of(Path(warm_up)))
    began = time.perf_counter()
    nodes = nodes_of(Path(chunks))
    made = index(nodes)
    seconds = time.perf_counter() - began
    (found,) = made.as_retriever(similarity_top_k=1).retrieve(nodes[-1].text)
    result = {
        "name": f"LlamaIndex {version('llama-index-core')}",
        "chunks": len(nodes),
        "seconds": seconds,
        "last_is_found": found.text == nodes[-1].text,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
