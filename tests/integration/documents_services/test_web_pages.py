"""Web pages: fetched by a worker, made documents, and fetched again when they change."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from accounts.models import AuditEvent
from documents import (
    curating,
    delivering,
    delivery_claims,
    delivery_tasks,
    fetching,
    indexing,
    purging,
    web_pages,
)
from documents.deliveries import DeliveredFile, Delivery
from documents.delivery_problems import PROBLEMS
from documents.fetching import FetchedPage, FetchRefused
from documents.models import Document, DocumentVersion, KnowledgeBase, Membership
from documents.parsing.base import ParseError
from documents.web_addresses import parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_django import Settings

    from accounts.models import User
    from documents.types import ParsedDocument

State = Delivery.State
Outcome = DeliveredFile.Outcome
ADDRESS = "https://example.org/guides/sleep?lang=en"
PAGE = (
    "<html><title>Sleeping well</title><p>Go to bed at the same hour.</p><!-- visit {} --></html>"
)


class Web:
    """Stands in for the network: what is at which address."""

    def __init__(self) -> None:
        self.data = PAGE.format(1).encode()
        self.media_type = "text/html"
        self.charset = ""
        self.asked: list[str] = []
        self.error: FetchRefused | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def fetch(self, address: str, **limits: Any) -> FetchedPage:
        assert limits["max_bytes"] > 0
        self.asked.append(address)
        self.meanwhile()
        if self.error:
            raise self.error
        return FetchedPage(parse(address), self.media_type, self.charset, self.data)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> Web:
    settings.MEDIA_ROOT = tmp_path
    web = Web()
    monkeypatch.setattr(fetching, "fetch", web.fetch)
    return web


def asked(alice: User, base: KnowledgeBase, address: str = ADDRESS) -> Delivery:
    return delivering.request_page(actor=alice, knowledge_base=base, address=address).delivery


def fetched(alice: User, base: KnowledgeBase) -> Delivery:
    delivery = asked(alice, base)
    web_pages.fetch(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def index() -> None:
    for version in DocumentVersion.objects.filter(state=DocumentVersion.State.PENDING):
        indexing.index_document(version.pk)


def test_a_page_becomes_a_document_that_knows_where_it_came_from(
    alice: User,
    knowledge_base: KnowledgeBase,
    web: Web,
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    with run_tasks():
        delivery = asked(alice, knowledge_base)
        assert web.asked == [], "not while the page is answered"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.files.get().outcome) == (State.DONE, Outcome.STORED)
    document = Document.objects.get()
    assert (document.title, document.source_url) == ("Sleeping well", ADDRESS)
    version = document.versions.get()
    assert (version.filename, version.media_type) == ("sleep.html", "text/html")
    assert version.state == "ready"
    assert AuditEvent.objects.get(action="delivery.request_web_page").actor == alice


def test_a_page_that_says_the_same_gets_no_new_version_though_its_bytes_changed(
    alice: User, knowledge_base: KnowledgeBase, web: Web
) -> None:
    fetched(alice, knowledge_base)
    index()
    same = fetched(alice, knowledge_base)
    web.data = PAGE.format(2).encode()
    changed_bytes = fetched(alice, knowledge_base)
    for delivery in (same, changed_bytes):
        assert (delivery.state, delivery.files.get().outcome) == (State.DONE, Outcome.UNCHANGED)
    assert DocumentVersion.objects.count() == 1


def test_a_page_that_says_something_else_gives_its_document_a_new_version(
    alice: User, knowledge_base: KnowledgeBase, web: Web
) -> None:
    fetched(alice, knowledge_base)
    index()
    document = Document.objects.get()
    web.data = b"<title>Sleeping well</title><p>Avoid coffee late in the day.</p>"
    delivery = delivering.fetch_again(actor=alice, document=document).delivery
    web_pages.fetch(delivery.pk)
    index()
    assert delivery.files.get().outcome == Outcome.STORED
    document.refresh_from_db()
    assert document.current_version is not None
    assert document.current_version.number == 2
    assert "coffee" in document.chunks.get().text


def test_a_page_that_takes_long_to_be_read_again_keeps_its_claim_and_ends_when_cancelled(
    alice: User, knowledge_base: KnowledgeBase, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(alice, knowledge_base)
    index()
    web.data = PAGE.format(2).encode()
    delivery = asked(alice, knowledge_base)

    def read(*_: object, cancelled: Callable[[], bool], **limits: float) -> ParsedDocument:
        before = Delivery.objects.get(pk=delivery.pk).heartbeat_at
        assert not cancelled()
        assert Delivery.objects.get(pk=delivery.pk).heartbeat_at != before
        Delivery.objects.update(state=State.CANCELLED)
        assert cancelled()
        raise ParseError("cancelled")

    monkeypatch.setattr(delivery_claims, "HEARTBEAT_EVERY_S", 0)
    monkeypatch.setattr(web_pages, "parse_file", read)
    web_pages.fetch(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.files.count()) == (State.CANCELLED, 0)
    assert DocumentVersion.objects.count() == 1


def test_a_page_of_the_same_bytes_is_not_read_again(
    alice: User, knowledge_base: KnowledgeBase, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched(alice, knowledge_base)
    index()
    monkeypatch.setattr(web_pages, "parse_file", Mock(side_effect=AssertionError))
    assert fetched(alice, knowledge_base).files.get().outcome == Outcome.UNCHANGED


def test_what_one_page_may_take_is_less_than_what_its_worker_has() -> None:
    all_of_it = web_pages.TIME_LIMIT_S + web_pages.READING_S + web_pages.RECOGNITION_S
    assert all_of_it < delivery_tasks.fetch_page.soft_time_limit


def test_one_page_is_one_document_however_its_address_is_written(
    alice: User, knowledge_base: KnowledgeBase, web: Web
) -> None:
    fetched(alice, knowledge_base)
    again = asked(alice, knowledge_base, ADDRESS.replace("example.org", "EXAMPLE.org:443") + "#top")
    assert again.document == Document.objects.get()


@pytest.mark.parametrize(
    ("media_type", "address", "name"),
    [
        ("text/html", "https://example.org/", "example.org.html"),
        ("text/html", "https://example.org/a/b.php?c=d", "b.php.html"),
        ("application/xhtml+xml", "https://example.org/a.xhtml", "a.xhtml"),
        ("application/xml", "https://example.org/feed", "feed.xml"),
        ("application/pdf", "https://example.org/download", "download.pdf"),
        ("text/plain", "https://example.org/notes.md", "notes.md"),
        ("text/plain", "https://example.org/notes.cgi", "notes.cgi.txt"),
        ("application/octet-stream", "https://example.org/guide.pdf", "guide.pdf"),
        ("", "https://example.org/%E7%9D%A1%E7%9C%A0.html", "睡眠.html"),
        ("text/html", "https://example.org/..%2F..%2Fetc%2Fpasswd", "passwd.html"),
    ],
)
def test_a_page_gets_a_name_that_fits_its_type(media_type: str, address: str, name: str) -> None:
    assert web_pages.name_of(FetchedPage(parse(address), media_type, "", b"x")) == name


@pytest.mark.parametrize("media_type", ["video/mp4", "image/png", "application/octet-stream"])
def test_a_page_of_another_type_is_not_taken(
    alice: User, knowledge_base: KnowledgeBase, web: Web, media_type: str
) -> None:
    web.media_type = media_type
    delivery = fetched(alice, knowledge_base)
    assert (delivery.state, delivery.error_code) == (State.FAILED, "web_type")
    assert not Document.objects.exists()


def test_the_encoding_that_the_server_names_is_believed_if_it_fits() -> None:
    text = "睡个好觉"
    page = FetchedPage(parse(ADDRESS), "text/html", "gbk", text.encode("gbk"))
    assert web_pages.text_of(page).decode("utf-8-sig") == text
    for charset in ("ascii", "no-such-encoding", ""):
        wrong = FetchedPage(parse(ADDRESS), "text/html", charset, text.encode())
        assert web_pages.text_of(wrong) == text.encode()
    for media_type in ("application/pdf", "text/xml"):  # these say it themselves
        other = FetchedPage(parse(ADDRESS), media_type, "gbk", text.encode("gbk"))
        assert web_pages.text_of(other) == text.encode("gbk")


@pytest.mark.parametrize(
    "charset",
    ["punycode", "idna", "unicode_escape", "raw_unicode_escape", "utf-7", "undefined", "hex"],
)
def test_an_encoding_that_no_page_is_written_in_is_not_believed(charset: str) -> None:
    page = FetchedPage(parse(ADDRESS), "text/html", charset, b"Sleep-")
    assert web_pages.text_of(page) == b"Sleep-"


@pytest.mark.parametrize("code", sorted(code for code in PROBLEMS if code.startswith("web_")))
def test_what_goes_wrong_is_on_the_row_and_can_be_tried_again(
    alice: User, knowledge_base: KnowledgeBase, web: Web, code: str
) -> None:
    web.error = FetchRefused(code, "detail")
    delivery = fetched(alice, knowledge_base)
    assert (delivery.state, delivery.error_code) == (State.FAILED, code)
    web.error = None
    assert delivering.try_again(actor=alice, delivery=delivery)
    web_pages.fetch(delivery.pk)
    assert Document.objects.count() == 1


def test_a_defect_of_ours_and_the_end_of_its_time_are_on_the_row(
    alice: User, knowledge_base: KnowledgeBase, web: Web
) -> None:
    delivery = asked(alice, knowledge_base)
    broken: dict[str, type[Exception]] = {"internal": TypeError, "timeout": SoftTimeLimitExceeded}
    for code, error in broken.items():
        web.meanwhile = Mock(side_effect=error)
        with pytest.raises(TypeError) if code == "internal" else nullcontext():
            web_pages.fetch(delivery.pk)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.error_code) == (State.FAILED, code)
        assert delivering.try_again(actor=alice, delivery=delivery)


def test_nothing_is_fetched_when_it_is_switched_off_or_the_right_is_gone(
    alice: User, knowledge_base: KnowledgeBase, web: Web, settings: Settings
) -> None:
    delivery = asked(alice, knowledge_base)
    settings.RAGSITE_WEB_PAGES = False
    web_pages.fetch(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.error_code == "web_off"
    settings.RAGSITE_WEB_PAGES = True
    delivering.try_again(actor=alice, delivery=delivery)
    Membership.objects.filter(user=alice).update(roles=[Membership.Role.VIEWER])
    web_pages.fetch(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.error_code == "not_allowed"
    assert web.asked == []


def test_a_right_that_is_lost_while_the_page_comes_counts(
    alice: User, knowledge_base: KnowledgeBase, web: Web
) -> None:
    web.meanwhile = lambda: Membership.objects.filter(user=alice).delete()
    delivery = fetched(alice, knowledge_base)
    assert delivery.error_code == "not_allowed"
    assert not Document.objects.exists()


def test_a_page_that_was_cancelled_while_it_came_is_not_taken(
    alice: User, knowledge_base: KnowledgeBase, web: Web
) -> None:
    web.meanwhile = lambda: Delivery.objects.update(state=State.CANCELLED)
    delivery = fetched(alice, knowledge_base)
    assert delivery.state == State.CANCELLED
    assert not Document.objects.exists()


def test_an_erased_document_leaves_no_name_of_it_behind(
    alice: User, knowledge_base: KnowledgeBase, web: Web
) -> None:
    first = fetched(alice, knowledge_base)
    index()
    document = Document.objects.get()
    delivering.fetch_again(actor=alice, document=document)
    curating.delete_document(actor=alice, document=document)
    assert purging.purge_document(actor=alice, document=document)
    first.refresh_from_db()
    assert (first.name, first.address, first.files.get().name) == ("", "", "")
    assert not Delivery.objects.exclude(address="").exists()
