"""The source viewer's picture of a printed page, in the browser's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from documents import indexing, page_rendering, tasks, uploading
from documents.models import PageImage, ParsedText
from tests.functional.documents.conftest import file_of
from tests.unit.documents.parsing.builders import pdf, write_lines

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings

    from accounts.models import User
    from documents.models import Document, DocumentVersion, KnowledgeBase

HTMX = {"HX-Request": "true"}
LINES = ["Keep the bedroom dark, cool and quiet, and go", "to bed at the same hour every day."]


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr(tasks.render_page, "delay", lambda pk: None)


@pytest.fixture
def version(knowledge_base: KnowledgeBase, alice: User) -> DocumentVersion:
    data = pdf(lambda canvas: write_lines(canvas, LINES, top=500))
    outcome = uploading.upload(
        actor=alice, knowledge_base=knowledge_base, file=file_of(data, "sleep.pdf")
    )
    indexing.index_document(outcome.version.pk)
    return outcome.version


def cited(version: DocumentVersion) -> str:
    start = ParsedText.objects.get(version=version).text.index("same hour")
    return f"?start={start}&end={start + 9}"


def test_the_source_asks_for_the_picture_of_its_page(
    client: Client, bob: User, version: DocumentVersion
) -> None:
    client.force_login(bob)
    span = cited(version).replace("&", "&amp;")
    shown = client.get(reverse("documents:source", args=[version.document_id]) + cited(version))
    address = reverse("documents:printed_page", args=[version.pk, 1])
    assert f'hx-get="{address}{span}"' in shown.content.decode()


def test_a_text_has_no_picture_to_ask_for(client: Client, bob: User, document: Document) -> None:
    client.force_login(bob)
    shown = client.get(reverse("documents:source", args=[document.pk]))
    assert "printed-page" not in shown.content.decode()


def test_the_picture_asks_until_it_is_drawn_and_then_shows_the_marks(
    client: Client, bob: User, version: DocumentVersion
) -> None:
    client.force_login(bob)
    address = reverse("documents:printed_page", args=[version.pk, 1]) + cited(version)
    waiting = client.get(address, headers=HTMX).content.decode()
    assert 'hx-trigger="every 2s"' in waiting
    assert "<svg" not in waiting

    page_rendering.render(PageImage.objects.get().pk)
    drawn = client.get(address, headers=HTMX, HTTP_ACCEPT_LANGUAGE="de").content.decode()

    assert "hx-trigger" not in drawn
    assert 'viewBox="0 0 400.0 600.0"' in drawn
    assert "the cited lines marked" in drawn
    assert len(re.findall(r'<rect class="mark" x="\d+\.\d" y="\d+\.\d"', drawn)) == 1
    assert "style=" not in drawn


def test_without_scripts_the_picture_has_a_page_of_its_own(
    client: Client, bob: User, version: DocumentVersion
) -> None:
    client.force_login(bob)
    shown = client.get(reverse("documents:printed_page", args=[version.pk, 1])).content.decode()
    assert "<html" in shown
    assert reverse("documents:source", args=[version.document_id]) in shown


def test_a_page_that_cannot_be_drawn_says_so_and_stops_asking(
    client: Client, bob: User, version: DocumentVersion
) -> None:
    client.force_login(bob)
    PageImage.objects.create(version=version, page=1, state="failed", error_code="no_page")
    address = reverse("documents:printed_page", args=[version.pk, 1])
    shown = client.get(address, headers=HTMX).content.decode()
    assert "cannot be drawn" in shown
    assert "hx-trigger" not in shown


def test_the_picture_is_kept_by_nobody_and_taken_for_nothing_else(
    client: Client, bob: User, version: DocumentVersion
) -> None:
    client.force_login(bob)
    client.get(reverse("documents:printed_page", args=[version.pk, 1]))
    page_rendering.render(PageImage.objects.get().pk)
    response = client.get(reverse("documents:page_picture", args=[version.pk, 1]))
    assert response["Content-Type"] == "image/webp"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    assert response.content[8:12] == b"WEBP"


@pytest.mark.parametrize("name", ["printed_page", "page_picture"])
def test_a_stranger_finds_neither(
    client: Client, charlie: User, version: DocumentVersion, name: str
) -> None:
    PageImage.objects.create(version=version, page=1)
    page_rendering.render(PageImage.objects.get().pk)
    client.force_login(charlie)
    address = reverse(f"documents:{name}", args=[version.pk, 1])
    assert client.get(address).status_code == 404
