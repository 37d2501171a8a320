"""Workers that are processes of their own: killed, or given up and still alive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.utils import timezone

from documents import claims
from documents.indexing import index_document
from documents.models import Chunk, ChunkEmbedding, DocumentVersion, ProcessingStage
from documents.parsing import runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeVersion = Callable[..., DocumentVersion]

State = DocumentVersion.State
ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def worker_at_work(version: DocumentVersion) -> Iterator[subprocess.Popen[str]]:
    """A second process that has claimed the version and holds still while it embeds."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-m", "tests.integration.documents.worker_program"]
    with subprocess.Popen(
        [*command, str(connection.settings_dict["NAME"]), str(version.pk)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "embedding\n"
            yield process
        finally:
            process.kill()


def test_a_killed_worker_is_known_at_once_and_its_version_waits_again(
    waiting: MakeVersion,
) -> None:
    version = waiting("# Tea\n\nTea is fine.")
    with worker_at_work(version) as process:
        assert claims.give_up_lost() == 0, "it lives"
        process.kill()
        process.wait()
        assert claims.give_up_lost() == 1
    version.refresh_from_db()
    assert (version.state, version.lost_attempts) == (State.PENDING, 1)
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.attempt, version.lost_attempts) == (State.READY, 2, 0)
    assert Chunk.objects.count() == ChunkEmbedding.objects.count() == 1


def test_a_worker_that_was_given_up_and_wakes_changes_nothing(waiting: MakeVersion) -> None:
    version = waiting("# Tea\n\nTea is fine.")
    with worker_at_work(version) as process:
        DocumentVersion.objects.update(heartbeat_at=timezone.now() - claims.HEARTBEAT_EXPIRES * 2)
        assert claims.give_up_lost() == 1
        index_document(version.pk)
        before = list(Chunk.objects.order_by("pk").values_list("pk", "text"))
        row = DocumentVersion.objects.values().get()
        stages = list(ProcessingStage.objects.order_by("pk").values())

        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.close()
        assert process.wait(60) == 0, "it stops in order"
    assert list(Chunk.objects.order_by("pk").values_list("pk", "text")) == before
    assert DocumentVersion.objects.values().get() == row
    assert list(ProcessingStage.objects.order_by("pk").values()) == stages
    assert (row["state"], row["attempt"]) == (State.READY, 2)


def test_a_reader_that_is_killed_is_a_loss_and_the_document_is_read_again(
    waiting: MakeVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = waiting("# Tea\n\nTea is fine.")

    def kill(pid: int, *_: object) -> str:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return ""

    with monkeypatch.context() as patch:
        # A program of its own for the file: it is there to be killed before it has begun to read.
        patch.setattr(runner, "_STANDBY", SimpleNamespace(attend=lambda *_: None))
        patch.setattr(runner, "_wait", kill)
        index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.lost_attempts) == (State.PENDING, 1)
    index_document(version.pk)
    version.refresh_from_db()
    assert (version.state, version.lost_attempts) == (State.READY, 0)
