"""``manage.py reindex [--kb SLUG] [--if-changed]``: build the index anew and swap it in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from documents.generations import is_indexed_as_wanted
from documents.jobs import ClaimLost
from documents.models import KnowledgeBase
from documents.rebuilding import UnderWay, rebuild_index
from inference.conf import get_embedder
from inference.errors import ModelError

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable


class Command(BaseCommand):
    help = (
        "Cuts, weighs and embeds every document anew by the present configuration, beside the"
        " index that is searched, and swaps when all is ready. Needed after a change of the"
        " embedding model. The index before is kept for a while, to go back to by one click."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--kb", metavar="SLUG", help="only this knowledge base")
        parser.add_argument(
            "--if-changed",
            action="store_true",
            help="leave alone what is indexed by the present configuration already",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        bases = KnowledgeBase.objects.filter(deleted_at=None).exclude(active_generation=None)
        if options["kb"]:
            bases = bases.filter(slug=options["kb"])
            if not bases:
                raise CommandError(f"There is no indexed knowledge base {options['kb']}.")
        for base in bases.order_by("slug"):
            if options["if_changed"] and is_indexed_as_wanted(base, get_embedder()):
                self.stdout.write(f"{base.slug}: index is up to date")
                continue
            try:
                generation = rebuild_index(base, on_progress=self._reporter(base))
            except UnderWay as error:
                raise CommandError(f"{base.slug}: its index is being built already.") from error
            except ClaimLost as error:
                raise CommandError(f"{base.slug}: cancelled. The old index stays.") from error
            except ModelError as error:
                raise CommandError(f"{base.slug}: {error}. The old index stays.") from error
            self.stdout.write(
                f"{base.slug}: generation {generation.number}, {generation.chunk_count} passages"
            )

    def _reporter(self, base: KnowledgeBase) -> Callable[[int], None]:
        def report(done: int) -> None:
            self.stdout.write(f"{base.slug}: {done} documents indexed")

        return report
