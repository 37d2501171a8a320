"""Hostile and broken files through the whole of ingestion: how does each end?

    python -m bench.badfiles ../shared/data/badfiles.tar.gz \
        --index ../shared/data/badfiles_index.jsonl --markdown docs/hostile-files.md

A stack of its own takes every file as an upload. Each has to end ready, or failed or refused with
a sentence and a remedy of its own, within its limits, with one and the same worker alive all the
while, and with no program left over. Ends with 1 when something is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.fault_stack import BASE, ROOT, FaultStack
from bench.fault_tables import progress
from qa.origins import commit_of, machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LIMIT_S = 75.0
"""Reading is stopped after 60 s; starting a program and ending it take a little, too."""
POLL_S = 2.0
_GOOD = frozenset({"ready", "done"})
_BAD = frozenset({"failed", "refused"})


@dataclass(frozen=True, slots=True)
class Ended:
    """How one file ended. ``seconds`` is how long it was read, 0 when the upload was refused."""

    file: str
    category: str
    note: str
    state: str
    code: str
    sentence: str
    remedy: str
    seconds: float
    passages: int
    lost: int
    is_whole: bool
    inside: tuple[Mapping[str, str], ...] = ()
    """Of an archive: outcome, code, sentence and remedy of each file in it."""

    @property
    def became(self) -> str:
        """The state, and for an archive what became of the files in it."""
        counts = Counter(each["code"] or each["outcome"] for each in self.inside)
        files = ", ".join(f"{count} {what}" for what, count in counts.items())
        return f"{self.state}: {files}" if files else self.state

    def faults(self) -> Iterator[str]:
        """What should not be, in words."""
        if self.state not in _GOOD | _BAD:
            yield f"{self.file} is {self.state} at the end"
        if self.state in _BAD and not (self.sentence and self.remedy):
            yield f"{self.file} ends with {self.code!r}, which has no words of its own"
        for each in self.inside:
            if each["outcome"] == "waiting" or (each["code"] and not each["remedy"]):
                yield f"a file in {self.file} is {each['outcome']} with {each['code']!r}"
        if self.state in _BAD and self.passages:
            yield f"{self.file} failed and has passages"
        if not self.is_whole:
            yield f"{self.file} has another number of passages than its version says"
        if self.seconds > LIMIT_S:
            yield f"{self.file} was read for {self.seconds:.0f} s"
        if self.lost:
            yield f"{self.file} took a worker with it"


def unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")


def described(index: Path) -> dict[str, tuple[str, str]]:
    """Category and note by file name, from JSON lines with ``file``, ``category``, ``note``."""
    rows = [json.loads(line) for line in index.read_text(encoding="utf-8").splitlines() if line]
    return {row["file"]: (row["category"], row["note"]) for row in rows}


def run(stack: FaultStack, folder: Path, index: Mapping[str, tuple[str, str]]) -> list[Ended]:
    """Upload all, wait until nothing waits any more, and look. Raises ``TimeoutError``."""
    module = "import bench.badfiles_rows as rows; rows."
    taken: dict[str, Any] = stack.shell(f"{module}take({str(folder)!r}, {BASE!r})")
    give_up_at = time.monotonic() + LIMIT_S * len(taken)
    while left := progress(stack.database)[1] or stack.shell(f"{module}unfinished()"):
        stack.note_programs()
        if time.monotonic() > give_up_at:
            message = f"{left} files are not final"
            raise TimeoutError(message)
        time.sleep(POLL_S)
    found: dict[str, dict[str, Any]] = stack.shell(f"{module}results({taken!r})")
    ended = []
    for name, values in found.items():
        category, note = index.get(Path(name).name, ("", ""))
        values["inside"] = tuple(values.get("inside", ()))
        ended.append(Ended(name, category, note, **{"lost": 0, "is_whole": True, **values}))
    return sorted(ended, key=lambda each: (each.category, each.file))


def faults(ended: Sequence[Ended], *, leftovers: int, is_alive: bool) -> list[str]:
    """What is not as it should be, over all."""
    wrong = [fault for each in ended for fault in each.faults()]
    if leftovers:
        wrong.append(f"{leftovers} programs were left over")
    if not is_alive:
        wrong.append("the worker did not live through all of it")
    return wrong


def markdown(ended: Sequence[Ended], wrong: Sequence[str], given: argparse.Namespace) -> str:
    counts = Counter("ready" if each.state in _GOOD else each.state for each in ended)
    words = {each.code: (each.sentence, each.remedy) for each in ended if each.code}
    words |= {
        file["code"]: (file["sentence"], file["remedy"])
        for each in ended
        for file in each.inside
        if file["code"]
    }
    rows = [
        f"| {_cell(each.file)} | {each.category} | {_cell(each.note)} | {each.became} "
        f"| {each.code} | {each.passages} | {each.seconds:.1f} |"
        for each in ended
    ]
    return "\n".join(
        [
            "# Hostile files",
            "",
            "Made by a command; do not edit by hand:",
            "",
            "```",
            f"python -m bench.badfiles {given.files} --index {given.index}"
            f" --markdown {given.markdown or 'docs/hostile-files.md'}",
            "```",
            "",
            f"Commit {commit_of(ROOT)}, on {machine()['processor']}. {len(ended)} files from the"
            " test corpora of well-known parsers, each uploaded as a person would: "
            + ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
            + ". Refused files never reach a worker. The longest was read for"
            f" {max((each.seconds for each in ended), default=0.0):.1f} s.",
            "",
            "Every file ends with a state and, where it is not ready, with a sentence and a remedy;"
            " one worker lived through all of them, and no program was left over."
            if not wrong
            else "Wrong:",
            *(f"- {each}" for each in wrong),
            "",
            "## What people are told",
            "",
            "| code | sentence | remedy |",
            "|---|---|---|",
            *(f"| {code} | {said} | {remedy} |" for code, (said, remedy) in sorted(words.items())),
            "",
            "## Files",
            "",
            "| file | class | what it is | ends | code | passages | seconds |",
            "|---|---|---|---|---|---:|---:|",
            *rows,
            "",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("files", type=Path, help="a folder, or an archive of one (tar)")
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--embedder", default="fake", help="by name; vectors are not tried here")
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ragsite-badfiles-") as place:
        folder = given.files
        if not folder.is_dir():
            folder = Path(place) / "files"
            unpack(given.files, folder)
        with FaultStack(Path(place) / "state", 1, given.embedder) as stack:
            ended = run(stack, folder, described(given.index))
            is_alive = stack.is_alive
            stack.stop_workers()
            wrong = faults(ended, leftovers=stack.leftovers(), is_alive=is_alive)
    written = markdown(ended, wrong, given)
    if given.markdown:
        given.markdown.write_text(written, encoding="utf-8")
    sys.stdout.write(written)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
