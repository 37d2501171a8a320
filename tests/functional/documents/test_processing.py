"""What pages say of processing and let curators do to it: why a document waits, cancel, pause."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.utils import timezone, translation

from accounts.models import AuditEvent
from documents import claims, processing, tasks, turns
from documents.models import Document, DocumentVersion, KnowledgeBase, ProcessingStage
from documents.views.rows import clock
from ragsite import health

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoCaptureOnCommitCallbacks
    from pytest_django import Settings as SettingsWrapper

    from accounts.models import User

State = DocumentVersion.State
BASE = "/knowledge-bases/health/"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _worker(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(health, "worker_state", lambda queue: "ready")


def waiting(base: KnowledgeBase, count: int, **values: Any) -> list[DocumentVersion]:
    """So many documents of the base that wait, the first one longest."""
    now = timezone.now()
    documents = Document.objects.bulk_create(
        Document(knowledge_base=base, title=f"{base.slug} {number}") for number in range(count)
    )
    return DocumentVersion.objects.bulk_create(
        DocumentVersion(
            **{
                "document": document,
                "knowledge_base": base,
                "filename": document.title,
                "media_type": "text/plain",
                "size": 1,
                "sha256": f"{document.pk:064}",
                "queued_at": now - timedelta(seconds=count - number),
                **values,
            }
        )
        for number, document in enumerate(documents)
    )


def text(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def row(client: Client, version: DocumentVersion) -> str:
    return text(client, f"/documents/{version.document_id}/row/")


# ---- why it waits -------------------------------------------------------------------------------
def test_a_row_says_how_many_are_ahead_also_of_other_knowledge_bases(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    first, second, third = waiting(knowledge_base, 3)
    other = KnowledgeBase.objects.create(name="Law", slug="law")
    waiting(other, 5_000)
    client.force_login(bob)
    assert "Waiting: next in turn." in row(client, first)
    assert "Waiting: 2 documents ahead." in row(client, second)
    assert "Waiting: 4 documents ahead." in row(client, third)
    claims.finish(claims.claim(first.pk))  # type: ignore[arg-type]
    assert "Waiting: 1 document ahead." in row(client, second), "now it is the other's turn"


def test_the_number_ahead_is_the_number_that_is_begun_before_it(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    *_, last = waiting(knowledge_base, 4)
    for slug, count in (("law", 2), ("music", 9)):
        waiting(KnowledgeBase.objects.create(name=slug, slug=slug), count)
    client.force_login(bob)
    said = row(client, last)
    begun = 0
    while (claim := turns.claim_next()) and claim.version_id != last.pk:
        begun += 1
    assert f"Waiting: {begun} documents ahead." in said


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"error_code": "model_unavailable", "not_before": "soon"}, "tried again at"),
        ({"error_code": "model_unavailable", "not_before": "soon"}, "model cannot be reached"),
        ({"lost_attempts": 2}, "until nothing else is processed"),
    ],
)
def test_a_row_says_what_else_it_waits_for(
    client: Client,
    bob: User,
    knowledge_base: KnowledgeBase,
    values: dict[str, Any],
    words: str,
) -> None:
    if "not_before" in values:
        values = {**values, "not_before": timezone.now() + timedelta(minutes=3)}
    (version,) = waiting(knowledge_base, 1, **values)
    client.force_login(bob)
    assert words in row(client, version)


def test_a_row_names_the_pause_and_one_that_runs_alone(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    (version,) = waiting(knowledge_base, 1)
    (lonely,) = waiting(KnowledgeBase.objects.create(name="Law", slug="law"), 1, lost_attempts=2)
    client.force_login(bob)
    assert turns.claim_next() == claims.Claim(lonely.pk, 1)
    assert "has to be processed alone" in row(client, version)
    KnowledgeBase.objects.update(is_paused=True)
    assert "processing is paused" in row(client, version)


@pytest.mark.parametrize(
    ("is_redis_up", "words", "short"),
    [
        (True, "no worker for them is running", "No worker is running."),
        (False, "Redis, which wakes the workers, is away", "Redis is away."),
    ],
)
def test_pages_tell_a_missing_worker_from_a_missing_redis(
    client: Client,
    alice: User,
    knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    is_redis_up: bool,
    words: str,
    short: str,
) -> None:
    (version,) = waiting(knowledge_base, 1)
    monkeypatch.setattr(health, "worker_state", lambda queue: "down")
    monkeypatch.setattr(health, "_redis_answers", lambda: is_redis_up)
    client.force_login(alice)
    page = text(client, BASE)
    assert words in page
    assert short in page
    assert words in text(client, f"/documents/{version.document_id}/")


def test_redis_that_cannot_be_reached_is_named_and_the_page_still_comes(
    client: Client,
    alice: User,
    knowledge_base: KnowledgeBase,
    settings: SettingsWrapper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    waiting(knowledge_base, 1)
    client.force_login(alice)
    assert "Redis is away." in text(client, BASE)


def test_a_row_with_long_to_wait_asks_seldom(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    first, *_, last = waiting(knowledge_base, 12)
    client.force_login(bob)
    assert 'hx-trigger="every 2s"' in row(client, first)
    assert 'hx-trigger="every 10s"' in row(client, last)


# ---- how long -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (65, "1:05"), (3_599, "59:59"), (3_725, "1:02:05")]
)
def test_a_clock_shows_minutes_and_hours_only_when_there_are_some(seconds: int, shown: str) -> None:
    now = timezone.now()
    assert clock(now, now + timedelta(seconds=seconds)) == shown
    assert clock(now, now - timedelta(seconds=5)) == "0:00"


def test_a_document_says_how_long_it_took_and_each_of_its_stages(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    (version,) = waiting(knowledge_base, 1)
    now = timezone.now()
    claim = claims.claim(version.pk)
    assert claim is not None
    claims.begin(claim, ProcessingStage.Stage.PARSE)
    claims.finish(claim)
    ProcessingStage.objects.update(started_at=now, finished_at=now + timedelta(seconds=7))
    DocumentVersion.objects.update(started_at=now, finished_at=now + timedelta(seconds=68))
    client.force_login(bob)
    page = text(client, f"/documents/{version.document_id}/")
    assert "Took 1:08" in page
    assert "0:07" in page


def test_a_document_whose_worker_was_lost_waits_anew_and_says_so(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    (version,) = waiting(knowledge_base, 1)
    claims.claim(version.pk)
    then = timezone.now() - timedelta(hours=3)
    DocumentVersion.objects.update(started_at=then, heartbeat_at=then)
    claims.give_up_lost()
    client.force_login(bob)
    page = text(client, f"/documents/{version.document_id}/state/")
    assert "Its worker ended 1 time" in page
    assert "Has waited 0:0" in page


# ---- try now ------------------------------------------------------------------------------------
def test_a_curator_has_a_document_tried_now_that_waits_for_its_next_try(
    client: Client,
    alice: User,
    knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    rung: list[bool] = []
    monkeypatch.setattr(tasks.process_next, "delay", lambda: rung.append(True))
    (version,) = waiting(knowledge_base, 1)
    claim = claims.claim(version.pk)
    assert claim is not None
    claims.postpone(claim, "model_unavailable")
    client.force_login(alice)
    path = f"/documents/{version.document_id}/"
    assert "Try now" in text(client, BASE)
    assert "Try now" in text(client, path)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{path}reprocess/")
    assert rung == [True]
    assert "Try now" not in text(client, BASE)
    assert turns.claim_next() == claims.Claim(version.pk, 2)
    version.refresh_from_db()
    assert version.postponements == 1, "it goes on counting"
    assert AuditEvent.objects.get().action == "document.try_now"


# ---- cancel -------------------------------------------------------------------------------------
@pytest.mark.parametrize("is_running", [False, True])
def test_a_curator_cancels_a_document_and_has_it_back(
    client: Client, alice: User, knowledge_base: KnowledgeBase, is_running: bool
) -> None:
    (version,) = waiting(knowledge_base, 1)
    claim = claims.claim(version.pk) if is_running else None
    client.force_login(alice)
    path = f"/documents/{version.document_id}/"
    assert f"{path}cancel/" in text(client, BASE)
    said = client.post(f"{path}cancel/", headers=HTMX).content.decode()
    assert "Processing was cancelled." in said
    assert "every 2s" not in said
    assert f"{path}cancel/" not in said
    assert claim is None or not claim.holds()
    event = AuditEvent.objects.get(action="document.cancel")
    assert (event.actor, event.data["versions"]) == (alice, [version.pk])
    client.post(f"{path}reprocess/")
    version.refresh_from_db()
    assert (version.state, version.error_code) == (State.PENDING, "")


def test_what_is_ready_cannot_be_cancelled(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    (version,) = waiting(knowledge_base, 1, state=State.READY)
    client.force_login(alice)
    client.post(f"/documents/{version.document_id}/cancel/")
    version.refresh_from_db()
    assert version.state == State.READY
    assert not AuditEvent.objects.exists()


def test_all_of_a_knowledge_base_are_cancelled_at_once_and_nothing_of_another(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    waiting(knowledge_base, 3)
    (other,) = waiting(KnowledgeBase.objects.create(name="Law", slug="law"), 1)
    client.force_login(alice)
    page = client.post(f"{BASE}cancel/", follow=True).content.decode()
    assert "Processing of 3 documents is cancelled." in page
    states = DocumentVersion.objects.filter(knowledge_base=knowledge_base).values_list("state")
    assert set(states) == {(State.CANCELLED,)}
    other.refresh_from_db()
    assert other.state == State.PENDING
    page = client.post(f"{BASE}retry/", follow=True).content.decode()
    assert "3 documents are queued again." in page


# ---- pause --------------------------------------------------------------------------------------
def test_a_paused_knowledge_base_begins_nothing_until_it_goes_on(
    client: Client,
    alice: User,
    knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    rung: list[bool] = []
    monkeypatch.setattr(tasks.process_next, "delay", lambda: rung.append(True))
    (version,) = waiting(knowledge_base, 1)
    client.force_login(alice)
    page = client.post(f"{BASE}pause/", {"paused": "1"}, follow=True).content.decode()
    assert "Processing is paused." in page
    assert "Go on" in page
    assert turns.claim_next() is None
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post(f"{BASE}pause/", {"paused": "0"}, follow=True).content.decode()
    assert "Processing goes on." in page
    assert rung == [True]
    assert turns.claim_next() == claims.Claim(version.pk, 1)
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["knowledge_base.pause", "knowledge_base.resume"]


def test_pausing_twice_is_one_change(alice: User, knowledge_base: KnowledgeBase) -> None:
    assert processing.set_paused(actor=alice, knowledge_base=knowledge_base, paused=True)
    assert not processing.set_paused(actor=alice, knowledge_base=knowledge_base, paused=True)
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("who", ["viewer", "stranger"])
def test_those_who_do_not_curate_stop_nothing_and_see_no_way_to(
    client: Client, bob: User, charlie: User, knowledge_base: KnowledgeBase, who: str
) -> None:
    (version,) = waiting(knowledge_base, 1)
    client.force_login(bob if who == "viewer" else charlie)
    for path in (f"{BASE}pause/", f"{BASE}cancel/", f"/documents/{version.document_id}/cancel/"):
        assert client.post(path, {"paused": "1"}).status_code == 404
    version.refresh_from_db()
    knowledge_base.refresh_from_db()
    assert (version.state, knowledge_base.is_paused) == (State.PENDING, False)
    if who == "viewer":
        page = text(client, BASE)
        assert "/cancel/" not in page
        assert "/pause/" not in page


def test_what_documents_wait_for_is_said_in_chinese_too(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    waiting(knowledge_base, 3)
    client.force_login(alice)
    client.cookies["django_language"] = "zh-hans"
    page = text(client, BASE)
    translation.activate("en")
    assert "前面还有 2 个文档" in page
    assert "Waiting" not in page
