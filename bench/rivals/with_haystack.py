"""Chunks into Haystack's pgvector store: run by ``bench.ingest`` where Haystack is installed.

The document embedder and ``write_documents``, as its documentation shows them.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from haystack import Document
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import ComponentDevice, Secret
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
)
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore


def documents_of(file: Path) -> list[Document]:
    return [
        Document(id=chunk["id"], content=chunk["text"], meta={"document": chunk["document"]})
        for chunk in map(json.loads, file.read_text(encoding="utf-8").splitlines())
    ]


def main(chunks: str, warm_up: str, sockets: str, database: str, model: str, batch: str) -> None:
    embedder = SentenceTransformersDocumentEmbedder(
        model=model,
        batch_size=int(batch),
        device=ComponentDevice.from_str("cpu"),
        progress_bar=False,
        normalize_embeddings=True,
    )
    if hasattr(embedder, "warm_up"):
        embedder.warm_up()
    store = PgvectorDocumentStore(
        connection_string=Secret.from_token(f"postgresql://ragsite@/{database}?host={sockets}"),
        embedding_dimension=384,
        table_name="chunks",
    )

    def write(documents: list[Document]) -> list[Document]:
        embedded: list[Document] = embedder.run(documents)["documents"]
        store.write_documents(embedded, policy=DuplicatePolicy.NONE)
        return embedded

    write(documents_of(Path(warm_up)))
    began = time.perf_counter()
    embedded = write(documents_of(Path(chunks)))
    seconds = time.perf_counter() - began
    last = embedded[-1]
    (found,) = store._embedding_retrieval(query_embedding=last.embedding or [], top_k=1)
    result = {
        "name": f"Haystack {version('haystack-ai')}",
        "chunks": len(embedded),
        "seconds": seconds,
        "last_is_found": found.content == last.content,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
