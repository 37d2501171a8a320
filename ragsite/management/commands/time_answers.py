"""``manage.py time_answers --kb health``: how long people wait, measured through the workers.

Each question is asked as in the browser and answered by the running workers, one after another.
The first token's time counts from the moment the question is stored. With ``--markdown`` a report
is written, together with how long the first and the latest start of the stack took.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from documents.models import KnowledgeBase
from qa import chat
from qa.management.commands.ask import find_asker
from qa.management.commands.evaluate_retrieval import current_commit
from qa.models import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.core.management.base import CommandParser

    from accounts.models import User

WAIT_LIMIT_S = 120.0


class Command(BaseCommand):
    help = "Ask a knowledge base its example questions and print median and slowest times."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--kb", required=True, metavar="ADDRESS")
        parser.add_argument("--user", help="ask as this user; by default as an administrator")
        parser.add_argument("--repeat", type=int, default=5, help="times each question is asked")
        parser.add_argument("--markdown", type=Path, help="write a report to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        base = KnowledgeBase.objects.present().filter(slug=options["kb"]).first()
        if base is None:
            raise CommandError(f"There is no knowledge base {options['kb']}.")
        if not base.suggested_questions:
            raise CommandError("The knowledge base has no example questions to ask.")
        actor = find_asker(options["user"])
        answers = [
            _answered(actor, base, question)
            for _ in range(options["repeat"])
            for question in base.suggested_questions
        ]
        figures = figures_of([timings_of(answer) for answer in answers])
        self.stdout.write(f"{len(answers)} answers, milliseconds:")
        for name, (middle, slowest) in figures.items():
            self.stdout.write(f"  {name:<16} median {middle:8.0f}   slowest {slowest:8.0f}")
        if options["markdown"]:
            starts = read_starts(settings.STATE.starts)
            text = report_of(figures, len(answers), starts, commit=current_commit())
            options["markdown"].write_text(text, encoding="utf-8")


def timings_of(answer: Answer) -> dict[str, float]:
    """Milliseconds from the stored question to the first token and to the end, and per stage."""
    waits = {"first token": answer.first_token_at, "finished": answer.finished_at}
    from_question = {
        name: (at - answer.created_at).total_seconds() * 1000
        for name, at in waits.items()
        if at is not None
    }
    stages = {f"stage {name}": float(value) for name, value in answer.timings_ms.items()}
    return {**from_question, **stages}


def figures_of(timings: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Median and slowest of each measure, over the answers that have it."""
    names = dict.fromkeys(name for each in timings for name in each)
    values = {name: [each[name] for each in timings if name in each] for name in names}
    return {name: (median(found), max(found)) for name, found in values.items()}


def read_starts(path: Path) -> list[Mapping[str, float]]:
    """What the embedded stack noted at each start, oldest first; empty without a stack."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def report_of(
    figures: Mapping[str, tuple[float, float]],
    answers: int,
    starts: Sequence[Mapping[str, float]],
    *,
    commit: str,
) -> str:
    """The figures as Markdown. Of several starts the first and the latest are shown."""
    lines = [
        "# Timings",
        "",
        f"Measured at commit `{commit}` by `manage.py time_answers --kb health --markdown "
        "docs/timings.md` on the stack of `make demo`, with the extractive composer.",
        "",
        f"## {answers} answers, one after another",
        "",
        "| from the stored question, or within a stage | median ms | slowest ms |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {name} | {middle:.0f} | {slowest:.0f} |" for name, (middle, slowest) in figures.items()
    ]
    if starts:
        lines += ["", "## Starts", "", "| start | seconds to ready | peak memory, MiB |"]
        lines += ["|---|---:|---:|"]
        shown = {"first, with the samples loaded and one answer": starts[0], "latest": starts[-1]}
        lines += [
            f"| {name} | {start['seconds']:.0f} | {start['peak_mib']:.0f} |"
            for name, start in shown.items()
        ]
    return "\n".join(lines) + "\n"


def _answered(actor: User, base: KnowledgeBase, question: str) -> Answer:
    answer = chat.ask(actor=actor, conversation=None, knowledge_bases=[base], text=question)
    deadline = time.monotonic() + WAIT_LIMIT_S
    while not answer.is_final:
        if time.monotonic() > deadline:
            raise CommandError("No worker answered within two minutes; is the stack running?")
        time.sleep(0.05)
        answer.refresh_from_db()
    if answer.state != Answer.State.DONE:
        raise CommandError(f"Answer {answer.pk} ended as {answer.state}.")
    return answer
