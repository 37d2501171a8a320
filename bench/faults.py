"""Documents are processed while workers are killed and servers go away: what is left afterwards?

    python -m bench.faults --documents 300 --markdown docs/faults.md

A stack of its own in a folder of its own takes a folder of texts by ``manage.py ingest``. While it
works, workers are killed with SIGKILL (in turns the process that has a document in hand, and the
one above it), Redis is killed and comes back empty, and PostgreSQL is restarted, once in order and
once as after a crash. Faults are spread evenly over the documents that are ready. Nothing else is
done to the stack than what any supervisor does: a process that ended is started again.

At the end the tables are read with SQL of our own, and every document has to be ready exactly once
with each of its passages once. Ends with 1 when something is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.fault_stack import ROOT, FaultStack
from bench.fault_tables import Found, look, progress, worker_in_hand
from qa.origins import commit_of, machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Fault = Literal["kill the process at work", "kill the worker", "empty Redis", "restart PostgreSQL"]

SECTIONS = 6
WORDS = 70
POLL_S = 0.25
NO_CHANCE_S = 60.0
"""A kill waits so long for a document in hand; then it strikes the idle worker."""


@dataclass(frozen=True, slots=True)
class Plan:
    documents: int
    kills: int
    redis_restarts: int
    postgres_restarts: int
    concurrency: int
    seed: int


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was caused, ``at_s`` seconds after the first upload, with so many ready."""

    fault: Fault
    at_s: float
    ready: int


@dataclass(frozen=True, slots=True)
class Run:
    plan: Plan
    struck: tuple[Struck, ...]
    seconds: float
    found: Found
    embedder: str

    @property
    def faults(self) -> list[str]:
        """What is not as it should be, in words."""
        wrong = list(self.found.faults(self.plan.documents))
        left = len(schedule(self.plan)) - len(self.struck)
        if left:
            wrong.append(f"{left} faults were not caused: the run ended before")
        return wrong


def schedule(plan: Plan) -> list[tuple[int, Fault]]:
    """Which fault to cause once so many documents are ready: mixed by the seed, spread evenly."""
    kinds: list[Fault] = [
        "kill the process at work" if number % 2 == 0 else "kill the worker"
        for number in range(plan.kills)
    ]
    kinds += ["empty Redis"] * plan.redis_restarts
    kinds += ["restart PostgreSQL"] * plan.postgres_restarts
    random.Random(plan.seed).shuffle(kinds)  # noqa: S311 - an order, no secret
    return [
        (plan.documents * number // (len(kinds) + 1), kind) for number, kind in enumerate(kinds)
    ]


def marker(document: int, section: int) -> str:
    """A word that stands in one section of one document and nowhere else."""
    return f"mark{document:04}x{section}"


def texts(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Names and Markdown of so many documents, of the words of the sample documents."""
    words = [
        word
        for path in sorted((ROOT / "samples" / "health").glob("*.txt"))
        for word in path.read_text(encoding="utf-8").split()
    ]
    chance = random.Random(seed)  # noqa: S311 - texts to read, no secret
    for document in range(count):
        sections = []
        for section in range(SECTIONS):
            start = chance.randrange(len(words) - WORDS)
            body = " ".join(words[start : start + WORDS])
            sections.append(f"## Part {section}\n\n{marker(document, section)} {body}")
        yield f"{document:04}.md", f"# Document {document}\n\n" + "\n\n".join(sections) + "\n"


def run(plan: Plan, stack: FaultStack, *, limit_s: float, embedder: str) -> Run:
    """Take the documents in while faults are caused, and wait until nothing waits any more."""
    folder = stack.state / "texts"
    folder.mkdir(parents=True)
    for name, text in texts(plan.documents, plan.seed):
        (folder / name).write_text(text, encoding="utf-8")
    began = time.monotonic()
    feeding = stack.ingest(folder)
    struck: list[Struck] = []
    for threshold, fault in schedule(plan):
        if not _wait_for_ready(stack, threshold, began + limit_s):
            break
        _cause(stack, fault, first=not any(each.fault == fault for each in struck))
        ready = progress(stack.database)[0]
        struck.append(Struck(fault, round(time.monotonic() - began, 1), ready))
        _say(f"{struck[-1].at_s:7.1f} s, {ready} ready: {fault}")
    while time.monotonic() - began < limit_s:
        stack.keep_going()
        _ready, unfinished = progress(stack.database)
        if feeding.poll() is not None and not unfinished:
            break
        time.sleep(POLL_S)
    seconds = time.monotonic() - began
    stack.stop_workers()
    markers = {
        f"{document:04}.md": {marker(document, section) for section in range(SECTIONS)}
        for document in range(plan.documents)
    }
    found = look(stack.database, markers, leftovers=stack.leftovers())
    return Run(plan, tuple(struck), round(seconds, 1), found, embedder)


def _wait_for_ready(stack: FaultStack, threshold: int, give_up_at: float) -> bool:
    while time.monotonic() < give_up_at:
        stack.keep_going()
        if progress(stack.database)[0] >= threshold:
            return True
        time.sleep(POLL_S)
    return False


def _cause(stack: FaultStack, fault: Fault, *, first: bool) -> None:
    if fault == "empty Redis":
        stack.empty_redis()
    elif fault == "restart PostgreSQL":
        stack.restart_postgres(in_order=first)
    else:
        give_up_at = time.monotonic() + NO_CHANCE_S
        while (process := worker_in_hand(stack.database)) is None:
            if time.monotonic() > give_up_at:
                break
            stack.keep_going()
        if fault == "kill the worker" or process is None:
            stack.kill_worker()
        else:
            stack.kill_child(process)


# ---- the report ----------------------------------------------------------------------------------
def as_values(done: Run) -> dict[str, object]:
    return {
        "commit": commit_of(ROOT),
        "machine": machine(),
        **asdict(done),
        "faults": done.faults,
    }


def markdown(done: Run, values: Mapping[str, object]) -> str:
    plan, found = done.plan, done.found
    counts = {fault: sum(each.fault == fault for each in done.struck) for fault in _FAULTS}
    wrong = done.faults
    chosen = f" --embedder {done.embedder}" if done.embedder else ""
    lines = [
        "# Faults",
        "",
        "Made by a command; do not edit by hand:",
        "",
        "```",
        f"python -m bench.faults --documents {plan.documents} --kills {plan.kills}"
        f" --redis-restarts {plan.redis_restarts} --postgres-restarts {plan.postgres_restarts}"
        f" --concurrency {plan.concurrency} --seed {plan.seed}{chosen} --markdown docs/faults.md",
        "```",
        "",
        f"Commit {values['commit']}; embedder: {done.embedder or 'the default'};"
        f" {plan.concurrency} processes for documents. {plan.documents} documents of {SECTIONS}"
        " passages or more were taken in"
        f" {done.seconds:.0f} s, faults included.",
        "",
        "| fault | times |",
        "|---|---:|",
        *(f"| {fault} | {count} |" for fault, count in counts.items()),
        "",
        "| afterwards | |",
        "|---|---:|",
        *(f"| {name} | {value} |" for name, value in found.lines()),
        "",
        "Everything is as it should be, without a manual step." if not wrong else "Wrong:",
        *(f"- {each}" for each in wrong),
        "",
    ]
    return "\n".join(lines)


_FAULTS: tuple[Fault, ...] = (
    "kill the process at work",
    "kill the worker",
    "empty Redis",
    "restart PostgreSQL",
)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--redis-restarts", type=int, default=3)
    parser.add_argument("--postgres-restarts", type=int, default=2)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-min", type=float, default=60.0)
    parser.add_argument("--embedder", default="", help="by name; by default the product's own")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args(arguments)
    plan = Plan(
        given.documents,
        given.kills,
        given.redis_restarts,
        given.postgres_restarts,
        given.concurrency,
        given.seed,
    )
    with (
        tempfile.TemporaryDirectory(prefix="ragsite-faults-") as folder,
        FaultStack(Path(folder), plan.concurrency, given.embedder) as stack,
    ):
        done = run(plan, stack, limit_s=given.limit_min * 60, embedder=given.embedder)
    values = as_values(done)
    if given.json:
        given.json.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    written = markdown(done, values)
    if given.markdown:
        given.markdown.write_text(written, encoding="utf-8")
    sys.stdout.write(written)
    return 1 if done.faults else 0


if __name__ == "__main__":
    sys.exit(main())
