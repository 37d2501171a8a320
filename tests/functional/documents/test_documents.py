"""Document pages: uploading, the list and its states, details, passages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.core.cache import cache

from accounts.models import AuditEvent
from documents import curating, indexing
from documents.models import Chunk, Document, DocumentVersion, KnowledgeBase, Membership
from documents.parsing.registry import SUPPORTED
from ragsite import health
from tests.functional.documents.conftest import file_of

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import DjangoAssertNumQueries, Settings

    from accounts.models import User

State = DocumentVersion.State
BASE = "/knowledge-bases/health/"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture(autouse=True)
def _worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are asked without looking for a worker, unless a test says how it is."""
    cache.clear()
    monkeypatch.setattr(health, "worker_state", lambda queue: "ready")


def waiting(base: KnowledgeBase, title: str, state: str = State.PENDING) -> Document:
    document = Document.objects.create(knowledge_base=base, title=title)
    DocumentVersion.objects.create(
        document=document,
        knowledge_base=base,
        filename=f"{title}.txt",
        media_type="text/plain",
        size=7,
        sha256=title.rjust(64, "0")[:64],
        state=state,
        error_code="encrypted" if state == State.FAILED else "",
    )
    return document


def text(client: Client, path: str, **kwargs: Any) -> str:
    return client.get(path, **kwargs).content.decode()


# ---- uploading ------------------------------------------------------------------------------
def test_several_files_are_taken_at_once_and_a_bad_one_harms_no_other(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    files = [file_of("One."), file_of(b"", "empty.md"), file_of("Two.", "two.txt")]
    page = client.post(f"{BASE}upload/", {"files": files}, follow=True).content.decode()
    assert Document.objects.count() == 2
    assert "empty.md: The file is empty." in page
    assert "two.txt: Received" in page


def test_a_script_is_answered_in_json_and_told_of_duplicates(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    headers = {"Accept": "application/json"}
    first = client.post(f"{BASE}upload/", {"files": file_of("One.")}, headers=headers)
    again = client.post(f"{BASE}upload/", {"files": file_of("One.", "b.md")}, headers=headers)
    (stored,) = json.loads(first.content)["files"]
    (known,) = json.loads(again.content)["files"]
    assert (stored["ok"], stored["duplicate"]) == (True, False)
    assert (known["ok"], known["duplicate"]) == (True, True)
    assert known["url"] == stored["url"]


def test_an_upload_without_a_file_says_so(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    page = client.post(f"{BASE}upload/", follow=True).content.decode()
    assert "Choose at least one file." in page


def test_the_upload_form_offers_every_format_that_is_read_and_no_other(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    form = text(client, BASE).partition("data-upload")[2].partition("</form>")[0]
    accepted = re.search(r'accept="([^"]+)"', form)
    assert accepted is not None
    offered = [*SUPPORTED, ".zip"]
    assert accepted[1].split(",") == offered
    assert ", ".join(ending.removeprefix(".") for ending in offered) in form


def test_the_upload_form_has_every_word_and_part_that_its_script_looks_for(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    script = (settings.BASE_DIR / "static/js/upload.js").read_text()
    form = text(client, BASE).partition("data-upload")[2].partition("</form>")[0]
    words = {re.sub("[A-Z]", lambda one: "-" + one[0].lower(), word) for word in said_by(script)}
    assert words
    missing = [word for word in words if not re.search(f'data-{word}="[^"]+"', form)]
    assert not missing
    for part in re.findall(r'querySelector\("\.([\w-]+)"\)', script):
        assert f'class="{part}' in form
    for button in ("data-cancel", "data-retry"):
        assert f"[{button}]" in script
        assert button in form


def said_by(script: str) -> set[str]:
    return set(re.findall(r"\bwords\.(\w+)", script))


def test_a_viewer_has_no_upload_form_and_may_not_upload(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(bob)
    assert "data-upload" not in text(client, BASE)
    assert client.post(f"{BASE}upload/", {"files": file_of("One.")}).status_code == 404
    assert not Document.objects.exists()


# ---- the list -------------------------------------------------------------------------------
def test_a_row_asks_for_itself_only_until_its_state_is_final(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    document = waiting(knowledge_base, "Sleep")
    client.force_login(bob)
    row = f"/documents/{document.pk}/row/"
    assert 'hx-trigger="every 2s"' in text(client, BASE)
    assert 'hx-trigger="every 2s"' in text(client, row)
    DocumentVersion.objects.update(state=State.READY)
    assert "every 2s" not in text(client, row)
    assert "every 2s" not in text(client, BASE)


def test_what_is_focused_in_a_row_is_found_again_when_the_row_asks_for_itself(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    document = waiting(knowledge_base, "slow")
    curating.update_document(actor=alice, document=document, changes={"tags": ["one", "two"]})
    row = text(client, f"/documents/{document.pk}/row/")
    assert "hx-trigger" in row
    focusable = re.findall(r"<(?:a|button)\b[^>]*>", row)
    ids = [found[1] for each in focusable if (found := re.search(r'\bid="([^"]+)"', each))]
    assert len(ids) == len(set(ids)) == len(focusable) == 6
    # Each button says of which document it is.
    assert row.count(f'aria-describedby="document-{document.pk}-title"') == row.count("<button")
    assert 'title="Has waited so long"><span class="visually-hidden">Has waited so long:' in row


def test_the_state_on_the_document_page_ends_in_a_fresh_page(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    document = waiting(knowledge_base, "Sleep")
    client.force_login(bob)
    state = f"/documents/{document.pk}/state/"
    assert "HX-Refresh" not in client.get(state)
    DocumentVersion.objects.update(state=State.READY)
    assert client.get(state)["HX-Refresh"] == "true"


def test_a_failure_is_shown_with_its_sentence_its_remedy_and_a_way_to_try_again(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    document = waiting(knowledge_base, "Secret", State.FAILED)
    client.force_login(alice)
    page = text(client, BASE)
    assert "protected by a password" in page
    assert "Remove the password" in page
    row = client.post(f"/documents/{document.pk}/reprocess/", headers=HTMX).content.decode()
    assert "every 2s" in row
    assert document.versions.get().state == State.PENDING


def test_all_failures_are_tried_again_at_once(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    for title, state in (("a", State.FAILED), ("b", State.CANCELLED)):
        waiting(knowledge_base, title, state)
    client.force_login(alice)
    assert "2 documents are not processed: that failed or was cancelled." in text(client, BASE)
    page = client.post(f"{BASE}retry/", follow=True).content.decode()
    assert "2 documents are queued again." in page
    assert set(DocumentVersion.objects.values_list("state", flat=True)) == {State.PENDING}


@pytest.mark.parametrize(
    ("said", "words"),
    [("down", "not being processed"), ("loading", "models are loading"), ("ready", "")],
)
def test_curators_are_told_when_documents_wait_for_a_worker(
    client: Client,
    alice: User,
    knowledge_base: KnowledgeBase,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    words: str,
) -> None:
    monkeypatch.setattr(health, "worker_state", lambda queue: said)
    waiting(knowledge_base, "Sleep")
    client.force_login(alice)
    page = text(client, BASE)
    assert words in page
    assert ("not being processed" in page) == (said == "down")


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", {"ready", "queued", "broken", "off"}),
        ("state=processing", {"queued"}),
        ("state=ready", {"ready", "off"}),
        ("state=failed", {"broken"}),
        ("state=disabled", {"off"}),
        ("q=brok", {"broken"}),
        ("q=queued.txt", {"queued"}),
        ("q=tagged", {"ready"}),
        ("q=nothing", set()),
        ("state=deleted", {"gone"}),
        ("state=nonsense&page=99", {"ready", "queued", "broken", "off"}),
    ],
)
def test_the_list_is_filtered_and_searched(
    client: Client, alice: User, knowledge_base: KnowledgeBase, query: str, titles: set[str]
) -> None:
    made = {
        title: waiting(knowledge_base, title, state)
        for title, state in (
            ("ready", State.READY),
            ("queued", State.PENDING),
            ("broken", State.FAILED),
            ("off", State.READY),
            ("gone", State.READY),
        )
    }
    curating.set_document_enabled(actor=alice, document=made["off"], enabled=False)
    curating.update_document(actor=alice, document=made["ready"], changes={"tags": ["tagged"]})
    curating.delete_document(actor=alice, document=made["gone"])
    client.force_login(alice)
    response = client.get(f"{BASE}?{query}")
    assert {row.document.title for row in response.context["rows"]} == titles


def test_a_viewer_sees_neither_deleted_nor_disabled_documents(
    client: Client, alice: User, bob: User, knowledge_base: KnowledgeBase
) -> None:
    for title in ("gone", "off"):
        waiting(knowledge_base, title, State.READY)
    curating.delete_document(actor=alice, document=Document.objects.get(title="gone"))
    curating.set_document_enabled(
        actor=alice, document=Document.objects.get(title="off"), enabled=False
    )
    client.force_login(bob)
    for query in ("", "?state=deleted", "?state=disabled"):
        assert list(client.get(BASE + query).context["rows"]) == []


def test_the_list_asks_the_database_no_more_for_a_full_page_than_for_one_row(
    client: Client,
    alice: User,
    knowledge_base: KnowledgeBase,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(30):
        waiting(knowledge_base, f"Document {number:02}", State.READY)
    client.force_login(alice)
    with django_assert_max_num_queries(16):
        page = text(client, BASE)
    assert page.count('id="document-row-') == 25
    assert text(client, f"{BASE}?page=2").count('id="document-row-') == 5


# ---- one document ---------------------------------------------------------------------------
def test_details_are_changed_and_wrong_ones_come_back(
    client: Client, alice: User, document: Document
) -> None:
    client.force_login(alice)
    path = f"/documents/{document.pk}/"
    form = {"title": "Sleeping well", "effective_date": "2024-05-01", "tags": "sleep，night, sleep"}
    client.post(path, form)
    document.refresh_from_db()
    assert (document.title, document.tags) == ("Sleeping well", ["sleep", "night"])
    response = client.post(path, {**form, "title": "Other", "expires_at": "2020-01-01"})
    assert response.status_code == 422
    assert "cannot expire before" in response.content.decode()
    document.refresh_from_db()
    assert document.title == "Sleeping well"


def test_dates_are_changed_on_the_page_with_a_record_and_without_indexing_again(
    client: Client, alice: User, document: Document
) -> None:
    client.force_login(alice)
    path = f"/documents/{document.pk}/"
    versions = list(document.versions.values_list("pk", "state", "attempt"))
    dates = {"effective_date": "2019-05-01", "expires_at": "2021-12-31"}
    page = client.post(path, {"title": document.title, **dates}, follow=True).content.decode()
    assert "It counts as out of date." in page
    recorded = AuditEvent.objects.get(action="document.update")
    assert recorded.actor == alice
    assert recorded.data["changed"]["expires_at"] == [None, "2021-12-31"]
    assert list(document.versions.values_list("pk", "state", "attempt")) == versions


def test_a_changed_title_says_that_the_passages_wait_to_be_searched_under_it(
    client: Client, alice: User, document: Document
) -> None:
    client.force_login(alice)
    path = f"/documents/{document.pk}/"
    assert "to be searched anew" not in text(client, path)
    page = client.post(path, {"title": "Nightcaps"}, follow=True).content.decode()
    assert "to be searched anew" in page
    indexing.reindex_stale(document.pk)
    assert "to be searched anew" not in text(client, path)


def test_what_replaces_a_document_is_named_to_those_who_may_open_it(
    client: Client, alice: User, bob: User, document: Document
) -> None:
    newer = Document.objects.create(
        knowledge_base=document.knowledge_base, title="Sleep, 2025", created_by=alice
    )
    client.force_login(alice)
    path = f"/documents/{document.pk}/"
    client.post(path, {"title": document.title, "superseded_by": newer.pk})
    client.force_login(bob)
    assert "Sleep, 2025" in text(client, path)
    newer.is_enabled = False
    newer.save(update_fields=["is_enabled"])
    page = text(client, path)
    assert "Replaced by a newer document." in page
    assert "Sleep, 2025" not in page


def test_a_stranger_and_a_viewer_change_no_date(
    client: Client, bob: User, charlie: User, document: Document
) -> None:
    for somebody in (bob, charlie):
        client.force_login(somebody)
        sent = {"title": document.title, "expires_at": "2021-12-31"}
        assert client.post(f"/documents/{document.pk}/", sent).status_code == 404
    document.refresh_from_db()
    assert document.expires_at is None


def test_a_viewer_reads_about_a_document_without_its_controls(
    client: Client, bob: User, document: Document
) -> None:
    client.force_login(bob)
    page = text(client, f"/documents/{document.pk}/")
    assert "Download original" in page
    for control in ("/delete/", "/enabled/", "/reprocess/", "/passages/", "SHA-256"):
        assert control not in page


def test_disabling_and_deleting_can_be_undone(
    client: Client, alice: User, document: Document
) -> None:
    client.force_login(alice)
    path = f"/documents/{document.pk}/"
    client.post(f"{path}enabled/", {"enabled": "0"})
    assert "While it is disabled" in text(client, path)
    client.post(f"{path}enabled/", {"enabled": "1"})
    page = client.post(f"{path}delete/", follow=True).content.decode()
    assert f"{path}restore/" in page
    assert client.get(path).status_code == 404
    client.post(f"{path}restore/")
    assert client.get(path).status_code == 200


def test_a_passage_is_edited_disabled_and_had_back(
    client: Client, alice: User, document: Document, chunk: Chunk
) -> None:
    client.force_login(alice)
    path = f"/passages/{chunk.pk}/"
    assert path in text(client, f"/documents/{document.pk}/")
    edited = client.post(f"{path}edit/", {"text": "Melatonin helps."}, headers=HTMX)
    assert "Melatonin helps." in edited.content.decode()
    assert "<html" not in edited.content.decode()
    assert "Back to the original text" in text(client, f"{path}edit/")
    for page in (path, f"{path}edit/"):
        assert text(client, page).count("<h1>") == 1
    client.post(f"{path}edit/", {"revert": "1"})
    client.post(f"{path}enabled/", {"enabled": "0"})
    chunk.refresh_from_db()
    assert (chunk.text, chunk.is_enabled) == (chunk.generated_text, False)


def test_an_empty_passage_comes_back_with_the_reason(
    client: Client, alice: User, chunk: Chunk
) -> None:
    client.force_login(alice)
    response = client.post(f"/passages/{chunk.pk}/edit/", {"text": "  "}, headers=HTMX)
    assert response.status_code == 422
    assert "errorlist" in response.content.decode()


def test_uploaded_text_is_never_html(
    client: Client, alice: User, document: Document, chunk: Chunk
) -> None:
    client.force_login(alice)
    paths = [
        BASE,
        f"/documents/{document.pk}/",
        f"/documents/{document.pk}/source/?start=0&end=80",
        f"/passages/{chunk.pk}/",
        f"/passages/{chunk.pk}/edit/",
    ]
    for path in paths:
        page = text(client, path)
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page
        assert 'href="javascript:' not in page


# ---- sources and originals --------------------------------------------------------------------
def test_the_source_shows_the_cited_words_marked(
    client: Client, bob: User, document: Document
) -> None:
    client.force_login(bob)
    version = document.current_version
    assert version is not None
    parsed = version.parsed.text
    start = parsed.index("Coffee late")
    query = f"version={version.pk}&start={start}&end={start + 11}"
    page = text(client, f"/documents/{document.pk}/source/?{query}")
    assert '<mark id="cited">Coffee late</mark>' in page


@pytest.mark.parametrize("query", ["start=abc&end=-4&version=", "start=99999999999999999999"])
def test_a_source_with_nonsense_in_its_address_is_still_the_document(
    client: Client, bob: User, document: Document, query: str
) -> None:
    client.force_login(bob)
    response = client.get(f"/documents/{document.pk}/source/?{query}")
    assert response.status_code == 200
    assert "<mark" not in response.content.decode()


def test_the_original_is_saved_and_never_shown_as_a_page(
    client: Client, alice: User, bob: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    content = "<html><body><script>alert(1)</script>睡眠</body></html>"
    client.post(f"{BASE}upload/", {"files": file_of(content, "睡眠.html")})
    client.force_login(bob)
    response = client.get(f"/documents/{Document.objects.get().pk}/original/")
    assert response.content == content.encode()
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment;")
    assert "%E7%9D%A1%E7%9C%A0.html" in response["Content-Disposition"]
    assert response["X-Content-Type-Options"] == "nosniff"


def test_an_original_that_is_gone_is_not_found(
    client: Client, bob: User, document: Document
) -> None:
    version = document.current_version
    assert version is not None
    version.original.delete(save=False)
    client.force_login(bob)
    assert client.get(f"/documents/{document.pk}/original/").status_code == 404


@pytest.mark.parametrize("path", ["", "row/", "state/", "source/", "original/"])
def test_what_is_closed_to_a_viewer_is_closed_everywhere(
    client: Client, alice: User, bob: User, document: Document, path: str
) -> None:
    client.force_login(bob)
    assert client.get(f"/documents/{document.pk}/{path}").status_code == 200
    curating.set_document_enabled(actor=alice, document=document, enabled=False)
    assert client.get(f"/documents/{document.pk}/{path}").status_code == 404


def test_the_pages_speak_chinese(client: Client, alice: User, document: Document) -> None:
    client.force_login(alice)
    client.cookies["django_language"] = "zh-hans"
    for path in ("/knowledge-bases/", BASE, f"/documents/{document.pk}/", f"{BASE}members/"):
        page = text(client, path)
        assert '<html lang="zh-hans">' in page


def test_a_curator_by_group_curates(
    client: Client, charlie: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    from_group = charlie.groups.create(name="Librarians")
    Membership.objects.create(knowledge_base=knowledge_base, group=from_group, roles=["curator"])
    client.force_login(charlie)
    assert "data-upload" in text(client, BASE)
    assert client.post(f"/documents/{document.pk}/enabled/", {"enabled": "0"}).status_code == 302
