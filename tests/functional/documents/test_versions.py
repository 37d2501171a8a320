"""The page of a document's versions: the next one is uploaded, and the history is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accounts.models import AuditEvent
from documents import curating, indexing
from documents.models import Chunk, Document, DocumentVersion
from documents.problems import explain
from documents.retrieval import search_lexical
from tests.functional.documents.conftest import HOSTILE, file_of

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings

    from accounts.models import User
    from documents.models import KnowledgeBase

NEWER = "# Sleep\n\nTake a walk before noon."


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def address(document: Document) -> str:
    return f"/documents/{document.pk}/versions/"


def send(client: Client, document: Document, content: str | bytes, name: str = "new.md") -> str:
    response = client.post(address(document), {"file": file_of(content, name)}, follow=True)
    return response.content.decode()


def found(viewer: User, base: KnowledgeBase, token: str) -> int:
    return len(search_lexical(viewer, [base], [token], 10))


def test_the_present_version_is_searched_until_the_new_one_is_ready(
    client: Client, alice: User, bob: User, document: Document, knowledge_base: KnowledgeBase
) -> None:
    knowledge_base.refresh_from_db()
    client.force_login(alice)
    page = send(client, document, NEWER)
    assert "Version 2 is received." in page
    assert "Version 1 is searched until a newer one is ready." in page
    assert (found(bob, knowledge_base, "coffe"), found(bob, knowledge_base, "noon")) == (1, 0)

    indexing.index_document(document.versions.get(number=2).pk)
    assert (found(bob, knowledge_base, "coffe"), found(bob, knowledge_base, "noon")) == (0, 1)
    assert set(Chunk.objects.values_list("version__number", flat=True)) == {2}
    assert "is searched until" not in client.get(address(document)).content.decode()


def test_a_new_version_that_fails_leaves_the_present_one_and_says_why(
    client: Client, alice: User, bob: User, document: Document, knowledge_base: KnowledgeBase
) -> None:
    knowledge_base.refresh_from_db()
    client.force_login(alice)
    send(client, document, b"   \n", "blank.txt")
    failed = document.versions.get(number=2)
    indexing.index_document(failed.pk)
    failed.refresh_from_db()
    assert failed.state == DocumentVersion.State.FAILED
    page = client.get(address(document)).content.decode()
    assert page.count(str(explain(failed.error_code).sentence)) == 2, "in the history and above it"
    assert "Version 1 is searched until a newer one is ready." in page
    assert found(bob, knowledge_base, "coffe") == 1


def test_the_history_names_file_state_and_who_sent_it(
    client: Client, alice: User, admin: User, document: Document
) -> None:
    client.force_login(admin)
    send(client, document, NEWER)
    indexing.index_document(document.versions.get(number=2).pk)
    client.force_login(alice)
    page = client.get(address(document)).content.decode()
    newer, older = page.split("<tbody>")[1].split("</tbody>")[0].split("</tr>")[:2]
    assert "new.md" in newer
    assert "by admin" in newer
    assert "Searched now" in newer
    assert "sleep.md" in older
    assert "by alice" in older
    assert "Replaced" in older
    first = document.versions.get(number=1)
    read = client.get(f"/documents/{document.pk}/source/?version={first.pk}").content.decode()
    assert "Coffee late in the day" in read
    event = AuditEvent.objects.get(action="document.upload_version")
    assert (event.actor, event.target_id) == (admin, str(document.pk))


def test_one_goes_back_by_uploading_an_earlier_version_again(
    client: Client, alice: User, document: Document
) -> None:
    client.force_login(alice)
    assert "This is the file of the newest version already." in send(client, document, HOSTILE)
    send(client, document, NEWER)
    assert "Version 3 is received." in send(client, document, HOSTILE)
    for number in (3, 2):
        indexing.index_document(document.versions.get(number=number).pk)
    document.refresh_from_db()
    assert document.current_version == document.versions.get(number=3)
    assert document.versions.get(number=2).state == DocumentVersion.State.CANCELLED


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "The file is empty."), (b"MZ\x90\x00", "cannot be read")]
)
def test_a_file_that_is_refused_makes_no_version(
    client: Client, alice: User, document: Document, content: bytes, said: str
) -> None:
    client.force_login(alice)
    assert said in send(client, document, content, "tool.exe" if content else "new.md")
    assert document.versions.count() == 1
    assert "Choose a file." in client.post(address(document), follow=True).content.decode()


def test_the_file_of_another_document_is_not_taken_a_second_time(
    client: Client, alice: User, document: Document
) -> None:
    client.force_login(alice)
    client.post("/knowledge-bases/health/upload/", {"files": file_of(NEWER, "walks.md")})
    assert "The same file is here already: walks" in send(client, document, NEWER)
    assert document.versions.count() == 1


@pytest.mark.parametrize("who", ["bob", "charlie"])
def test_nobody_but_curators_sees_the_history_or_adds_to_it(
    client: Client, request: pytest.FixtureRequest, document: Document, who: str
) -> None:
    client.force_login(request.getfixturevalue(who))
    assert client.get(address(document)).status_code == 404
    assert client.post(address(document), {"file": file_of(NEWER)}).status_code == 404
    assert document.versions.count() == 1


def test_a_deleted_document_takes_no_version(
    client: Client, alice: User, document: Document
) -> None:
    curating.delete_document(actor=alice, document=document)
    client.force_login(alice)
    assert client.post(address(document), {"file": file_of(NEWER)}).status_code == 404
