"""Archives and web pages on the pages: asked for, watched, ended, and not seen by strangers."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import AuditEvent
from documents import archives
from documents.deliveries import DeliveredFile, Delivery
from documents.models import Document, KnowledgeBase, Membership
from ragsite import health
from tests.functional.test_languages import english_words

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings

    from accounts.models import User

State = Delivery.State
BASE = "/knowledge-bases/health/"
ADDRESS = "https://example.org/sleep"
JSON = {"Accept": "application/json"}
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MEDIA_ROOT = tmp_path
    cache.clear()
    monkeypatch.setattr(health, "worker_state", lambda queue: "ready")


def archive(**files: str) -> SimpleUploadedFile:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for name, content in files.items():
            packed.writestr(name.replace("__", "."), content)
    return SimpleUploadedFile("All files.zip", data.getvalue())


def delivery(base: KnowledgeBase, kind: str = Delivery.Kind.ARCHIVE, **given: Any) -> Delivery:
    return Delivery.objects.create(knowledge_base=base, kind=kind, name="Late files", **given)


def send(client: Client, file: SimpleUploadedFile) -> dict[str, Any]:
    """Upload as the script does; what is said of the file."""
    file.seek(0)
    response = client.post(f"{BASE}upload/", {"files": file}, headers=JSON)
    (result,) = json.loads(response.content)["files"]
    return dict(result)


def text(client: Client, path: str, **kwargs: Any) -> str:
    return client.get(path, **kwargs).content.decode()


def test_an_uploaded_archive_waits_on_the_page_and_is_followed_until_it_is_done(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    file = archive(a__md="Nap.", b__mp4="film")
    sent = send(client, file)
    assert (sent["ok"], sent["duplicate"]) == (True, False)
    waiting = Delivery.objects.get()
    row = f"/deliveries/{waiting.pk}/row/"
    assert sent["url"] == f"/deliveries/{waiting.pk}/"
    assert f'hx-get="{row}"' in text(client, BASE)
    assert "HX-Trigger" not in client.get(row, headers=HTMX)
    again = send(client, file)
    assert (again["duplicate"], again["url"]) == (True, sent["url"])

    archives.unpack(waiting.pk)
    response = client.get(row, headers=HTMX)
    assert "delivered" in json.loads(response["HX-Trigger"]), "the list of documents hears of it"
    followed = response.content.decode()
    assert "hx-get" not in followed
    assert "received 1, here already 0, not taken 1" in followed
    page = text(client, sent["url"])
    assert page.index("b.mp4") < page.index("a.md"), "what was not taken comes first"
    assert "Files of this type cannot be read." in page
    assert f'href="/documents/{Document.objects.get().pk}/"' in page


def test_a_page_with_an_archive_on_its_way_says_when_nobody_works(
    client: Client, alice: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "worker_state", lambda queue: "down")
    client.force_login(alice)
    shown = delivery(knowledge_base)
    for page in (BASE, f"/deliveries/{shown.pk}/"):
        assert "Documents are not being processed" in text(client, page)
    Delivery.objects.update(state=State.DONE, finished_at=timezone.now())
    assert "Documents are not being processed" not in text(client, BASE)


def test_a_bad_archive_is_refused_beside_good_files(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    files = [SimpleUploadedFile("bad.zip", b"text"), SimpleUploadedFile("good.txt", b"Good.")]
    page = client.post(f"{BASE}upload/", {"files": files}, follow=True).content.decode()
    assert "bad.zip: The file is not what its name says" in page
    assert "good.txt: Received" in page
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_cancel_and_try_again_are_one_click_each(
    client: Client, alice: User, knowledge_base: KnowledgeBase, headers: dict[str, str]
) -> None:
    client.force_login(alice)
    shown = delivery(knowledge_base, Delivery.Kind.WEB_PAGE, address=ADDRESS)
    client.post(f"/deliveries/{shown.pk}/cancel/", headers=headers)
    shown.refresh_from_db()
    assert shown.state == State.CANCELLED
    Delivery.objects.update(state=State.FAILED, error_code="web_unreachable")
    page = text(client, f"/deliveries/{shown.pk}/")
    assert "The server of this address could not be reached." in page
    assert "Try again" in page
    client.post(f"/deliveries/{shown.pk}/retry/", headers=headers)
    shown.refresh_from_db()
    assert (shown.state, shown.error_code) == (State.PENDING, "")
    actions = ["delivery.cancel", "delivery.retry"]
    assert AuditEvent.objects.filter(action__in=actions, actor=alice).count() == 2


def test_an_archive_that_is_not_kept_any_more_cannot_be_tried_again(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    shown = delivery(knowledge_base, state=State.FAILED, error_code="truncated")
    assert "/retry/" not in text(client, f"/deliveries/{shown.pk}/")
    client.post(f"/deliveries/{shown.pk}/retry/")
    shown.refresh_from_db()
    assert shown.state == State.FAILED


def test_a_page_is_asked_for_by_its_address_and_nothing_is_fetched_meanwhile(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    page = client.post(f"{BASE}fetch/", {"address": f" {ADDRESS}#bed "}, follow=True)
    waiting = Delivery.objects.get()
    assert (waiting.address, waiting.state, waiting.document) == (ADDRESS, State.PENDING, None)
    assert "The page is fetched and then read" in page.content.decode()
    page = client.post(f"{BASE}fetch/", {"address": ADDRESS}, follow=True)
    assert "being fetched already" in page.content.decode()
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize(
    "address", ["", "example", "file:///etc/passwd", "http://a.org:81/", "http://me:pw@a.org/"]
)
def test_an_address_that_cannot_be_one_is_refused_with_a_remedy(
    client: Client, alice: User, knowledge_base: KnowledgeBase, address: str
) -> None:
    client.force_login(alice)
    page = client.post(f"{BASE}fetch/", {"address": address}, follow=True).content.decode()
    assert "The address is not a public one" in page
    assert "Save the page as a file" in page
    assert not Delivery.objects.exists()


def test_a_document_from_the_web_is_fetched_again_by_a_click(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    document = Document.objects.create(
        knowledge_base=knowledge_base, title="Sleep", source_url=ADDRESS
    )
    page = f"/documents/{document.pk}/"
    assert f"{page}fetch/" in text(client, page)
    client.post(f"{page}fetch/")
    assert Delivery.objects.get().document == document
    other = Document.objects.create(knowledge_base=knowledge_base, title="Walk")
    assert "/fetch/" not in text(client, f"/documents/{other.pk}/")
    refused = client.post(f"/documents/{other.pk}/fetch/", follow=True).content.decode()
    assert "The address is not a public one" in refused


def test_the_way_to_the_web_can_be_switched_off(
    client: Client, alice: User, knowledge_base: KnowledgeBase, settings: Settings
) -> None:
    settings.RAGSITE_WEB_PAGES = False
    client.force_login(alice)
    document = Document.objects.create(
        knowledge_base=knowledge_base, title="Sleep", source_url=ADDRESS
    )
    assert "/fetch/" not in text(client, BASE) + text(client, f"/documents/{document.pk}/")
    page = client.post(f"{BASE}fetch/", {"address": ADDRESS}, follow=True).content.decode()
    assert "Fetching of web pages is switched off here." in page
    assert not Delivery.objects.exists()


def test_an_archive_s_page_in_chinese_holds_no_english_but_names_and_sizes(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    for code, state in (("archive_bomb", State.FAILED), ("lost", State.FAILED), ("", State.DONE)):
        shown = delivery(knowledge_base, state=state, error_code=code, requested_by=alice)
        DeliveredFile.objects.create(
            delivery=shown, position=0, name="睡眠", outcome="refused", code="archive_nested"
        )
    for path in (BASE, f"/deliveries/{shown.pk}/"):
        page = text(client, path, headers={"accept-language": "zh-hans"})
        words = english_words(page.replace("Late files", ""))
        assert words == []


def test_names_in_an_archive_are_never_html(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    shown = delivery(knowledge_base, state=State.DONE)
    DeliveredFile.objects.create(delivery=shown, position=0, name="<script>alert(1)</script>.md")
    page = text(client, f"/deliveries/{shown.pk}/")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_curator_who_may_not_open_a_document_gets_no_link_to_it(
    client: Client, alice: User, bob: User, knowledge_base: KnowledgeBase
) -> None:
    Membership.objects.filter(user=bob).update(roles=[Membership.Role.CURATOR])
    shown = delivery(knowledge_base, state=State.DONE)
    other = KnowledgeBase.objects.create(name="Other", slug="other", visibility="private")
    hidden = Document.objects.create(knowledge_base=other, title="Hidden")
    DeliveredFile.objects.create(delivery=shown, position=0, name="a.md", document=hidden)
    client.force_login(bob)
    page = text(client, f"/deliveries/{shown.pk}/")
    assert "a.md" in page
    assert f"/documents/{hidden.pk}/" not in page


def test_a_viewer_sees_nothing_of_what_is_on_its_way_in(
    client: Client, bob: User, knowledge_base: KnowledgeBase
) -> None:
    delivery(knowledge_base)
    client.force_login(bob)
    page = text(client, BASE)
    assert "Late files" not in page
    assert "/fetch/" not in page
    assert client.post(f"{BASE}fetch/", {"address": ADDRESS}).status_code == 404
    assert Delivery.objects.count() == 1
