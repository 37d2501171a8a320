"""The demonstration: made once by the ordinary services, found again at the next start."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import date
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from accounts.models import SetupToken, User
from documents.models import Document, DocumentVersion, KnowledgeBase
from qa import chat
from ragsite import demo
from ragsite.problems import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from redis import Redis

    RunTasks = Callable[[], AbstractContextManager[object]]


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    lines = []
    for number, (year, text) in enumerate(
        [("2021", "Keep a quiet, dark bedroom to sleep better."), (None, "Oranges are a fruit.")]
    ):
        (tmp_path / f"{number}.txt").write_text(text + "\n", encoding="utf-8")
        lines.append(
            {
                "file": f"{number}.txt",
                "title": f"Title {number}",
                "date": year,
                "url": None,
                "licence": "Apache-2.0",
            }
        )
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / "index.jsonl").write_text(text + "\n\n", encoding="utf-8")
    return tmp_path


def paths_in(folder: Path) -> list[Path]:
    return [sample.path for sample in demo.read_samples(folder)]


@pytest.fixture
def accounts(db: None, tmp_path: Path) -> dict[str, str]:
    return demo.create_accounts(tmp_path / "demo" / "accounts.json")


@pytest.fixture
def base(accounts: dict[str, str]) -> KnowledgeBase:
    return demo.create_knowledge_base()


def test_four_accounts_are_made_with_passwords_that_work(
    accounts: dict[str, str], tmp_path: Path
) -> None:
    assert set(accounts) == {"asker", "curator", "reviewer", "admin"}
    assert len(set(accounts.values())) == 4
    for name, password in accounts.items():
        person = User.objects.get(username=name)
        assert person.check_password(password)
        assert person.is_superuser == (name == "admin")
        assert not person.must_change_password


def test_the_passwords_are_kept_for_the_owner_only_and_stay(
    accounts: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "demo" / "accounts.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert demo.create_accounts(file) == accounts
    assert User.objects.count() == 4


def test_the_knowledge_base_is_open_to_all_and_staffed(base: KnowledgeBase) -> None:
    assert base.slug == "health"
    assert base.visibility == KnowledgeBase.Visibility.SIGNED_IN
    roles = dict(base.memberships.values_list("user__username", "roles"))
    assert "owner" in roles["curator"]
    assert roles["reviewer"] == ["reviewer"]
    assert "asker" not in roles
    assert demo.create_knowledge_base() == base


def test_the_index_is_read_with_whole_and_half_known_dates(samples: Path) -> None:
    first, second = demo.read_samples(samples)
    assert (first.title, first.effective_date) == ("Title 0", date(2021, 7, 1))
    assert second.effective_date is None


def test_missing_samples_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="sample documents are missing"):
        demo.read_samples(tmp_path)


def test_samples_go_in_by_the_ordinary_upload_once(base: KnowledgeBase, samples: Path) -> None:
    listed = demo.read_samples(samples)
    assert demo.upload_samples(base, listed) == 2
    assert demo.upload_samples(base, listed) == 0
    document = Document.objects.get(title="Title 0")
    assert document.licence == "Apache-2.0"
    assert document.effective_date == date(2021, 7, 1)
    assert document.created_by == User.objects.get(username="curator")


def test_an_interrupted_upload_is_completed(base: KnowledgeBase, samples: Path) -> None:
    listed = demo.read_samples(samples)
    demo.upload_samples(base, listed[:1])
    assert demo.upload_samples(base, listed) == 1
    assert Document.objects.filter(knowledge_base=base).count() == 2


def test_a_sample_that_another_replaces_is_linked_to_it(base: KnowledgeBase, samples: Path) -> None:
    first, second = demo.read_samples(samples)
    demo.upload_samples(base, [replace(first, superseded_by=second.path.name), second])
    assert Document.objects.get(title="Title 0").superseded_by == Document.objects.get(
        title="Title 1"
    )


def test_waiting_ends_when_every_document_is_final(base: KnowledgeBase, samples: Path) -> None:
    demo.upload_samples(base, demo.read_samples(samples))
    ready, failed = DocumentVersion.objects.order_by("pk")
    DocumentVersion.objects.filter(pk=ready.pk).update(state=DocumentVersion.State.READY)
    DocumentVersion.objects.filter(pk=failed.pk).update(state=DocumentVersion.State.FAILED)
    *_, last = demo.wait_for_documents(base, paths_in(samples))
    assert (last.ready, last.failed, last.total) == (1, 1, 2)
    assert demo.failures(base) == [failed]


def test_what_people_uploaded_themselves_is_not_waited_for(
    base: KnowledgeBase, samples: Path
) -> None:
    demo.upload_samples(base, demo.read_samples(samples))
    own, sample = DocumentVersion.objects.order_by("pk")
    DocumentVersion.objects.filter(pk=own.pk).update(filename="mine.pdf")
    DocumentVersion.objects.filter(pk=sample.pk).update(state=DocumentVersion.State.CANCELLED)
    *_, last = demo.wait_for_documents(base, paths_in(samples))
    assert last.total == 1


def test_waiting_gives_up_when_nothing_moves(
    base: KnowledgeBase, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.upload_samples(base, demo.read_samples(samples))
    monkeypatch.setattr(demo, "SILENCE_LIMIT_S", 0.0)
    monkeypatch.setattr(demo, "WAIT_EVERY_S", 0.0)
    with pytest.raises(DemoError, match="the lines of ingest say why"):
        list(demo.wait_for_documents(base, paths_in(samples)))


@pytest.mark.slow
def test_the_question_is_answered_from_the_samples(
    base: KnowledgeBase,
    samples: Path,
    run_tasks: RunTasks,
    redis_client: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo, "QUESTION", "How can I sleep better?")
    with run_tasks():
        demo.upload_samples(base, demo.read_samples(samples))
    assert not demo.has_asked()
    with run_tasks():
        answer = chat.ask(
            actor=User.objects.get(username="asker"),
            conversation=None,
            knowledge_bases=[base],
            text=demo.QUESTION,
        )
    answer.refresh_from_db()
    assert answer.state == "done"
    assert "bedroom" in answer.text
    assert demo.has_asked()


def test_an_empty_installation_prints_a_token_once_asked(db: None) -> None:
    out = StringIO()
    call_command("first_run", address="http://127.0.0.1:8000", stdout=out)
    assert "http://127.0.0.1:8000/setup/" in out.getvalue()
    assert SetupToken.objects.filter(used_at=None).count() == 1


def test_an_installation_with_people_prints_none(alice: User) -> None:
    out = StringIO()
    call_command("first_run", stdout=out)
    assert out.getvalue() == ""
