"""``manage.py release_orphans``: take back the work of workers that are known to be gone.

The embedded stack calls it at its start, when it holds the state folder and none of its workers
runs yet: whatever is marked as running was left by a killed stack. Elsewhere other workers may be
alive, and the watchdogs find the lost ones by their heartbeats.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from documents import claims, queueing
from documents.tasks import process_next
from qa import streams
from qa.answering import TASK_EXPIRES_S
from qa.models import Answer
from qa.tasks import generate_answer


class Command(BaseCommand):
    help = "Enqueue what a killed stack left behind. Run it only while no worker runs."

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        answers = Answer.objects.filter(state=Answer.State.RUNNING)
        answer_ids = list(answers.values_list("pk", flat=True))
        versions = claims.set_back_all()
        answers.update(state=Answer.State.PENDING, heartbeat_at=None)
        if versions:
            queueing.ring(process_next)
        for answer_id in answer_ids:
            # Its tokens come again from the beginning.
            streams.forget(answer_id)
            generate_answer.apply_async((answer_id,), expires=TASK_EXPIRES_S)
        if versions or answer_ids:
            self.stdout.write(f"Taken up again: {versions} documents, {len(answer_ids)} answers.")
