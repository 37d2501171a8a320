"""``manage.py evaluate_retrieval --set DIR``: what each stage of recall and rerank is worth."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.errors import ModelError
from qa.beir import NotATestSet, is_test_set, read_test_set
from qa.evaluation import evaluate
from qa.figures import markdown_report, text_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.management.base import CommandParser

    from qa.figures import Figures

REPORT = Path("docs/evaluation.md")


class Command(BaseCommand):
    help = (
        "Load a BEIR-format set as a temporary knowledge base, ask its questions through the "
        "product's own recall and ranking, and print the figures of every stage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--set", type=Path, dest="folder", help="folder of one set")
        source.add_argument("--sets", type=Path, help="folder whose sub-folders are sets")
        parser.add_argument("--queries", type=int, help="so many questions, drawn by the seed")
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--json", type=Path, help="write the figures to this file")
        parser.add_argument(
            "--markdown", type=Path, help=f"write a report; with --sets {REPORT} by default"
        )
        parser.add_argument(
            "--bm25s", action="store_true", help="also rank by the bm25s library, to compare"
        )
        parser.add_argument(
            "--keep", action="store_true", help="keep the knowledge base, to look at it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folders = [options["folder"]] if options["folder"] else _sets_in(options["sets"])
        commit = current_commit()
        report = options["markdown"] or (settings.BASE_DIR / REPORT if options["sets"] else None)
        measured: list[Figures] = []
        for folder in folders:
            measured.append(self._measure(folder, commit, options))
            # After every set: an hour's figures are not lost with the last one.
            self._record(measured, report, options)
        if report:
            self.stdout.write(f"Report written to {report}")

    def _record(
        self, measured: Sequence[Figures], report: Path | None, options: dict[str, Any]
    ) -> None:
        if options["json"]:
            forms = {each.set_name: each.to_json() for each in measured}
            form = measured[0].to_json() if options["folder"] else forms
            _write(options["json"], json.dumps(form, indent=2, ensure_ascii=False) + "\n")
        if report:
            _write(report, markdown_report(measured, command=_command_line(options)))

    def _measure(self, folder: Path, commit: str, options: dict[str, Any]) -> Figures:
        try:
            figures = evaluate(
                read_test_set(folder),
                queries=options["queries"],
                seed=options["seed"],
                keep=options["keep"],
                with_bm25s=options["bm25s"],
                commit=commit,
                report=self._report,
            )
        except (NotATestSet, ModelError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(text_table(figures))
        return figures

    def _report(self, line: str) -> None:
        self.stderr.write(line)


def current_commit() -> str:
    """The commit of the checkout, or ``""`` outside of one."""
    git = shutil.which("git")
    if git is None:
        return ""
    asked = subprocess.run(  # noqa: S603
        [git, "rev-parse", "--short=12", "HEAD"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()


def _sets_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder")
    sets = sorted(inside for inside in folder.iterdir() if is_test_set(inside))
    if not sets:
        raise CommandError(f"{folder} holds no set")
    return sets


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _command_line(options: dict[str, Any]) -> str:
    """The command that makes the same report, without where it is written or the sets lie."""
    parts = ["python manage.py evaluate_retrieval"]
    if options["folder"]:
        parts.append(f"--set {options['folder'].name}")
    if options["sets"]:
        parts.append(f"--sets {options['sets'].name}")
    if options["queries"]:
        parts.append(f"--queries {options['queries']}")
    parts.append(f"--seed {options['seed']}")
    if options["bm25s"]:
        parts.append("--bm25s")
    return " ".join(parts)
