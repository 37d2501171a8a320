"""Rerankers on the pages: chosen with a knowledge base, flagged, and changed in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone, translation

from accounts.models import AuditEvent
from documents.models import Document, DocumentVersion, Membership
from qa.models import Answer, Conversation, Question, RerankerProfile
from qa.rerankers import ensure_profiles
from tests.rerank_api import KEY, rerank_api

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from django.test import Client

    from accounts.models import User
    from documents.models import KnowledgeBase

    RunTasks = Callable[[], AbstractContextManager[object]]

ADMIN = "/admin/qa/rerankerprofile"


@pytest.fixture
def english(db: None) -> RerankerProfile:
    """A reranker for English beside the default: tried, with 40 candidates within its limit."""
    ensure_profiles()
    return RerankerProfile.objects.create(
        name="english-only",
        kind="local",
        model="org/english",
        languages=["en"],
        time_limit_ms=2_500,
        probe={"candidates": 40, "ms_for_30": 1800.0, "error": "", "device": "cpu"},
    )


@pytest.fixture
def curator(charlie: User, knowledge_base: KnowledgeBase) -> User:
    Membership.objects.create(knowledge_base=knowledge_base, user=charlie, roles=["curator"])
    return charlie


def add_documents(base: KnowledgeBase, **by_language: int) -> None:
    for language, count in by_language.items():
        for number in range(count):
            document = Document.objects.create(knowledge_base=base, title=f"{language} {number}")
            document.current_version = DocumentVersion.objects.create(
                document=document,
                knowledge_base=base,
                number=1,
                language=language,
                sha256=f"{language}{number}",
                filename="a.txt",
                media_type="text/plain",
                size=1,
            )
            document.save()


def add_answers(base: KnowledgeBase, asker: User, profile: str, *reasons: str) -> None:
    """Answers one after the other: each with its reason, or reranked where that is empty."""
    conversation = Conversation.objects.create(user=asker)
    for reason in reasons:
        question = Question.objects.create(conversation=conversation, text="?")
        answer = Answer.objects.create(
            question=question,
            state="done",
            ranked_at=timezone.now(),
            was_reranked=not reason,
            reasons=[reason] if reason else [],
            configuration={"reranker_profile": profile, "knowledge_bases": [base.pk]},
        )
        answer.knowledge_bases.add(base)


def page(client: Client, user: User, address: str = "/knowledge-bases/health/") -> str:
    client.force_login(user)
    response = client.get(address)
    assert response.status_code == 200, address
    return response.content.decode()


# ---- choosing ----------------------------------------------------------------------------------
def test_an_owner_chooses_among_the_rerankers_where_the_knowledge_base_is_edited(
    client: Client, alice: User, knowledge_base: KnowledgeBase, english: RerankerProfile
) -> None:
    RerankerProfile.objects.create(name="switched-off", kind="fake", is_enabled=False)
    shown = page(client, alice, "/knowledge-bases/health/edit/")
    assert "The default: fake" in shown
    assert "english-only" in shown
    assert "This machine reranks 40 candidates within the limit." in shown
    assert "switched-off" not in shown
    form = client.get("/knowledge-bases/health/edit/").context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    sent = {**sent, "suggested_questions": "", "reranker": "english-only", "is_paused": ""}
    assert client.post("/knowledge-bases/health/edit/", sent).status_code == 302
    knowledge_base.refresh_from_db()
    assert knowledge_base.reranker == "english-only"
    event = AuditEvent.objects.get(action="knowledge_base.update")
    assert event.data["changed"]["reranker"] == ["", "english-only"]


def test_the_choice_at_hand_is_marked_also_when_it_is_gone(
    client: Client, alice: User, knowledge_base: KnowledgeBase, english: RerankerProfile
) -> None:
    knowledge_base.reranker = english.name
    knowledge_base.save()
    shown = page(client, alice, "/knowledge-bases/health/edit/")
    assert 'value="english-only" checked' in shown
    english.delete()
    shown = page(client, alice, "/knowledge-bases/health/edit/")
    assert 'value="english-only" checked' in shown
    assert "It is not there any more" in shown


def test_a_new_knowledge_base_may_choose_too(
    client: Client, admin: User, english: RerankerProfile
) -> None:
    assert "english-only" in page(client, admin, "/knowledge-bases/new/")


def test_a_slow_reranker_is_flagged_at_the_choice(
    client: Client, alice: User, knowledge_base: KnowledgeBase, english: RerankerProfile
) -> None:
    RerankerProfile.objects.update(probe={"candidates": 8, "error": ""})
    assert "Fewer than 10 candidates" in page(client, alice, "/knowledge-bases/health/edit/")
    RerankerProfile.objects.update(probe={"candidates": 20, "error": ""})
    assert "asks for 30 candidates" in page(client, alice, "/knowledge-bases/health/edit/")
    RerankerProfile.objects.update(probe={"candidates": 0, "error": "model_key_refused"})
    assert "it did not accept the key" in page(client, alice, "/knowledge-bases/health/edit/")


# ---- languages ---------------------------------------------------------------------------------
def test_a_reranker_that_does_not_cover_the_language_is_flagged_on_all_pages_of_its_base(
    client: Client, alice: User, knowledge_base: KnowledgeBase, english: RerankerProfile
) -> None:
    knowledge_base.reranker = english.name
    knowledge_base.save()
    add_documents(knowledge_base, zh=3, en=7)
    for address in ("", "members/", "edit/"):
        shown = page(client, alice, f"/knowledge-bases/health/{address}")
        assert "“english-only” does not cover Chinese" in shown
    assert "Does not cover Chinese." in page(client, alice, "/knowledge-bases/health/edit/")


def test_a_reranker_that_covers_the_language_is_not_flagged(
    client: Client, alice: User, knowledge_base: KnowledgeBase, english: RerankerProfile
) -> None:
    knowledge_base.reranker = english.name
    knowledge_base.save()
    add_documents(knowledge_base, en=3)
    assert "does not cover" not in page(client, alice)


def test_nothing_is_flagged_where_rerank_is_off(
    client: Client, alice: User, knowledge_base: KnowledgeBase, english: RerankerProfile
) -> None:
    knowledge_base.reranker, knowledge_base.rerank_enabled = english.name, False
    knowledge_base.save()
    add_documents(knowledge_base, zh=3)
    assert "does not cover" not in page(client, alice)


# ---- the banner --------------------------------------------------------------------------------
TIMEOUT = "rerank_timeout"


@pytest.fixture
def used(knowledge_base: KnowledgeBase, english: RerankerProfile) -> str:
    knowledge_base.reranker = english.name
    knowledge_base.save()
    return english.name


def test_three_time_outs_in_a_row_show_a_banner_with_what_to_do(
    client: Client, curator: User, bob: User, knowledge_base: KnowledgeBase, used: str
) -> None:
    add_answers(knowledge_base, bob, used, "", TIMEOUT, TIMEOUT)
    assert "went without rerank" not in page(client, curator)
    add_answers(knowledge_base, bob, used, TIMEOUT)
    shown = page(client, curator)
    assert "“english-only” needed more than its 2.5 seconds" in shown
    assert "Choose a faster reranker or fewer candidates" in shown


def test_a_success_takes_the_banner_away(
    client: Client, alice: User, bob: User, knowledge_base: KnowledgeBase, used: str
) -> None:
    add_answers(knowledge_base, bob, used, TIMEOUT, TIMEOUT, TIMEOUT)
    assert "went without rerank" in page(client, alice)
    add_answers(knowledge_base, bob, used, "")
    assert "went without rerank" not in page(client, alice)


def test_another_choice_takes_the_banner_away(
    client: Client, alice: User, bob: User, knowledge_base: KnowledgeBase, used: str
) -> None:
    add_answers(knowledge_base, bob, used, TIMEOUT, TIMEOUT, TIMEOUT)
    knowledge_base.reranker = ""
    knowledge_base.save()
    assert "went without rerank" not in page(client, alice)


def test_answers_that_wanted_no_rerank_do_not_count(
    client: Client, alice: User, bob: User, knowledge_base: KnowledgeBase, used: str
) -> None:
    add_answers(knowledge_base, bob, used, TIMEOUT, TIMEOUT, TIMEOUT)
    add_answers(knowledge_base, bob, used, "rerank_off", "rerank_language")
    assert "went without rerank" in page(client, alice)


def test_the_time_outs_of_another_knowledge_base_are_not_shown_here(
    client: Client, alice: User, bob: User, knowledge_base: KnowledgeBase, used: str
) -> None:
    add_answers(knowledge_base, bob, used, TIMEOUT, TIMEOUT)
    other = type(knowledge_base).objects.create(name="Other", slug="other", reranker=used)
    add_answers(other, bob, used, TIMEOUT, TIMEOUT, TIMEOUT)
    assert "went without rerank" not in page(client, alice)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("rerank_unavailable", "could not be used"),
        ("rerank_busy", "too many others waited"),
        ("rerank_rate_limited", "too many requests"),
        ("rerank_refused", "check its key, model and address"),
        ("rerank_invalid", "gave unusable results"),
    ],
)
def test_other_failures_in_a_row_are_told_as_well(
    client: Client,
    alice: User,
    bob: User,
    knowledge_base: KnowledgeBase,
    used: str,
    reason: str,
    said: str,
) -> None:
    add_answers(knowledge_base, bob, used, reason, reason, reason)
    assert said in page(client, alice)


def test_who_only_asks_sees_neither_banner_nor_flag(
    client: Client, bob: User, knowledge_base: KnowledgeBase, used: str
) -> None:
    add_documents(knowledge_base, zh=3)
    add_answers(knowledge_base, bob, used, TIMEOUT, TIMEOUT, TIMEOUT)
    shown = page(client, bob)
    assert "went without rerank" not in shown
    assert "does not cover" not in shown
    assert "english-only" not in shown


def test_banner_and_flag_are_in_chinese_too(
    client: Client, alice: User, bob: User, knowledge_base: KnowledgeBase, used: str
) -> None:
    add_documents(knowledge_base, zh=3)
    add_answers(knowledge_base, bob, used, TIMEOUT, TIMEOUT, TIMEOUT)
    alice.language = "zh-hans"
    alice.save()
    client.force_login(alice)
    with translation.override("zh-hans"):
        shown = client.get(
            "/knowledge-bases/health/", headers={"accept-language": "zh-hans"}
        ).content.decode()
    assert "没有经过重排" in shown
    assert "不支持中文" in shown


# ---- the admin ---------------------------------------------------------------------------------
def filled(**changes: Any) -> dict[str, Any]:
    return {
        "name": "ours",
        "kind": "server",
        "model": "BAAI/bge-reranker-v2-m3",
        "languages": "zh,en",
        "url": "http://127.0.0.1:9",
        "dialect": "vllm",
        "documents_per_request": 32,
        "time_limit_ms": 2000,
        "candidates": 30,
        "batch_tokens": 4096,
        "max_length": 256,
        "is_enabled": "on",
        **changes,
    }


def test_an_administrator_adds_a_server_and_reads_what_the_trial_said(
    client: Client, admin: User, run_tasks: RunTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_API_KEY", KEY)
    client.force_login(admin)
    with rerank_api("vllm", wants_key=True) as api:
        with run_tasks():
            sent = filled(url=api.url, key_variable="OUR_API_KEY", wants_default="on")
            sent["time_limit_ms"] = 60_000
            response = client.post(f"{ADMIN}/add/", sent, follow=True)
            assert "The trial waits for a worker" in response.content.decode()
            assert api.requests == []
        row = RerankerProfile.objects.get(name="ours")
        assert row.languages == ["zh", "en"]
        assert row.is_default
        shown = client.get(f"{ADMIN}/{row.pk}/change/").content.decode()
        assert f"reranks {row.probe['candidates']} candidates within the limit" in shown
        assert "Chinese, English" in shown
        assert KEY not in shown
        assert KEY not in client.get(f"{ADMIN}/").content.decode()


def test_a_change_in_the_admin_is_on_record_and_tried_again(client: Client, admin: User) -> None:
    client.force_login(admin)
    client.post(f"{ADMIN}/add/", filled())
    row = RerankerProfile.objects.get(name="ours")
    RerankerProfile.objects.update(probe={"candidates": 50}, probe_wanted_at=None)
    client.post(f"{ADMIN}/{row.pk}/change/", filled(time_limit_ms=500))
    row.refresh_from_db()
    assert (row.time_limit_ms, row.probe) == (500, {})
    event = AuditEvent.objects.get(action="reranker.update")
    assert event.actor == admin
    assert event.data["changed"] == {"time_limit_ms": [2000, 500]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "ftp://host/"}, "An http or https address"),
        ({"key_variable": "SECRET_KEY"}, "Not the key itself"),
        ({"dialect": ""}, "Choose how the server is spoken to."),
        ({"languages": "Chinese"}, "Two-letter codes"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    client: Client, admin: User, changes: dict[str, Any], said: str
) -> None:
    client.force_login(admin)
    response = client.post(f"{ADMIN}/add/", filled(**changes))
    assert response.status_code == 200
    assert said in response.content.decode()
    assert not RerankerProfile.objects.filter(name="ours").exists()


def test_staff_with_every_permission_but_no_administrator_finds_no_rerankers(
    client: Client, charlie: User, english: RerankerProfile
) -> None:
    charlie.is_staff = True
    charlie.save()
    charlie.user_permissions.set(charlie.user_permissions.model.objects.all())
    client.force_login(charlie)
    address = f"{ADMIN}/{english.pk}/change/"
    for path in (f"{ADMIN}/", f"{ADMIN}/add/", address, f"{ADMIN}/{english.pk}/delete/"):
        assert client.get(path).status_code == 403, path
    assert client.post(address, filled(url="http://169.254.169.254/")).status_code == 403
    english.refresh_from_db()
    assert english.url == ""


def test_not_even_an_administrator_erases_a_row_that_answers_name(
    client: Client, admin: User, english: RerankerProfile
) -> None:
    client.force_login(admin)
    assert client.post(f"{ADMIN}/{english.pk}/delete/", {"post": "yes"}).status_code == 403
    assert RerankerProfile.objects.filter(pk=english.pk).exists()


def test_a_trial_can_be_asked_for_from_the_list(client: Client, admin: User) -> None:
    seeded = ensure_profiles()
    assert seeded is not None
    RerankerProfile.objects.update(probe={"candidates": 3}, probe_wanted_at=None)
    client.force_login(admin)
    sent = {"action": "try_again", "_selected_action": [str(seeded.pk)]}
    response = client.post(f"{ADMIN}/", sent, follow=True)
    assert "The trials are queued" in response.content.decode()
    seeded.refresh_from_db()
    assert seeded.probe == {}
    assert seeded.probe_wanted_at is not None
