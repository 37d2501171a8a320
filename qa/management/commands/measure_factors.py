"""``manage.py measure_factors``: do readability and completeness tell apart what they should?"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from qa.factor_figures import completeness_figures, markdown, readability_figures

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Measure how well readability tells lay from technical texts, and completeness answering "
        "from other passages. Needs no database and no model."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--articles",
            type=Path,
            action="append",
            default=[],
            metavar="DIR",
            help="folder with an index.jsonl that tells lay from technical texts",
        )
        parser.add_argument(
            "--pairs",
            type=Path,
            action="append",
            default=[],
            metavar="DIR",
            help="folder with pairs.jsonl.gz and passages.jsonl.gz",
        )
        parser.add_argument("--questions", type=int, default=500)
        parser.add_argument("--seed", type=int, default=11)
        parser.add_argument("--write", type=Path, metavar="FILE", help="write the page there")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            articles = [each for path in options["articles"] for each in readability_figures(path)]
            pairs = [
                completeness_figures(path, questions=options["questions"], seed=options["seed"])
                for path in options["pairs"]
            ]
        except (OSError, KeyError, ValueError) as error:
            raise CommandError(str(error)) from error
        command = shlex.join(["python", "manage.py", *sys.argv[1:]])
        page = markdown(articles, pairs, command=command)
        if options["write"]:
            options["write"].write_text(page, encoding="utf-8")
        self.stdout.write(page)
