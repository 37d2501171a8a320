"""The page of the index and that of edits without their passage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from documents import curating, indexing, rebuilding, uploading
from documents.models import Chunk, ChunkCuration, Document, IndexBuild, KnowledgeBase, Membership
from tests.functional.documents.conftest import file_of

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

    from accounts.models import User

BASE = "/knowledge-bases/health/"
INDEX = f"{BASE}index/"
FORM = {"embedder": "", "max_tokens": "100", "overlap_tokens": "10"}


def text(client: Client, path: str) -> str:
    return client.get(path).content.decode()


# ---- the index --------------------------------------------------------------------------------
def test_an_owner_has_the_index_built_watches_it_and_goes_back(
    client: Client, alice: User, document: Document, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    assert INDEX in text(client, BASE)
    page = client.post(INDEX, FORM, follow=True).content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert "Go back to it" not in page
    assert "HX-Refresh" not in client.get(f"{INDEX}state/")
    build = IndexBuild.objects.get()
    assert not rebuilding.continue_build(build.pk)
    assert client.get(f"{INDEX}state/")["HX-Refresh"] == "true"
    page = text(client, INDEX)
    assert "every 2s" not in page
    assert "Go back to it" in page
    assert "at most 180 tokens" in page
    page = client.post(f"{INDEX}back/", follow=True).content.decode()
    assert "Back to the index before" in page
    rebuilding.continue_build(IndexBuild.objects.latest("pk").pk)
    knowledge_base.refresh_from_db()
    assert knowledge_base.chunk_max_tokens == 180


def test_the_models_to_choose_from_are_those_of_the_settings(
    client: Client, alice: User, knowledge_base: KnowledgeBase, settings: Settings
) -> None:
    settings.RAGSITE_EMBEDDERS = ["BAAI/bge-m3"]
    client.force_login(alice)
    page = text(client, INDEX)
    assert '<option value="BAAI/bge-m3">' in page
    assert '<option value="none">' in page
    response = client.post(INDEX, {**FORM, "embedder": "/etc/model"})
    assert response.status_code == 422
    assert not IndexBuild.objects.exists()


def test_a_second_build_and_nonsense_are_turned_down(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    assert client.post(INDEX, {**FORM, "max_tokens": "7"}).status_code == 422
    assert client.post(INDEX, {**FORM, "overlap_tokens": "90"}).status_code == 422
    assert client.post(INDEX, FORM).status_code == 302
    response = client.post(INDEX, FORM)
    assert response.status_code == 422
    assert "already" in response.content.decode()


def test_a_build_is_cancelled_and_a_failed_one_says_why(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    client.post(INDEX, FORM)
    page = client.post(f"{INDEX}cancel/", follow=True).content.decode()
    assert "What is searched stays as it is." in page
    IndexBuild.objects.update(state="failed", error_code="model_changed")
    page = text(client, INDEX)
    assert "not configured any more" in page
    assert "What is searched is as it was." in page
    page = client.post(f"{INDEX}back/", follow=True).content.decode()
    assert "not kept any more" in page


@pytest.mark.parametrize("path", ["", "state/", "back/", "cancel/"])
def test_only_owners_change_the_index(
    client: Client, bob: User, charlie: User, knowledge_base: KnowledgeBase, path: str
) -> None:
    Membership.objects.create(knowledge_base=knowledge_base, user=charlie, roles=["curator"])
    for somebody in (bob, charlie):
        client.force_login(somebody)
        for response in (client.get(INDEX + path), client.post(INDEX + path, FORM)):
            assert response.status_code in {404, 405}
    assert not IndexBuild.objects.exists()


# ---- edits ------------------------------------------------------------------------------------
@pytest.fixture
def lost(alice: User, document: Document, chunk: Chunk) -> ChunkCuration:
    """An edit by Alice whose text a new version changed."""
    curating.edit_chunk(actor=alice, chunk=chunk, text="Melatonin <b>helps</b>.")
    new = "# Sleep\n\nGo to bed at the same hour, and sleep in a dark room."
    outcome = uploading.upload_version(actor=alice, document=document, file=file_of(new, "new.md"))
    indexing.index_document(outcome.version.pk)
    return ChunkCuration.objects.get()


def test_a_curator_is_told_shown_both_texts_and_applies_one(
    client: Client, alice: User, document: Document, lost: ChunkCuration
) -> None:
    client.force_login(alice)
    assert "1 edit has lost its passage." in text(client, BASE)
    page = text(client, f"{BASE}edits/")
    assert "Melatonin &lt;b&gt;helps&lt;/b&gt;." in page
    assert "in a dark room" in page
    passage = Chunk.objects.visible_to(alice).get(document=document)
    sent = {"passage": passage.pk, "text": "Melatonin helps in a dark room."}
    client.post(f"{BASE}edits/{lost.pk}/", sent)
    passage.refresh_from_db()
    assert passage.text == "Melatonin helps in a dark room."
    assert "has lost its passage" not in text(client, BASE)
    assert "Every edit has its passage" in text(client, f"{BASE}edits/")


def test_an_edit_is_dropped_and_that_is_taken_back(
    client: Client, alice: User, lost: ChunkCuration
) -> None:
    client.force_login(alice)
    path = f"{BASE}edits/{lost.pk}/"
    page = client.post(path, {"drop": "1"}, follow=True).content.decode()
    assert "is dropped" in page
    assert "Every edit has its passage" in page
    page = client.post(path, {"take_back": "1"}, follow=True).content.decode()
    assert "Which passage is it now?" in page


@pytest.mark.parametrize("passage", ["", "x", "9" * 30, "123456789"])
def test_without_a_passage_nothing_is_applied(
    client: Client, alice: User, lost: ChunkCuration, passage: str
) -> None:
    client.force_login(alice)
    client.post(f"{BASE}edits/{lost.pk}/", {"passage": passage, "text": "No."})
    lost.refresh_from_db()
    assert lost.settled_at is None
    assert not Chunk.objects.filter(text="No.").exists()


def test_viewers_strangers_and_other_knowledge_bases_find_no_edit(
    client: Client, alice: User, bob: User, charlie: User, lost: ChunkCuration
) -> None:
    for somebody in (bob, charlie):
        client.force_login(somebody)
        assert client.get(f"{BASE}edits/").status_code == 404
        assert client.post(f"{BASE}edits/{lost.pk}/", {"drop": "1"}).status_code == 404
    other = KnowledgeBase.objects.create(name="Other", slug="other")
    Membership.objects.create(knowledge_base=other, user=alice, roles=["owner"])
    client.force_login(alice)
    response = client.post(f"/knowledge-bases/other/edits/{lost.pk}/", {"drop": "1"})
    assert response.status_code == 404
    lost.refresh_from_db()
    assert lost.settled_at is None
