"""``manage.py verify_index [--kb SLUG]``: is the index complete, and is its search exact enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from documents.models import KnowledgeBase
from documents.verifying import LEAST_RECALL, NEAREST, verify_index
from inference.conf import get_embedder

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from documents.verifying import Verification


class Command(BaseCommand):
    help = (
        "Checks that every ready document has passages and every passage that the embedding model"
        " reads has a vector, and compares the approximate vector search with the exact one."
        " Ends with an error when something is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--kb", metavar="SLUG", help="only this knowledge base")
        parser.add_argument("--samples", type=int, default=50, help="vectors to compare (50)")

    def handle(self, *args: Any, **options: Any) -> None:
        bases = KnowledgeBase.objects.filter(deleted_at=None).order_by("slug")
        if options["kb"]:
            bases = bases.filter(slug=options["kb"])
            if not bases:
                raise CommandError(f"There is no knowledge base {options['kb']}.")
        embedder = get_embedder()
        faulty = []
        for base in bases:
            found = verify_index(base, embedder, samples=options["samples"])
            if found is None:
                self.stdout.write(f"{base.slug}: nothing indexed yet")
                continue
            for line in _lines(found):
                self.stdout.write(f"{base.slug}: {line}")
            if not found.is_sound:
                faulty.append(base.slug)
        if faulty:
            raise CommandError(f"Not sound: {', '.join(faulty)}. Run manage.py reindex --kb SLUG.")


def _lines(found: Verification) -> list[str]:
    lines = [f"{found.chunks} passages, {found.vectors} vectors"]
    if found.recall is None:
        lines.append("vector search is exact")
    else:
        lines.append(
            f"vector search finds {found.recall:.3f} of the exact top {NEAREST}"
            f" (at least {LEAST_RECALL} wanted)"
        )
    if found.statistics_off_by:
        lines.append(f"term statistics are {found.statistics_off_by} passages behind")
    if found.versions_without_chunks:
        lines.append(f"ready, but without passages: versions {_ids(found.versions_without_chunks)}")
    if found.chunks_without_vector:
        lines.append(f"without a vector: passages {_ids(found.chunks_without_vector)}")
    return lines


def _ids(ids: tuple[int, ...]) -> str:
    shown = ", ".join(str(pk) for pk in ids[:20])
    return shown if len(ids) <= 20 else f"{shown} and {len(ids) - 20} more"
