"""``manage.py evaluate_retrieval --set DIR``: what each stage of recall and rerank is worth."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.errors import ModelError
from qa.beir import NotATestSet, is_test_set, read_test_set
from qa.evaluation import evaluate, ranked_as_now, settings_of
from qa.evaluation_records import is_measured_with, read_record, write_record
from qa.evaluation_report import markdown_report
from qa.figures import text_table
from qa.first_sources import NotCounted, read_counts
from qa.rescoring import NotTheSame
from qa.score_dumps import SUFFIX, NotADump, read_dump, writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.core.management.base import CommandParser

    from qa.beir import TestSet
    from qa.figures import Figures
    from qa.first_sources import FirstSources

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
        parser.add_argument(
            "--only",
            type=lambda text: text.split(","),
            metavar="NAME,NAME",
            help="with --sets: measure these; the report has the others too, as far as recorded",
        )
        parser.add_argument(
            "--queries",
            type=_count,
            metavar="N",
            help='so many questions, drawn by the seed; "all" or 0, the default, for all of them',
        )
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument(
            "--record",
            type=Path,
            metavar="DIR",
            help="keep each set's figures here as it ends, and measure only what is not kept yet",
        )
        parser.add_argument(
            "--fresh", action="store_true", help="measure again what --record has already"
        )
        parser.add_argument(
            "--dump",
            type=Path,
            metavar="DIR",
            help="write every score of every candidate here, for python -m training.replay",
        )
        parser.add_argument(
            "--samples",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="what evaluate_samples --json wrote, to put into the report; may be given again",
        )
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
        chosen = _chosen(folders, options["only"])
        commit = current_commit()
        report = options["markdown"] or (settings.BASE_DIR / REPORT if options["sets"] else None)
        measured: dict[str, Figures] = {}
        for folder in folders:
            # A set that another run is measuring stands in the report once it is recorded.
            found = self._figures(folder, commit, options, measure=folder in chosen)
            if found is None:
                continue
            measured[folder.name] = found
            # After every set: an hour's figures are not lost with the last one.
            self._record(list(measured.values()), report, options)
        if report:
            self.stdout.write(f"Report written to {report}")

    def _figures(
        self, folder: Path, commit: str, options: dict[str, Any], *, measure: bool
    ) -> Figures | None:
        """The set's figures, from its record or measured now; ``None`` when not asked for."""
        try:
            test_set = read_test_set(folder)
            kept = self._kept(test_set, options)
            if kept is not None or not measure:
                return kept
            dump = _dump_path(test_set, options)
            with writing(dump) if dump else nullcontext(lambda question: None) as write:
                figures = evaluate(
                    test_set,
                    queries=options["queries"],
                    seed=options["seed"],
                    keep=options["keep"],
                    with_bm25s=options["bm25s"],
                    commit=commit,
                    report=self.stderr.write,
                    dump=write,
                )
        except (NotATestSet, ModelError) as error:
            raise CommandError(str(error)) from error
        if options["record"]:
            write_record(options["record"], figures)
        self.stdout.write(text_table(figures))
        return figures

    def _kept(self, test_set: TestSet, options: dict[str, Any]) -> Figures | None:
        """What was recorded of the set with the same settings, and not to be measured again."""
        if not options["record"] or options["fresh"]:
            return None
        figures = read_record(options["record"], test_set.name)
        wanted = settings_of(
            test_set,
            queries=options["queries"],
            seed=options["seed"],
            with_bm25s=options["bm25s"],
        )
        dump = _dump_path(test_set, options)
        if figures is None or (dump is not None and not dump.is_file()):
            return None
        if not is_measured_with(figures, wanted):
            again = self._rescored(figures, wanted, dump, options)
            if again is None:
                self.stderr.write(f"{test_set.name}: recorded with other settings")
            return again
        self.stderr.write(
            f"{test_set.name}: recorded at commit {figures.meta.get('commit') or 'unknown'}"
        )
        return figures

    def _rescored(
        self,
        kept: Figures,
        wanted: Mapping[str, object],
        dump: Path | None,
        options: dict[str, Any],
    ) -> Figures | None:
        """The kept figures under the calibrations of now, where nothing else has changed."""
        if dump is None or not is_measured_with(kept, {**wanted, "card": kept.meta.get("card")}):
            return None
        try:
            again = ranked_as_now(kept, read_dump(dump), settings=wanted, seed=options["seed"])
        except (NotADump, NotTheSame) as error:
            self.stderr.write(str(error))
            return None
        if again is None:
            return None
        figures, questions = again
        with writing(dump) as write:
            for question in questions:
                write(question)
        write_record(options["record"], figures)
        self.stderr.write(f"{kept.set_name}: ranked again, for the calibrations have changed")
        return figures

    def _record(
        self, measured: Sequence[Figures], report: Path | None, options: dict[str, Any]
    ) -> None:
        if options["json"]:
            forms = {each.set_name: each.to_json() for each in measured}
            form = measured[0].to_json() if options["folder"] else forms
            _write(options["json"], json.dumps(form, indent=2, ensure_ascii=False) + "\n")
        if report:
            counted = [_counts(path) for path in options["samples"]]
            text = markdown_report(measured, command=_command_line(options), counted=counted)
            _write(report, text)


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


def _count(text: str) -> int | None:
    """A number of questions; ``None`` for all of them."""
    if text == "all":
        return None
    try:
        count = int(text)
    except ValueError:
        count = -1
    if count < 0:
        message = f"{text!r} is neither a number nor 'all'"
        raise argparse.ArgumentTypeError(message)
    return count or None


def _dump_path(test_set: TestSet, options: dict[str, Any]) -> Path | None:
    folder: Path | None = options["dump"]
    return folder / f"{test_set.name}{SUFFIX}" if folder else None


def _counts(path: Path) -> FirstSources:
    try:
        return read_counts(path)
    except NotCounted as error:
        raise CommandError(str(error)) from error


def _sets_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder")
    sets = sorted(inside for inside in folder.iterdir() if is_test_set(inside))
    if not sets:
        raise CommandError(f"{folder} holds no set")
    return sets


def _chosen(folders: Sequence[Path], names: Sequence[str] | None) -> list[Path]:
    """The folders to measure. Raises ``CommandError`` for a name that none of them has."""
    if names is None:
        return list(folders)
    missing = [name for name in names if name not in {folder.name for folder in folders}]
    if missing:
        raise CommandError(f"There is no set {', '.join(missing)}.")
    return [folder for folder in folders if folder.name in names]


def _write(path: Path, text: str) -> None:
    """Whole or not at all: two runs that share a report each leave a complete one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


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
    parts += [f"--samples {path.name}" for path in options["samples"]]
    return " ".join(parts)
