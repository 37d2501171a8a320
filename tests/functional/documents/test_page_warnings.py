"""What a document's pages say of pages that are pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from documents.models import DocumentVersion
from documents.problems import WARNINGS

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User
    from documents.models import Document

State = DocumentVersion.State


def said(client: Client, document: Document) -> str:
    return client.get(f"/documents/{document.pk}/state/").content.decode()


@pytest.mark.parametrize("code", sorted(WARNINGS))
def test_a_ready_document_says_which_pages_were_not_read_from_text(
    client: Client, alice: User, document: Document, code: str
) -> None:
    DocumentVersion.objects.update(metadata={f"warning.{code}": "1, 3–4"})
    client.force_login(alice)

    shown = said(client, document)

    assert str(WARNINGS[code].sentence) in shown
    assert str(WARNINGS[code].remedy) in shown
    assert "Pages: 1, 3–4." in shown
    assert (
        str(WARNINGS[code].sentence)
        in client.get(f"/documents/{document.pk}/row/").content.decode()
    )


@pytest.mark.parametrize("state", [State.PENDING, State.FAILED])
def test_what_was_found_before_is_not_said_of_a_document_that_is_not_ready(
    client: Client, alice: User, document: Document, state: str
) -> None:
    DocumentVersion.objects.update(metadata={"warning.recognised": "1"}, state=state)
    client.force_login(alice)

    assert str(WARNINGS["recognised"].sentence) not in said(client, document)
