"""What a killed stack left running is queued again at the next start, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from documents.models import DocumentVersion
from documents.tasks import process_next
from qa.models import Answer
from qa.tasks import generate_answer
from tests.functional.qa.conftest import make_answered

if TYPE_CHECKING:
    from redis import Redis

    from accounts.models import User
    from documents.models import KnowledgeBase


def test_running_work_waits_again_and_finished_work_is_left_alone(
    knowledge_base: KnowledgeBase,
    alice: User,
    bob: User,
    redis_client: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[object] = []
    monkeypatch.setattr(process_next, "delay", lambda: told.append("document"))
    monkeypatch.setattr(generate_answer, "apply_async", lambda args, **_: told.append(args[0]))
    lost = make_answered(knowledge_base, uploader=alice, asker=bob)
    done = make_answered(knowledge_base, uploader=alice, asker=bob)
    version = lost.documents[0].current_version
    assert version is not None
    DocumentVersion.objects.filter(pk=version.pk).update(state=DocumentVersion.State.EMBEDDING)
    Answer.objects.filter(pk=lost.answer.pk).update(state=Answer.State.RUNNING)

    call_command("release_orphans")

    version.refresh_from_db()
    lost.answer.refresh_from_db()
    done.answer.refresh_from_db()
    assert (version.state, version.lost_attempts) == (DocumentVersion.State.PENDING, 0)
    assert lost.answer.state == Answer.State.PENDING
    assert done.answer.state == Answer.State.DONE
    assert told == ["document", lost.answer.pk]
