"""``manage.py ingest PATH --kb SLUG``: a folder of files into a knowledge base."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.http import Http404

from accounts.acting import NobodyToActAs, acting_user
from documents import access, ingesting
from documents.delivery_problems import explain_delivery
from documents.folders import FoundFile, Skipped, walk
from documents.ingesting import Entry, Ingest
from documents.terminal import REASONS, Meter, as_values, summary_lines

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from types import FrameType

    from accounts.models import User
    from documents.models import KnowledgeBase

NOTHING_MOVES_S = 60.0
"""After so long without any change it is asked whether a worker is running."""


class Command(BaseCommand):
    help = (
        "Uploads a file, or every file of a folder and the folders in it, and follows them until"
        " each is ready or failed. A ZIP is unpacked by the workers, as on the upload page. What"
        " the knowledge base has already, by its bytes, is passed over, so a run that was"
        " interrupted is gone on with by running it again. Ends with 1 when anything failed or"
        " was left over; formats that are not read are counted, and are no failure."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="a folder, one file, or a ZIP of files")
        parser.add_argument("--kb", required=True, metavar="SLUG", help="the knowledge base")
        parser.add_argument("--user", help="upload as this user; by default as an administrator")
        parser.add_argument(
            "--no-wait", action="store_true", help="end when all files are stored and queued"
        )
        parser.add_argument(
            "--retry-failed", action="store_true", help="queue again what failed before"
        )
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            actor = acting_user(options["user"])
            base = access.knowledge_base_for(actor, options["kb"], role="curator")
        except (NobodyToActAs, Http404) as error:
            raise CommandError(str(error)) from error
        if not options["path"].exists():
            raise CommandError(f"There is no file or folder {options['path']}.")
        self.stop = _Stop()
        self.meter = Meter(self._write, over=bool(self.stderr.isatty()))
        with self.stop:
            run, files = self._look_through(options["path"])
            total = len(run.entries) + len(files)
            retry = bool(options["retry_failed"])
            try:
                ingesting.take(
                    run,
                    files,
                    actor=actor,
                    base=base,
                    retry_failed=retry,
                    on_entry=lambda entry: self._note(entry, run, total),
                    should_stop=self.stop.is_asked,
                )
                if not options["no_wait"] and not run.stopped:
                    self._follow(run, actor, base, retry_failed=retry)
            except (OperationalError, InterfaceError) as error:
                self.meter.end()
                raise CommandError(
                    "The database cannot be reached. Run this again to go on."
                ) from error
        self.meter.end()
        self._report(run, as_json=options["json"])

    def _look_through(self, path: Path) -> tuple[Ingest, list[FoundFile]]:
        run, files = Ingest(), []
        for found in walk(path):
            if isinstance(found, FoundFile):
                files.append(found)
            elif isinstance(found, Skipped):
                run.skipped.append(found)
                self.meter.say(f"skipped {found.name}: {REASONS[found.reason]}")
            else:
                run.entries.append(Entry(found.name, "refused", "unreadable"))
        return run, files

    def _note(self, entry: Entry, run: Ingest, total: int) -> None:
        self._say(entry)
        done = len(run.entries) + len(run.archives)
        self.meter.show(done, total, f"{done} of {total} files stored or passed over")

    def _say(self, entry: Entry) -> None:
        if entry.outcome == "known":
            self.meter.say(f"there already: {entry.name}")
        elif entry.outcome == "refused":
            self.meter.say(f"refused {entry.name}: {explain_delivery(entry.code).sentence}")

    def _follow(self, run: Ingest, actor: User, base: KnowledgeBase, *, retry_failed: bool) -> None:
        moved_at, before = time.monotonic(), (-1, -1)

        def on_poll() -> None:
            nonlocal moved_at, before
            stored = sum(entry.version_id is not None for entry in run.entries)
            done = stored - len(run.waiting)
            # As far as is known: what is in an archive is seen when it is taken apart.
            total = stored + sum(archive.waiting or 1 for archive in run.unpacking)
            words = f"{done} of {total} documents processed"
            if archives := len(run.unpacking):
                words += f", {archives} {'archive' if archives == 1 else 'archives'} to unpack"
            self.meter.show(done, total, words)
            if (done, stored) != before:
                moved_at, before = time.monotonic(), (done, stored)
            elif time.monotonic() - moved_at > NOTHING_MOVES_S:
                moved_at = time.monotonic()
                self.meter.say("Nothing was finished for a minute. Is a worker running?")

        ingesting.follow(
            run,
            actor=actor,
            base=base,
            retry_failed=retry_failed,
            on_entry=self._say,
            on_poll=on_poll,
            should_stop=self.stop.is_asked,
        )

    def _report(self, run: Ingest, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(as_values(run), ensure_ascii=False, indent=2))
        else:
            for line in summary_lines(run):
                self.stdout.write(line)
        if run.paused:
            self.meter.say("The knowledge base is paused: what is stored waits until it goes on.")
        if run.stopped:
            raise CommandError(
                "Stopped. What is stored is processed in the background; run this again to go on."
            )
        if not run.unpacking and not any(entry.version_id for entry in run.entries):
            raise CommandError("No file was taken.")
        if not run.is_complete:
            raise CommandError("Not everything is ready; the reasons are above.")

    def _write(self, text: str) -> None:
        # To the error stream, so that what a program reads holds nothing else.
        self.stderr.write(text, style_func=str, ending="")
        self.stderr.flush()


class _Stop:
    """Ctrl-C, or a request to end, taken between two files and never in the middle of one."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def is_asked(self) -> bool:
        return self._asked

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread is told of signals
        for number in self.SIGNALS:
            self._before[number] = signal.signal(number, self._ask)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
