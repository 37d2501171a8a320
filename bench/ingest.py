"""How fast documents become searchable, beside LlamaIndex and Haystack.

    python -m bench.ingest EVAL/squad_dev EVAL/medquad_heldout --documents 2000 \
        --venvs VENVS --markdown docs/benchmarks.md

Ours is the whole product: ``manage.py ingest`` reads files from disk, hashes and stores them, the
worker parses each in a limited program, cuts, weighs, embeds and indexes it for both ways of
search. The others get the very chunks that came out of that, ready in one file; their clock runs
from reading it to the last insert. All use the same weights and one PostgreSQL, one after another.
Models are loaded, and a few documents taken in, before any clock runs.

Each environment is a folder of VENVS (``llamaindex``, ``haystack``); how to make them is in
``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from bench.fault_stack import ROOT, FaultStack
from bench.pages import write_part, yes
from bench.peak import Peak
from inference.base_model import base_model_path
from inference.formatting import format_passage
from qa.beir import read_test_set
from qa.origins import commit_of, machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TARGET = 2.0
BATCH = 32
WARM_UP = 8
POLL_S = 0.1
RIVALS = ("llamaindex", "haystack")
PACKAGES = {
    "llamaindex": (
        "llama-index-core llama-index-vector-stores-postgres llama-index-embeddings-huggingface"
    ),
    "haystack": "haystack-ai pgvector-haystack sentence-transformers-haystack",
}
_CHUNKS = """
    SELECT chunk.id, chunk.document_id, document.title, chunk.heading_path, chunk.text
    FROM documents_chunk chunk
    JOIN documents_document document ON document.id = chunk.document_id
    JOIN documents_documentversion version ON version.id = chunk.version_id
    WHERE version.filename LIKE %s
    ORDER BY chunk.document_id, chunk.ordinal
"""
_TIMES = """
    SELECT count(*) FILTER (WHERE state = 'ready'),
        count(*) FILTER (WHERE state IN ('failed', 'cancelled')),
        extract(epoch FROM max(finished_at) - min(created_at))
    FROM documents_documentversion WHERE filename LIKE %s
"""
_NEAREST = """
    SELECT chunk_id FROM documents_chunkembedding
    ORDER BY embedding <=> (SELECT embedding FROM documents_chunkembedding WHERE chunk_id = %s)
    LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One contestant's run."""

    name: str
    chunks: int
    seconds: float
    last_is_found: bool
    """Whether the chunk that came last is what a search for its own words finds first."""
    peak_mib: float
    """Of its processes together; PostgreSQL's not counted."""

    @property
    def per_second(self) -> float:
        return self.chunks / self.seconds


def draw(folders: Sequence[Path], count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Names and texts of ``count`` files, as many of each corpus, in turn, no text twice."""
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    each = -(-count // len(folders))
    corpora = []
    for folder in folders:
        entries = sorted(read_test_set(folder).corpus, key=lambda entry: entry.key)
        corpora.append((folder.name, chance.sample(entries, min(each, len(entries)))))
    seen = set()
    drawn = 0
    for turn in range(each):
        for name, entries in corpora:
            if drawn == count or turn >= len(entries):
                continue
            text = f"{entries[turn].title}\n\n{entries[turn].text}".strip()
            if text and text not in seen:
                seen.add(text)
                drawn += 1
                yield f"{name}-{turn:05}.txt", f"{text}\n"


def measure_ours(stack: FaultStack, folder: Path, prefix: str) -> Figures:
    """Take the folder in. Raises ``RuntimeError`` when a document fails."""
    expected = sum(1 for _ in folder.iterdir())
    feeding = stack.ingest(folder)
    with (
        Peak([*stack.pids("worker"), feeding.pid]) as peak,
        psycopg.connect(stack.database, autocommit=True) as link,
    ):
        ready = -1
        while feeding.poll() is None or ready < expected:
            time.sleep(POLL_S)
            ready, failed, seconds = _row(link, _TIMES, f"{prefix}%")
            if failed or feeding.poll() not in (None, 0):
                raise RuntimeError(f"{failed} documents failed; see {stack.state}")
        chunks = link.execute(_CHUNKS, [f"{prefix}%"]).fetchall()
        (nearest,) = _row(link, _NEAREST, chunks[-1][0])
    return Figures(
        f"Ragsite {commit_of(ROOT)}",
        len(chunks),
        float(seconds),
        nearest == chunks[-1][0],
        peak.mib,
    )


def export(database: str, prefix: str, file: Path) -> None:
    """The chunks of our run as one line of JSON each: the text is what we embedded."""
    with psycopg.connect(database) as link, file.open("w", encoding="utf-8") as lines:
        for pk, document, title, headings, text in link.execute(_CHUNKS, [f"{prefix}%"]):
            chunk = {
                "id": str(pk),
                "document": str(document),
                "text": format_passage(title, tuple(headings), text),
            }
            lines.write(json.dumps(chunk, ensure_ascii=False) + "\n")


def measure_rival(
    name: str, python: Path, stack: FaultStack, chunks: Path, warm_up: Path
) -> Figures:
    """One of ``RIVALS`` in its own environment, into a database of its own."""
    with psycopg.connect(stack.database, autocommit=True) as link:
        link.execute(f'CREATE DATABASE "{name}"')
        sockets = link.info.host
    command = [
        str(python),
        str(ROOT / "bench" / "rivals" / f"with_{name}.py"),
        *(str(chunks), str(warm_up), sockets, name, str(base_model_path()), str(BATCH)),
    ]
    quiet = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    process = subprocess.Popen(  # noqa: S603 - our own program, no shell
        command, stdout=subprocess.PIPE, env={**os.environ, **quiet}, text=True
    )
    with Peak([process.pid]) as peak:
        output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} ended with {process.returncode}")
    said: dict[str, Any] = json.loads(output.splitlines()[-1])
    return Figures(**said, peak_mib=peak.mib)


def run(arguments: argparse.Namespace, state: Path) -> list[Figures]:
    """All contestants, ours first."""
    files, first = state / "files", state / "first"
    for folder in (files, first):
        folder.mkdir()
    drawn = list(draw(arguments.sets, arguments.documents + WARM_UP, arguments.seed))
    for number, (name, text) in enumerate(drawn):
        folder, prefix = (first, "warm") if number < WARM_UP else (files, "bench")
        (folder / f"{prefix}-{name}").write_text(text, encoding="utf-8")
    with FaultStack(state / "stack", arguments.concurrency, "minilm") as stack:
        measure_ours(stack, first, "warm-")
        found = [measure_ours(stack, files, "bench-")]
        stack.stop_workers()
        chunks, warm_up = state / "chunks.jsonl", state / "warm.jsonl"
        export(stack.database, "bench-", chunks)
        export(stack.database, "warm-", warm_up)
        for name in RIVALS:
            python = arguments.venvs / name / "bin" / "python"
            if python.exists():
                found.append(measure_rival(name, python, stack, chunks, warm_up))
        return found


def markdown(result: Mapping[str, Any], command: str) -> str:
    """The part of the page that tells a result, as ``main`` makes it."""
    ours, *rivals = result["contestants"]
    lines = [
        "## Taking documents in",
        "",
        "```",
        command,
        "```",
        "",
        f"Commit {result['commit']}; {result['processor']}, {result['cores']} cores; load before: "
        f"{result['load']}; processes for documents: {result['concurrency']}.",
        "",
        f"{result['documents']} text files, from {', '.join(result['sets'])}, from disk to the "
        f"last chunk searchable: {ours['chunks']} chunks. Ragsite does the whole job; the others "
        f"get its chunks ready cut, embed them by the same weights in batches of {BATCH}, and "
        "insert them in bulk by their own pgvector stores. Models were loaded before. Memory is "
        "that of all processes of each together, without PostgreSQL.",
        "",
        "| | chunks a second | seconds | peak memory, MiB | last chunk found |",
        "|---|---:|---:|---:|---|",
    ]
    lines += [
        f"| {c['name']} | {c['chunks'] / c['seconds']:.1f} | {c['seconds']:.1f} "
        f"| {c['peak_mib']:.0f} | {yes(c['last_is_found'])} |"
        for c in result["contestants"]
    ]
    if rivals:
        fastest = max(rivals, key=lambda each: each["chunks"] / each["seconds"])
        ratio = ours["chunks"] / ours["seconds"] / (fastest["chunks"] / fastest["seconds"])
        lines += [
            "",
            f"- {ratio:.2f} times the chunks a second of {fastest['name']}, the faster one; "
            f"at least {TARGET:g} times: {yes(ratio >= TARGET)}.",
        ]
    lines += [
        "",
        "The environments of the others: `python -m venv VENVS/NAME`, and by its pip:",
        "",
    ]
    lines += [
        *(
            f"- `{name}`: torch, sentence-transformers, transformers of our versions, {packages}"
            for name, packages in PACKAGES.items()
        ),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path, help="folders in the BEIR layout")
    parser.add_argument("--documents", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=1, help="processes for documents")
    parser.add_argument("--venvs", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    before = machine()
    state = Path(tempfile.mkdtemp(prefix="ragsite-ingest-"))
    try:
        found = run(arguments, state)
    except BaseException:
        print(f"What it left is in {state}.", file=sys.stderr)
        raise
    shutil.rmtree(state)
    result = {
        **{key: before[key] for key in ("processor", "cores", "instructions", "load")},
        "commit": commit_of(ROOT),
        "documents": arguments.documents,
        "concurrency": arguments.concurrency,
        "sets": [folder.name for folder in arguments.sets],
        "contestants": [asdict(each) for each in found],
    }
    part = markdown(result, "python -m bench.ingest " + " ".join(sys.argv[1:]))
    print(part)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    if arguments.markdown:
        write_part(arguments.markdown, "bench.ingest", part)


def _row(link: psycopg.Connection[Any], query: str, *values: object) -> tuple[Any, ...]:
    row = link.execute(query, values).fetchone()
    return () if row is None else tuple(row)


if __name__ == "__main__":
    main()
