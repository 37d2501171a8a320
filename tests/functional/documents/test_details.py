"""Tags, what takes a document's place, and taking a change of the details back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group

from accounts.models import AuditEvent
from documents import curating
from documents.models import Document, KnowledgeBase

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User

BASE = "/knowledge-bases/health/"


def text(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def made(base: KnowledgeBase, title: str, *tags: str) -> Document:
    return Document.objects.create(knowledge_base=base, title=title, tags=list(tags))


# ---- tags -----------------------------------------------------------------------------------
def test_the_list_offers_its_tags_and_is_filtered_by_one(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    tea = made(knowledge_base, "Tea", "drinks", "R&D+1")
    made(knowledge_base, "Sleep", "night")
    client.force_login(bob)
    page = text(client, BASE)
    assert re.findall(r"<option>([^<]*)</option>", page) == ["drinks", "night", "R&amp;D+1"]
    assert f"{BASE}?tag=R%26D%2B1" in page
    response = client.get(BASE, {"tag": "R&D+1"})
    assert [row.document for row in response.context["rows"]] == [tea]
    assert "<option selected>R&amp;D+1</option>" in response.content.decode()


def test_tags_stand_on_the_pages_of_the_document_and_lead_to_what_else_has_them(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    document = made(knowledge_base, "Sleeping", "sleep & rest")
    client.force_login(bob)
    link = 'href="/knowledge-bases/health/?tag=sleep%20%26%20rest">'
    for page in ("", "source/"):
        assert link in client.get(f"/documents/{document.pk}/{page}").content.decode()


def test_tags_of_documents_one_may_not_read_are_not_offered(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    secret = made(knowledge_base, "Secret", "merger")
    secret.visible_to_groups.set([Group.objects.create(name="Board")])
    client.force_login(bob)
    assert "merger" not in text(client, BASE)
    assert list(client.get(BASE, {"tag": "merger"}).context["rows"]) == []


# ---- what takes its place -------------------------------------------------------------------
def test_the_newer_document_is_found_by_title_however_many_there_are(
    client: Client, alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    wanted = made(knowledge_base, "Sleep, second edition")
    for number in range(12):
        made(knowledge_base, f"Other {number}")
    client.force_login(alice)
    path = f"/documents/{document.pk}/"
    page = text(client, path)
    assert "second edition" not in page
    assert "There are more" in page
    found = text(client, f"{path}successors/?successor=second")
    assert f'value="{wanted.pk}"' in found
    assert "Other" not in found
    assert "second edition" in text(client, f"{path}?successor=SECOND")
    client.post(path, {"title": document.title, "superseded_by": wanted.pk})
    document.refresh_from_db()
    assert document.superseded_by == wanted
    assert f'value="{wanted.pk}" checked' in text(client, path)


def test_what_was_chosen_stays_in_view_while_one_searches_on(
    client: Client, alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    chosen = made(knowledge_base, "Chosen")
    client.force_login(alice)
    path = f"/documents/{document.pk}/successors/"
    page = text(client, f"{path}?successor=nowhere&superseded_by={chosen.pk}")
    assert f'value="{chosen.pk}" checked' in page
    assert "No other document fits." in page
    assert "checked" in text(client, f"{path}?superseded_by=1-2")


def test_neither_the_document_itself_nor_one_from_elsewhere_is_offered_or_taken(
    client: Client, alice: User, document: Document
) -> None:
    elsewhere = KnowledgeBase.objects.create(name="Other", slug="other")
    foreign = made(elsewhere, "Sleeping elsewhere")
    client.force_login(alice)
    path = f"/documents/{document.pk}/"
    found = text(client, f"{path}successors/?successor=s&superseded_by={foreign.pk}")
    assert "Sleeping elsewhere" not in found
    assert f'value="{document.pk}"' not in found
    for successor in (foreign, document):
        response = client.post(path, {"title": document.title, "superseded_by": successor.pk})
        assert response.status_code == 422


# ---- the way back -----------------------------------------------------------------------------
def test_a_change_of_the_details_is_taken_back_by_one_click(
    client: Client, alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    newer, board = made(knowledge_base, "Newer"), Group.objects.create(name="Board")
    client.force_login(alice)
    path = f"/documents/{document.pk}/"
    before = document.title, document.tags, None, None
    form = {
        "title": "Other",
        "tags": "a, b",
        "expires_at": "2031-01-01",
        "superseded_by": newer.pk,
        "visible_to_groups": [board.pk],
    }
    page = client.post(path, form, follow=True).content.decode()
    (events,) = re.findall(r'name="events" value="([\d-]+)"', page)
    page = client.post(f"{path}undo/", {"events": events}, follow=True).content.decode()
    assert "as they were before" in page
    document.refresh_from_db()
    assert (document.title, document.tags, document.expires_at, document.superseded_by) == before
    assert not document.visible_to_groups.exists()
    assert AuditEvent.objects.filter(action="document.update").count() == 2


def test_saving_without_a_change_offers_nothing_to_take_back(
    client: Client, alice: User, document: Document
) -> None:
    client.force_login(alice)
    sent = {"title": document.title}
    page = client.post(f"/documents/{document.pk}/", sent, follow=True).content.decode()
    assert "details are saved" in page
    assert 'name="events"' not in page


def test_what_was_changed_again_since_is_not_taken_back(
    client: Client, alice: User, document: Document
) -> None:
    first = curating.save_details(
        actor=alice, document=document, changes={"title": "One", "tags": ["x"]}, groups=[]
    )
    curating.update_document(actor=alice, document=document, changes={"title": "Two"})
    client.force_login(alice)
    path = f"/documents/{document.pk}/undo/"
    sent = {"events": "-".join(map(str, first))}
    assert "changed again since" in client.post(path, sent, follow=True).content.decode()
    document.refresh_from_db()
    assert (document.title, document.tags) == ("Two", ["x"])


def test_a_restriction_is_not_lifted_because_a_group_is_gone(
    client: Client, alice: User, document: Document
) -> None:
    gone, board = Group.objects.create(name="Gone"), Group.objects.create(name="Board")
    curating.set_visibility_groups(actor=alice, document=document, groups=[gone])
    events = curating.save_details(actor=alice, document=document, changes={}, groups=[board])
    gone.delete()
    client.force_login(alice)
    client.post(f"/documents/{document.pk}/undo/", {"events": str(events[0])})
    assert list(document.visible_to_groups.all()) == [board]


@pytest.mark.parametrize("events", ["", "x", "1-", "9" * 30, "-1"])
def test_nonsense_and_changes_of_other_documents_change_nothing(
    client: Client, alice: User, document: Document, knowledge_base: KnowledgeBase, events: str
) -> None:
    other = made(knowledge_base, "Other")
    changed = curating.save_details(
        actor=alice, document=other, changes={"title": "Changed"}, groups=[]
    )
    client.force_login(alice)
    for sent in (events, str(changed[0])):
        response = client.post(f"/documents/{document.pk}/undo/", {"events": sent})
        assert response.status_code == 302
    other.refresh_from_db()
    document.refresh_from_db()
    assert (other.title, document.title) == ("Changed", document.title)
    assert AuditEvent.objects.filter(action="document.update").count() == 1


def test_a_viewer_and_a_stranger_take_nothing_back(
    client: Client, alice: User, bob: User, charlie: User, document: Document
) -> None:
    events = curating.save_details(
        actor=alice, document=document, changes={"title": "Changed"}, groups=[]
    )
    for somebody in (bob, charlie):
        client.force_login(somebody)
        sent = {"events": str(events[0])}
        assert client.post(f"/documents/{document.pk}/undo/", sent).status_code == 404
        assert client.get(f"/documents/{document.pk}/successors/").status_code == 404
    document.refresh_from_db()
    assert document.title == "Changed"
