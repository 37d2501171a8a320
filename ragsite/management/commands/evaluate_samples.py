"""``manage.py evaluate_samples``: how often the first source is one that a lay reader can use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.errors import ModelError
from qa.evaluation import temporary_base
from qa.first_sources import ORDERS, count, counts_section, groups, write_counts
from qa.management.commands.ask import find_asker
from qa.management.commands.evaluate_retrieval import current_commit
from qa.querysets import bases_of
from ragsite import sample_questions
from ragsite.problems import DemoError

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from accounts.models import User
    from documents.models import KnowledgeBase
    from qa.first_sources import FirstSources

SAMPLES = settings.BASE_DIR / "samples"


class Command(BaseCommand):
    help = (
        "Ask the sample questions with recall alone and with rerank, and count for whom the first "
        "source was written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--folder",
            type=Path,
            default=SAMPLES,
            help="documents with their index.jsonl; by default the samples",
        )
        source.add_argument("--kb", metavar="ADDRESS", help="a knowledge base that holds them")
        parser.add_argument("--user", help="with --kb: ask as this user")
        parser.add_argument(
            "--json", type=Path, help="write the counts, for evaluate_retrieval --samples"
        )
        parser.add_argument("--markdown", type=Path, help="write them as a section of a report")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = self._in_base(options) if options["kb"] else self._in_folder(options)
        except (DemoError, ModelError) as error:
            raise CommandError(str(error)) from error
        for line in _lines(found):
            self.stdout.write(line)
        if options["json"]:
            write_counts(options["json"], found)
        if options["markdown"]:
            text = "\n".join(counts_section(found)) + "\n"
            options["markdown"].write_text(text, encoding="utf-8")

    def _in_base(self, options: dict[str, Any]) -> FirstSources:
        viewer = find_asker(options["user"])
        base = bases_of(viewer).filter(slug=options["kb"]).first()
        if base is None:
            raise CommandError(f"There is no knowledge base {options['kb']}.")
        return self._ask(viewer, base, options["folder"], base.name)

    def _in_folder(self, options: dict[str, Any]) -> FirstSources:
        folder = options["folder"]
        with temporary_base(folder.resolve().name) as (viewer, base):
            sample_questions.load(viewer, base, folder, report=self.stderr.write)
            return self._ask(viewer, base, folder, folder.resolve().name)

    def _ask(self, viewer: User, base: KnowledgeBase, folder: Path, name: str) -> FirstSources:
        return sample_questions.ask_all(
            viewer,
            base,
            sample_questions.read_questions(SAMPLES),
            sample_questions.read_kinds(folder),
            collection=name,
            commit=current_commit(),
            report=self.stderr.write,
        )


def _lines(found: FirstSources) -> list[str]:
    """Counts by group and order, then each question whose first source differs or is not a lay one.

    For a terminal.
    """
    lines = [f"{found.collection}: {found.documents} documents"]
    for group, language, asked in groups(found):
        lines.append(f"{group} ({language}), {len(asked)} questions")
        width = max(len(words) for words in ORDERS.values()) + 2
        for order, words in ORDERS.items():
            kinds = ", ".join(f"{kind} {n}" for kind, n in count(asked, order).most_common())
            lines.append(f"  {words:<{width}}{kinds}")
        for each in asked:
            shown = {order: source.kind for order, source in each.first.items()}
            if set(shown.values()) != {"lay"}:
                kinds = ", ".join(f"{order} {kind}" for order, kind in shown.items())
                lines.append(f"    {each.text}  ({kinds})")
    return lines
