"""What the tables hold, read with SQL of our own: the product is not asked about itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """Counts over all documents at the end of a run."""

    documents: int
    ready: int
    """Documents whose one version is ready and is the one that is searched."""
    versions: int
    chunks: int
    duplicates: int
    """Chunks with the place or the text of another of the same document."""
    missing: int
    """Chunks that a version says it has and that are not there, or the other way round."""
    without_vector: int
    lost_words: int
    """Sections of the files that no chunk of their document holds."""
    strange_words: int
    """Sections that a chunk of another document holds."""
    attempts: int
    losses: int
    """Stages that a lost worker left."""
    postponements: int
    """Stages that something that was away cut short."""
    leftovers: int
    """Programs that outlived their worker."""

    def lines(self) -> list[tuple[str, int]]:
        """Name and value, for a table."""
        return [
            ("documents", self.documents),
            ("ready, once each", self.ready),
            ("passages", self.chunks),
            ("passages twice", self.duplicates),
            ("passages missing or too many", self.missing),
            ("passages without a vector", self.without_vector),
            ("sections not found, or in another document", self.lost_words + self.strange_words),
            ("programs left over", self.leftovers),
            ("attempts", self.attempts),
            ("stages that a lost worker left", self.losses),
            ("stages cut short by what was away", self.postponements),
        ]

    def faults(self, expected: int) -> Iterator[str]:
        """What is not as it should be, when so many files were taken in."""
        if self.documents != expected or self.versions != expected:
            yield f"{self.documents} documents with {self.versions} versions of {expected} files"
        if self.ready != expected:
            yield f"{expected - self.ready} documents are not ready"
        for count, words in (
            (self.duplicates, "passages are there twice"),
            (self.missing, "passages are missing or too many"),
            (self.without_vector, "passages have no vector"),
            (self.lost_words, "sections are in no passage of their document"),
            (self.strange_words, "sections are in another document"),
            (self.leftovers, "programs outlived their worker"),
        ):
            if count:
                yield f"{count} {words}"


def progress(database: str) -> tuple[int, int]:
    """How many versions are ready, and how many not final. Waits for a database that is away."""
    ((ready, unfinished),) = _ask(
        database,
        "SELECT count(*) FILTER (WHERE state = 'ready'),"
        " count(*) FILTER (WHERE state NOT IN ('ready', 'failed', 'cancelled'))"
        " FROM documents_documentversion",
    )
    return ready, unfinished


def worker_in_hand(database: str) -> int | None:
    """Process id of a worker that has a document in hand now, if one has."""
    found = _ask(
        database,
        "SELECT worker FROM documents_documentversion"
        " WHERE state IN ('parsing', 'chunking', 'embedding')"
        " ORDER BY started_at DESC LIMIT 1",
    )
    return number_of(found[0][0]) if found else None


def number_of(worker: str) -> int | None:
    """The process id in a worker's name: ``host:123``, whatever follows."""
    number = worker.partition(" ")[0].rpartition(":")[2]
    return int(number) if number.isdecimal() else None


def look(database: str, markers: Mapping[str, set[str]], *, leftovers: int) -> Found:
    """Count. ``markers`` are the words that each file, by its name, holds and no other does."""
    ((documents, versions, ready, attempts),) = _ask(
        database,
        "SELECT count(DISTINCT d.id), count(v.id),"
        " count(*) FILTER (WHERE v.state = 'ready' AND d.current_version_id = v.id),"
        " coalesce(sum(v.attempt), 0)::bigint"
        " FROM documents_document d JOIN documents_documentversion v ON v.document_id = d.id",
    )
    ((losses, postponements),) = _ask(
        database,
        "SELECT count(*) FILTER (WHERE error_code = 'lost'),"
        " count(*) FILTER (WHERE error_code NOT IN ('', 'lost'))"
        " FROM documents_processingstage",
    )
    ((missing,),) = _ask(
        database,
        "SELECT coalesce(sum(abs(coalesce((v.metadata->>'passages')::int, 0)"
        " - (SELECT count(*) FROM documents_chunk c WHERE c.document_id = v.document_id))), 0)"
        "::bigint FROM documents_documentversion v",
    )
    ((without_vector,),) = _ask(
        database,
        "SELECT count(*) FROM documents_chunk c WHERE NOT EXISTS"
        " (SELECT 1 FROM documents_chunkembedding e WHERE e.chunk_id = c.id)",
    )
    chunks = _ask(
        database,
        "SELECT v.filename, c.document_id, c.ordinal, c.text FROM documents_chunk c"
        " JOIN documents_documentversion v ON v.id = c.version_id",
    )
    lost, strange = misplaced([(name, text) for name, _, _, text in chunks], markers)
    return Found(
        documents=documents,
        ready=ready,
        versions=versions,
        chunks=len(chunks),
        duplicates=2 * len(chunks)
        - len({(document, ordinal) for _, document, ordinal, _ in chunks})
        - len({(document, text) for _, document, _, text in chunks}),
        missing=missing,
        without_vector=without_vector,
        lost_words=lost,
        strange_words=strange,
        attempts=attempts,
        losses=losses,
        postponements=postponements,
        leftovers=leftovers,
    )


def misplaced(
    chunks: Sequence[tuple[str, str]], markers: Mapping[str, set[str]]
) -> tuple[int, int]:
    """How many markers no chunk of their file holds, and how many a chunk of another file does."""
    everywhere = set().union(*markers.values())
    found: dict[str, set[str]] = {name: set() for name in markers}
    for name, text in chunks:
        found.setdefault(name, set()).update(everywhere.intersection(text.split()))
    lost = sum(len(words - found[name]) for name, words in markers.items())
    strange = sum(len(words - markers.get(name, set())) for name, words in found.items())
    return lost, strange


def _ask(database: str, query: LiteralString) -> list[tuple[Any, ...]]:
    """The rows of a query, asked again for a minute while the database is away."""
    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            with psycopg.connect(database, connect_timeout=5) as link:
                return link.execute(query).fetchall()
        except psycopg.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.2)
