"""What our parsers find in real files, beside a yardstick and beside other libraries.

    python -m bench.parsers DOCS --index docs_index.jsonl --others VENV/bin/python \
        --record var/parsers --markdown docs/formats.md

Each file goes through the limited program as an upload would. The libraries that are only compared
are run one process a file by ``bench/extract_with.py``, under the interpreter that has them; their
results are kept in the folder of ``--record``, and asked for again only where they are missing.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.reference import found, reference_text, words
from documents.parsing.base import ParseError
from documents.parsing.registry import FORMATS, detect_media_type
from documents.parsing.runner import parse_file
from qa.origins import commit_of, machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "bench" / "extract_with.py"
TIME_LIMIT_S = 120
FALLBACK = {".doc": "kreuzberg", ".ppt": "kreuzberg", ".msg": "kreuzberg", ".rtf": "kreuzberg"}
"""Whose text is the reference where a format has no yardstick of its own; else markitdown's."""
GENERAL, FOR_PDF = ("ragsite", "kreuzberg", "markitdown"), ("pypdfium2", "pypdf")
LICENCES = {
    "ragsite": "Apache-2.0; under it MIT (calamine, python-docx), BSD (olefile, docutils, pdfium)",
    "kreuzberg": "MIT",
    "markitdown": "MIT",
    "pypdfium2": "BSD-3-Clause, Apache-2.0",
    "pypdf": "BSD-3-Clause",
}
POSITIONS = {
    "ragsite": "page, and box of each line",
    "kreuzberg": "no (text)",
    "markitdown": "no",
    "pypdfium2": "box of each character",
    "pypdf": "no",
}
LEAST_FOUND = 0.9
_FILLED = re.compile(r"\bNaN\b|Unnamed: \d+")
"""What markitdown puts into empty cells."""
COMMAND = (
    "python -m bench.parsers DOCS --index docs_index.jsonl --others VENV/bin/python "
    "--record var/parsers --markdown docs/formats.md"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One file by one tool. ``found`` and ``order`` are None where nothing is expected."""

    file: str
    format: str
    tool: str
    code: str
    """Why there is no text, ``""`` when there is."""
    characters: int
    found: float | None
    order: float | None
    seconds: float
    memory_mb: float


def compared(file: Path, tool: str, reference: str, result: Mapping[str, Any]) -> Reading:
    """A tool's result beside the reference; no text counts as nothing found."""
    text = result["text"]
    shares = found(reference, text) if words(reference) else (None, None)
    return Reading(
        file=file.name,
        format=file.suffix.lower().removeprefix("."),
        tool=tool,
        code=result["error"] or ("" if words(text) else "no_text"),
        characters=len(text),
        found=shares[0],
        order=shares[1],
        seconds=result["seconds"],
        memory_mb=result["memory_mb"],
    )


def by_program(file: Path) -> dict[str, Any]:
    """The file as an upload would be read; ``seconds`` with the program's start."""
    began = time.perf_counter()
    text = error = ""
    try:
        with file.open("rb") as opened:
            media_type = detect_media_type(file.name, opened.read(4096))
        text = parse_file(file, media_type).text
    except ParseError as caught:
        error = caught.code
    seconds = time.perf_counter() - began
    return {"text": text, "error": error, "seconds": seconds, "memory_mb": 0.0}


def by_library(file: Path, tool: str, python: str, record: Path) -> dict[str, Any]:
    """A library's result, from the record or made now."""
    out = record / f"{file.name}.{tool}.json"
    if tool == "ragsite":
        out.unlink(missing_ok=True)  # ours changes, theirs are of one version
    if not out.exists():
        command = [python, str(PROGRAM), tool, str(file), str(out)]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603 - our own arguments, no shell
                command, capture_output=True, timeout=TIME_LIMIT_S, check=False
            )
    if not out.exists():
        failed = {"text": "", "error": "crashed or timed out", "seconds": TIME_LIMIT_S}
        out.write_text(json.dumps({**failed, "memory_mb": 0.0}), encoding="utf-8")
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8", errors="surrogatepass"))
    return result


def versions(python: str) -> str:
    """The versions of the libraries that are compared, as that interpreter has them."""
    tools = [*GENERAL[1:], *FOR_PDF]
    script = (
        f"import importlib.metadata as m; print(', '.join(t + ' ' + m.version(t) for t in {tools}))"
    )
    asked = subprocess.run(  # noqa: S603 - our own arguments, no shell
        [python, "-c", script], capture_output=True, text=True, check=True
    )
    return asked.stdout.strip()


def per_format(readings: Iterable[Reading]) -> list[str]:
    """The rows of the first table: one for each ending."""
    groups: dict[str, list[Reading]] = {}
    for reading in readings:
        groups.setdefault(reading.format, []).append(reading)
    rows = []
    for name, group in sorted(groups.items()):
        failed = ", ".join(f"{r.file}: {r.code}" for r in group if r.code)
        seconds = statistics.median(r.seconds for r in group)
        ready = sum(not r.code for r in group)
        shares = f"{_mean(r.found for r in group)} | {_mean(r.order for r in group)}"
        rows.append(f"| {name} | {len(group)} | {ready} | {shares} | {seconds:.1f} | {failed} |")
    return rows


def per_tool(readings: Sequence[Reading], tools: Sequence[str]) -> list[str]:
    """The rows of a comparison, over the files in which something is to be found."""
    rows = []
    for tool in tools:
        group = [r for r in readings if r.tool == tool and r.found is not None]
        if not group:
            continue
        enough = sum((r.found or 0) >= LEAST_FOUND for r in group)
        memory = statistics.median(r.memory_mb for r in group)
        rows.append(
            f"| {tool} | {enough} of {len(group)} | {_mean(r.found for r in group)} "
            f"| {_mean(r.order for r in group)} | {sum(r.seconds for r in group):.1f} "
            f"| {memory:.0f} | {max(r.memory_mb for r in group):.0f} | {POSITIONS[tool]} "
            f"| {LICENCES[tool]} |"
        )
    return rows


def _mean(shares: Iterable[float | None]) -> str:
    known = [share for share in shares if share is not None]
    return f"{statistics.mean(known):.3f}" if known else "–"


def page(ours: Sequence[Reading], readings: Sequence[Reading], command: str, made: str) -> str:
    """The whole of ``docs/formats.md``."""
    endings = sorted(ending.removeprefix(".") for known in FORMATS for ending in known.extensions)
    unread = [r for r in ours if r.code == "unsupported"]
    read = [r for r in ours if r.code != "unsupported"]
    pdf = [r for r in readings if r.format == "pdf"]
    others = [r for r in readings if r.format != "pdf"]
    head = "| tool | files with 0.9 of the text | found | order | seconds | memory MiB, median |"
    comparison = [
        f"{head} largest | positions | licence |",
        "|---|---|---:|---:|---:|---:|---:|---|---|",
    ]
    return "\n".join(
        [
            "# Formats",
            "",
            "Made by a command; do not edit by hand:",
            "",
            "```",
            command,
            "```",
            "",
            made,
            "",
            f"Files ending in {', '.join(endings)} are read.",
            "",
            "## What is found",
            "",
            "Each file went through the limited program, as an upload does. `found` is the share "
            "of the words of a reference, `order` that of its pairs of neighbouring words, both "
            "as a mean over the files that have a reference; `seconds` is the median, with the "
            "start of the program. A table's rows name the column of each value, so its words "
            "have other neighbours than in the file. References: `bench/reference.py`; for DOC, "
            "PPT, MSG and RTF the text of kreuzberg, for XLS that of markitdown.",
            "",
            "| ending | files | read | found | order | seconds | not read |",
            "|---|---:|---:|---:|---:|---:|---|",
            *per_format(read),
            "",
            f"Of other types, refused at upload with a sentence: "
            f"{', '.join(sorted(r.file for r in unread)) or 'none'}.",
            "",
            "## Beside other libraries",
            "",
            "One process for each file, the whole text at once; seconds without the import. "
            "Results of others are kept between runs, so the seconds of two tools may be from "
            "times of different load: they tell orders of magnitude. "
            "Only files in which the reference has words. Where the reference is a tool's own "
            "text it finds all of it by definition; such files are left out here.",
            "",
            "PDF (the reference is the text layer in the order of the file, which is not the "
            "order of reading in two columns):",
            "",
            *comparison,
            *per_tool(pdf, (*GENERAL, *FOR_PDF)),
            "",
            "Everything else:",
            "",
            *comparison,
            *per_tool(others, GENERAL),
            "",
        ]
    )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("documents", type=Path)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--others", required=True, help="a Python that has the other libraries")
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(arguments)
    options.record.mkdir(parents=True, exist_ok=True)
    lines = options.index.read_text(encoding="utf-8").splitlines()
    entries = {entry["file"]: entry for entry in map(json.loads, lines)}
    ours, readings = [], []
    for file in sorted(options.documents.iterdir()):
        reference = reference_text(file, entries.get(file.name, {}))
        expected = reference
        if expected is None:
            fallback = FALLBACK.get(file.suffix.lower(), "markitdown")
            text = by_library(file, fallback, options.others, options.record)["text"]
            expected = _FILLED.sub("", text)
        ours.append(compared(file, "ragsite", expected, by_program(file)))
        print(ours[-1])
        if reference is None:
            continue
        tools = (*GENERAL, *(FOR_PDF if file.suffix == ".pdf" else ()))
        for tool in tools:
            python = sys.executable if tool == "ragsite" else options.others
            result = by_library(file, tool, python, options.record)
            readings.append(compared(file, tool, reference, result))
    host = machine()
    made = (
        f"Commit {commit_of(ROOT)}; {host['processor']}, {host['cores']} cores; "
        f"load at the end: {host['load']}. Compared with {versions(options.others)}."
    )
    text = page(ours, readings, COMMAND, made)
    print(text)
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
