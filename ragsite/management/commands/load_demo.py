"""``manage.py load_demo``: accounts, the sample knowledge base, and one answered question."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from qa.presentation import present_answer
from qa.terminal import answer_lines
from ragsite import demo
from ragsite.problems import DemoError

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from documents.models import KnowledgeBase


class Command(BaseCommand):
    help = "Create the demonstration's accounts and documents, and ask one question."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--ask", action="store_true", help="ask even when it was asked at an earlier start"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            passwords = demo.create_accounts(settings.STATE.demo_accounts)
            base = demo.create_knowledge_base()
            self._load(base)
            if options["ask"] or not demo.has_asked():
                self._ask(base)
        except DemoError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("\nSign in as (also kept in var/demo/accounts.json):")
        for name, password in passwords.items():
            self.stdout.write(f"  {name:<9} {password}")

    def _load(self, base: KnowledgeBase) -> None:
        samples = demo.read_samples(settings.BASE_DIR / "samples")
        taken = demo.upload_samples(base, samples)
        if not taken and demo.has_asked():
            return
        if taken:
            self.stdout.write(f"Handed in {taken} documents; they are parsed, cut and embedded.")
        for progress in demo.wait_for_documents(base, [sample.path for sample in samples]):
            self.stdout.write(f"Documents ready: {progress.ready} of {progress.total}.")
        for version in demo.failures(base):
            self.stdout.write(f"Failed: {version.filename} ({version.error_code}).")

    def _ask(self, base: KnowledgeBase) -> None:
        self.stdout.write("\nAsking as the asker; the answer comes from the answers worker.\n")
        began = time.monotonic()
        answer = demo.ask_question(base)
        seconds = time.monotonic() - began
        asker = User.objects.get(username="asker")
        for line in answer_lines(present_answer(asker, answer)):
            self.stdout.write(line)
        self.stdout.write(f"Answered after {seconds:.1f} s.")
