"""Deleted documents: listed, restored, and erased for good after a question."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from accounts.models import AuditEvent
from documents import curating
from documents.models import (
    Chunk,
    ChunkCuration,
    ChunkEmbedding,
    Document,
    Membership,
    ParsedText,
)
from documents.originals import erase_originals
from documents.retrieval import search_lexical

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

    from accounts.models import User
    from documents.models import KnowledgeBase

TRASH = "/knowledge-bases/health/?state=deleted"


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def deleted(document: Document, alice: User) -> Document:
    curating.delete_document(actor=alice, document=document)
    return document


def page(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_deleted_document_leaves_the_search_at_once_and_comes_back_by_one_click(
    client: Client, alice: User, bob: User, document: Document, knowledge_base: KnowledgeBase
) -> None:
    knowledge_base.refresh_from_db()
    client.force_login(alice)
    after = client.post(f"/documents/{document.pk}/delete/", follow=True).content.decode()
    assert f'action="/documents/{document.pk}/restore/"' in after, "it can be undone right here"
    assert search_lexical(bob, [knowledge_base], ["coffe"], 5) == []
    assert document.title.split()[0] in page(client, TRASH)
    client.post(f"/documents/{document.pk}/restore/")
    assert len(search_lexical(bob, [knowledge_base], ["coffe"], 5)) == 1


def test_erasing_asks_first(client: Client, alice: User, deleted: Document) -> None:
    client.force_login(alice)
    assert f"/documents/{deleted.pk}/purge/" in page(client, TRASH)
    asked = page(client, f"/documents/{deleted.pk}/purge/")
    assert "This cannot be undone." in asked
    assert Chunk.objects.filter(document=deleted).exists()


def test_erasing_leaves_hashes_and_nothing_to_read(
    client: Client,
    alice: User,
    deleted: Document,
    chunk: Chunk,
    media: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    Document.objects.filter(pk=deleted.pk).update(deleted_at=None)
    curating.edit_chunk(actor=alice, chunk=chunk, text="Edited by Alice.")
    curating.delete_document(actor=alice, document=deleted)
    sha256 = deleted.versions.get().sha256
    client.force_login(alice)
    with django_capture_on_commit_callbacks(execute=True):
        after = client.post(f"/documents/{deleted.pk}/purge/", follow=True).content.decode()
        assert len(files(media)) == 1, "the file goes after the transaction"
    assert "is erased for good" in after
    for model in (Chunk, ChunkEmbedding, ChunkCuration, ParsedText):
        assert not model.objects.exists()
    assert files(media) == []
    deleted.refresh_from_db()
    version = deleted.versions.get()
    assert (deleted.title, version.filename, version.metadata) == ("", "", {})
    assert (version.sha256, version.original.name) == (sha256, "")
    event = AuditEvent.objects.get(action="document.purge")
    assert (event.actor, event.data) == (alice, {"sha256": [sha256]})

    assert client.get(f"/documents/{deleted.pk}/purge/").status_code == 404
    assert client.post(f"/documents/{deleted.pk}/restore/").status_code == 404
    assert f"/documents/{deleted.pk}/" not in page(client, TRASH)


def test_a_file_that_outlived_its_document_is_erased_by_the_watchdog(
    deleted: Document, media: Path
) -> None:
    assert erase_originals() == 0, "a document in the trash keeps its file"
    Document.objects.filter(pk=deleted.pk).update(purged_at=deleted.created_at)
    assert erase_originals() == 1
    assert files(media) == []
    assert erase_originals() == 0


def test_a_document_that_is_not_deleted_cannot_be_erased(
    client: Client, alice: User, document: Document
) -> None:
    client.force_login(alice)
    assert client.get(f"/documents/{document.pk}/purge/").status_code == 404
    assert client.post(f"/documents/{document.pk}/purge/").status_code == 404
    assert Chunk.objects.filter(document=document).exists()


@pytest.mark.parametrize("roles", [None, [Membership.Role.VIEWER], [Membership.Role.CURATOR]])
def test_only_owners_erase(
    client: Client, charlie: User, deleted: Document, roles: list[str] | None
) -> None:
    base = deleted.knowledge_base
    if roles is not None:
        Membership.objects.create(knowledge_base=base, user=charlie, roles=roles)
    client.force_login(charlie)
    assert client.get(f"/documents/{deleted.pk}/purge/").status_code == 404
    assert client.post(f"/documents/{deleted.pk}/purge/").status_code == 404
    assert Chunk.objects.filter(document=deleted).exists()
    if roles == [Membership.Role.CURATOR]:
        listed = page(client, TRASH)
        assert f"/documents/{deleted.pk}/restore/" in listed
        assert "/purge/" not in listed
