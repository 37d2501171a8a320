"""``manage.py measure_reranker ID ATTEMPT``: what the worker starts to make one measurement."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from documents.jobs import ClaimLost
from qa.measurement_claims import Claim
from qa.measuring import measure

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

NICENESS = 5
"""So that people who ask meanwhile are served first."""


def _end_with(parent: int) -> None:
    """End when the worker that started this is gone: nobody would write its heartbeat."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class Command(BaseCommand):
    help = "Make a measurement that a worker has claimed. The button on the models page starts it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("measurement", type=int, help="id of the row")
        parser.add_argument("attempt", type=int, help="the attempt that was claimed")

    def handle(self, *args: Any, **options: Any) -> None:
        os.nice(NICENESS)
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        try:
            measure(Claim(options["measurement"], options["attempt"]))
        except ClaimLost:
            self.stderr.write("The measurement is no longer this attempt's.")
