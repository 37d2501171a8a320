"""``manage.py ask "…" --kb health``: ask from a terminal through the ordinary pipeline."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from accounts.acting import NobodyToActAs, acting_user
from documents.models import KnowledgeBase
from qa import answering, chat
from qa.chat import QuestionRefused
from qa.models import Answer
from qa.presentation import present_answer
from qa.terminal import answer_lines

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from accounts.models import User
    from qa.presented import AnswerView


class Command(BaseCommand):
    help = "Ask knowledge bases a question; the answer is stored like one asked in the browser."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("question")
        parser.add_argument(
            "--kb",
            action="append",
            required=True,
            metavar="ADDRESS",
            help="address (slug) of a knowledge base; give it again to ask several",
        )
        parser.add_argument("--user", help="ask as this user; by default as an administrator")
        parser.add_argument("--no-rerank", action="store_true", help="keep the fused order")
        parser.add_argument("--json", action="store_true", help="print everything as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        actor = find_asker(options["user"])
        bases = _bases(options["kb"])
        try:
            # No worker is told: the answer is made here and now, by the same function.
            answer = chat.ask(
                actor=actor,
                conversation=None,
                knowledge_bases=bases,
                text=options["question"],
                with_rerank=not options["no_rerank"],
                enqueue=False,
            )
        except QuestionRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        answering.generate_answer(answer.pk)
        answer = chat.answer_for(actor, answer.pk)
        view = present_answer(actor, answer)
        if options["json"]:
            self.stdout.write(as_json(view))
        else:
            for line in answer_lines(view):
                self.stdout.write(line)
        if answer.state == Answer.State.FAILED:
            raise CommandError(view.error)


def as_json(view: AnswerView) -> str:
    """The whole view, readable by a program."""
    return json.dumps(asdict(view), ensure_ascii=False, indent=2, default=str)


def find_asker(name: str | None) -> User:
    """The active user called ``name``, or the first administrator. Raises ``CommandError``."""
    try:
        return acting_user(name)
    except NobodyToActAs as error:
        raise CommandError(str(error)) from error


def _bases(addresses: list[str]) -> list[KnowledgeBase]:
    found = {base.slug: base for base in KnowledgeBase.objects.filter(slug__in=addresses)}
    missing = [address for address in addresses if address not in found]
    if missing:
        raise CommandError(f"There is no knowledge base {', '.join(missing)}.")
    return [found[address] for address in addresses]
