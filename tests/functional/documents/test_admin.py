"""The admin of documents: rights by membership, changes by the services."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accounts.models import AuditEvent
from documents.models import Chunk, Document, DocumentVersion, KnowledgeBase, Membership

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User

ADMIN = "/admin/documents"


@pytest.fixture
def curator(charlie: User, knowledge_base: KnowledgeBase) -> User:
    """Staff, curator of ``knowledge_base``, without any of Django's permissions."""
    charlie.is_staff = True
    charlie.save()
    Membership.objects.create(knowledge_base=knowledge_base, user=charlie, roles=["curator"])
    return charlie


def act(client: Client, model: str, action: str, pk: int) -> int:
    response = client.post(
        f"{ADMIN}/{model}/", {"action": action, "_selected_action": [str(pk)]}, follow=True
    )
    return response.status_code


def form_of(client: Client, path: str) -> dict[str, object]:
    """What a browser would send back of a change page, unchanged."""
    context = client.get(path).context
    form = context["adminform"].form
    data: dict[str, object] = {}
    for name in form.fields:
        value = form[name].value()
        if isinstance(value, bool):
            if value:
                data[name] = "on"
        elif value is not None:
            data[name] = value
    for inline in context["inline_admin_formsets"]:
        data.update(
            {
                f"{inline.formset.prefix}-{key}": value
                for key, value in inline.formset.management_form.initial.items()
            }
        )
        for position, row in enumerate(inline.formset.initial_forms):
            data[f"{inline.formset.prefix}-{position}-id"] = row.instance.pk
            data[f"{inline.formset.prefix}-{position}-knowledge_base"] = getattr(
                row.instance, "knowledge_base_id", ""
            )
    return data


def test_a_curator_sees_the_documents_they_curate_and_no_others(
    client: Client, curator: User, document: Document
) -> None:
    other = KnowledgeBase.objects.create(name="Other", slug="other")
    Document.objects.create(knowledge_base=other, title="Payroll")
    client.force_login(curator)
    page = client.get(f"{ADMIN}/document/").content.decode()
    assert document.title.split()[0] in page
    assert "Payroll" not in page


def test_actions_reach_only_what_the_curator_curates(
    client: Client, curator: User, document: Document
) -> None:
    other = KnowledgeBase.objects.create(name="Other", slug="other")
    foreign = Document.objects.create(knowledge_base=other, title="Payroll")
    client.force_login(curator)
    act(client, "document", "disable", foreign.pk)
    act(client, "document", "disable", document.pk)
    foreign.refresh_from_db()
    document.refresh_from_db()
    assert (foreign.is_enabled, document.is_enabled) == (True, False)


def test_reindexing_from_the_admin_queues_the_document(
    client: Client, curator: User, document: Document
) -> None:
    client.force_login(curator)
    act(client, "document", "reindex", document.pk)
    assert document.versions.get().state == DocumentVersion.State.PENDING
    assert AuditEvent.objects.filter(action="document.reprocess", actor=curator).exists()


def test_a_document_is_changed_through_the_service(
    client: Client, curator: User, document: Document
) -> None:
    client.force_login(curator)
    path = f"{ADMIN}/document/{document.pk}/change/"
    data = {**form_of(client, path), "title": "Sleep anew", "effective_date": "2024-05-01"}
    assert client.post(path, data).status_code == 302
    document.refresh_from_db()
    assert document.title == "Sleep anew"
    assert AuditEvent.objects.filter(action="document.update", actor=curator).exists()
    response = client.post(path, {**data, "expires_at": "2020-01-01"})
    assert "cannot expire before" in response.content.decode()


def test_a_passage_is_edited_through_the_service(
    client: Client, curator: User, chunk: Chunk
) -> None:
    client.force_login(curator)
    path = f"{ADMIN}/chunk/{chunk.pk}/change/"
    assert client.post(path, {"text": "Melatonin helps."}).status_code == 302
    chunk.refresh_from_db()
    assert (chunk.text, chunk.is_edited) == ("Melatonin helps.", True)
    assert AuditEvent.objects.filter(action="chunk.edit", actor=curator).exists()


def test_uploaded_text_is_not_html_in_the_admin(
    client: Client, curator: User, document: Document, chunk: Chunk
) -> None:
    client.force_login(curator)
    for path in ("document/", f"document/{document.pk}/change/", f"chunk/{chunk.pk}/change/"):
        page = client.get(f"{ADMIN}/{path}").content.decode()
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page


def test_a_curator_looks_at_a_knowledge_base_that_only_its_owner_changes(
    client: Client, curator: User, alice: User, knowledge_base: KnowledgeBase
) -> None:
    path = f"{ADMIN}/knowledgebase/{knowledge_base.pk}/change/"
    client.force_login(curator)
    assert client.get(path).status_code == 200
    assert client.post(path, {"name": "Mine"}).status_code == 403
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    assert client.post(path, {**form_of(client, path), "name": "Ours"}).status_code == 302
    knowledge_base.refresh_from_db()
    assert knowledge_base.name == "Ours"
    assert AuditEvent.objects.filter(action="knowledge_base.update", actor=alice).exists()


def test_a_knowledge_base_is_created_in_the_admin_with_its_creator_as_owner(
    client: Client, admin: User
) -> None:
    client.force_login(admin)
    path = f"{ADMIN}/knowledgebase/add/"
    assert client.post(path, {**form_of(client, path), "name": "睡眠"}).status_code == 302
    base = KnowledgeBase.objects.get()
    assert base.slug == "睡眠"
    assert Membership.objects.get(knowledge_base=base).user == admin


def test_the_last_owner_stays_in_the_admin_too(
    client: Client, admin: User, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(admin)
    path = f"{ADMIN}/knowledgebase/{knowledge_base.pk}/change/"
    data = form_of(client, path)
    for position, membership in enumerate(Membership.objects.order_by("pk")):
        data[f"memberships-{position}-id"] = membership.pk
        data[f"memberships-{position}-user"] = membership.user_id
        data[f"memberships-{position}-roles"] = ["viewer"]
    page = client.post(path, data, follow=True).content.decode()
    assert "at least one owner" in page
    assert Membership.objects.get(user=alice).roles == ["owner"]


@pytest.mark.parametrize("model", ["embeddingspace", "indexgeneration", "documentversion"])
def test_the_index_is_only_looked_at(
    client: Client, curator: User, document: Document, model: str
) -> None:
    client.force_login(curator)
    assert client.get(f"{ADMIN}/{model}/").status_code == 200
    assert client.get(f"{ADMIN}/{model}/add/").status_code == 403


def test_nothing_is_erased_from_the_admin(client: Client, admin: User, document: Document) -> None:
    client.force_login(admin)
    assert (
        client.post(f"{ADMIN}/document/{document.pk}/delete/", {"post": "yes"}).status_code == 403
    )
    assert Document.objects.filter(pk=document.pk).exists()
