"""Printed pages: drawn by a worker, kept beside the original, for those who may read it."""

from __future__ import annotations

import errno
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.http import Http404
from django.utils import timezone

from documents import curating, page_rendering, purging, tasks, uploading
from documents.indexing import index_document
from documents.models import Document, DocumentVersion, PageImage, ParsedText
from documents.originals import page_file, pages_folder
from documents.parsing.base import ParseError
from documents.parsing.runner import run_job
from documents.printed_pages import Mark, has_pictures, marks_of, picture, printed_page
from tests.integration.documents_services.conftest import file_of
from tests.unit.documents.parsing.builders import pdf, write_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from accounts.models import User
    from documents.models import KnowledgeBase
    from documents.printed_pages import PrintedPage

LINES = ["Keep the bedroom dark, cool and quiet, and go", "to bed at the same hour every day."]
State = PageImage.State


@pytest.fixture(autouse=True)
def _media(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pages that workers were told of."""
    told: list[int] = []
    monkeypatch.setattr(tasks.render_page, "delay", told.append)
    return told


@pytest.fixture
def version(knowledge_base: KnowledgeBase, alice: User) -> DocumentVersion:
    data = pdf(lambda canvas: write_lines(canvas, LINES, top=500))
    outcome = uploading.upload(
        actor=alice, knowledge_base=knowledge_base, file=file_of(data, "sleep.pdf")
    )
    index_document(outcome.version.pk)
    outcome.version.refresh_from_db()
    assert outcome.version.state == DocumentVersion.State.READY
    return outcome.version


@pytest.fixture
def look(
    version: DocumentVersion,
    asked: list[int],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> Callable[..., PrintedPage]:
    """Look at page 1 as a viewer; what is enqueued on commit is enqueued."""

    def at(viewer: User, number: int = 1, **span: int) -> PrintedPage:
        with django_capture_on_commit_callbacks(execute=True):
            return printed_page(viewer, version.pk, number, **span)

    return at


def test_a_page_is_drawn_when_it_is_first_looked_at_and_kept(
    look: Callable[..., PrintedPage], version: DocumentVersion, bob: User, asked: list[int]
) -> None:
    assert not look(bob).is_ready
    assert len(asked) == 1
    tasks.render_page(asked[0])

    page = look(bob)

    assert page.is_ready
    assert (page.width, page.height) == (400, 600)
    assert picture(bob, version.pk, 1)[8:12] == b"WEBP"
    assert len(asked) == 1
    assert page_file(version, 1).parent.parent == Path(version.original.path).parent


def test_cited_lines_are_marked_where_they_are_printed(
    look: Callable[..., PrintedPage], version: DocumentVersion, bob: User, asked: list[int]
) -> None:
    look(bob)
    tasks.render_page(asked[0])
    text = ParsedText.objects.get(version=version).text
    start = text.index("same hour")

    (mark,) = look(bob, start=start, end=start + 9).marks

    assert mark.x == pytest.approx(49, abs=3)
    # The second line: 100 points and a line below the upper edge.
    assert 100 < mark.y < 115
    assert len(look(bob, start=0, end=len(text)).marks) == 2
    assert look(bob).marks == ()


def test_marks_are_those_of_the_page_and_the_span() -> None:
    lines = [
        {"start": 0, "end": 10, "page": 1, "box": [50, 500, 150, 510]},
        {"start": 11, "end": 20, "page": 1, "box": [50, 488, 150, 498]},
        {"start": 21, "end": 30, "page": 2, "box": [50, 500, 150, 510]},
    ]

    assert marks_of(lines, 1, 10, 21, page_height=600) == (Mark(49, 101, 102, 12),)
    assert marks_of(lines, 2, 0, 99, page_height=600) == (Mark(49, 89, 102, 12),)
    assert marks_of(lines, 3, 0, 99, page_height=600) == ()


def test_a_stranger_sees_no_page_and_has_none_drawn(
    look: Callable[..., PrintedPage],
    version: DocumentVersion,
    bob: User,
    charlie: User,
    asked: list[int],
) -> None:
    with pytest.raises(Http404):
        look(charlie)
    assert not asked
    assert not PageImage.objects.exists()

    look(bob)
    tasks.render_page(asked[0])
    with pytest.raises(Http404):
        picture(charlie, version.pk, 1)


def test_a_page_closes_when_its_document_does(
    look: Callable[..., PrintedPage],
    version: DocumentVersion,
    alice: User,
    bob: User,
    asked: list[int],
) -> None:
    look(bob)
    tasks.render_page(asked[0])
    curating.set_document_enabled(actor=alice, document=version.document, enabled=False)

    with pytest.raises(Http404):
        look(bob)
    with pytest.raises(Http404):
        picture(bob, version.pk, 1)


@pytest.mark.parametrize("number", [0, 2, 10**6])
def test_a_page_that_the_document_does_not_have_is_not_found(
    look: Callable[..., PrintedPage], bob: User, number: int
) -> None:
    with pytest.raises(Http404):
        look(bob, number)
    assert not PageImage.objects.exists()


def test_a_text_has_no_printed_pages(indexed: Callable[..., Document], bob: User) -> None:
    version = indexed().current_version

    assert version is not None
    assert not has_pictures(version)
    with pytest.raises(Http404):
        printed_page(bob, version.pk, 1)


def test_the_web_process_opens_no_uploaded_file(
    look: Callable[..., PrintedPage],
    version: DocumentVersion,
    bob: User,
    asked: list[int],
) -> None:
    """With the original gone, all that a page of the site needs is still there."""
    look(bob)
    tasks.render_page(asked[0])
    Path(version.original.path).unlink()

    assert look(bob).is_ready
    assert picture(bob, version.pk, 1)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ParseError("timeout"), "timeout"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
    ],
)
def test_a_page_that_cannot_be_drawn_says_why_and_is_tried_again_later(
    look: Callable[..., PrintedPage],
    bob: User,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> bytes:
        raise error

    monkeypatch.setattr(page_rendering, "run_job", fail)
    look(bob)
    tasks.render_page(asked[0])

    page = look(bob)
    assert not page.is_ready
    assert page.problem is not None
    assert PageImage.objects.get().error_code == code
    assert len(asked) == 1

    PageImage.objects.update(finished_at=timezone.now() - timedelta(hours=1))
    assert look(bob).problem is None
    assert len(asked) == 2


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"no header",
        b'{"width": 1, "height": 1}\n<svg onload=alert(1)>',
        b'{"width": 1e999, "height": 1}\nRIFF0000WEBP',
        b'{"width": -4, "height": 1}\nRIFF0000WEBP',
        b'{"width": 4}\nRIFF0000WEBP',
        b"[" * 100_000,
    ],
)
def test_what_does_not_look_like_a_picture_is_not_kept(
    look: Callable[..., PrintedPage],
    version: DocumentVersion,
    bob: User,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
    message: bytes,
) -> None:
    monkeypatch.setattr(page_rendering, "run_job", lambda *args, **kwargs: message)
    look(bob)

    tasks.render_page(asked[0])

    assert PageImage.objects.get().error_code == "crashed"
    assert not pages_folder(version).exists()


def test_a_page_that_nobody_heard_of_is_asked_for_again(
    look: Callable[..., PrintedPage], bob: User, asked: list[int]
) -> None:
    look(bob)
    look(bob)
    assert len(asked) == 1

    PageImage.objects.update(asked_at=timezone.now() - timedelta(minutes=2))
    look(bob)
    look(bob)

    assert len(asked) == 2


def test_a_page_whose_file_was_lost_is_drawn_anew(
    look: Callable[..., PrintedPage], version: DocumentVersion, bob: User, asked: list[int]
) -> None:
    look(bob)
    tasks.render_page(asked[0])
    page_file(version, 1).unlink()

    with pytest.raises(Http404):
        picture(bob, version.pk, 1)
    look(bob)
    tasks.render_page(asked[1])

    assert picture(bob, version.pk, 1)


@pytest.mark.django_db(transaction=True)
def test_erasing_a_document_erases_its_pictures(
    version: DocumentVersion, alice: User, bob: User, asked: list[int]
) -> None:
    printed_page(bob, version.pk, 1)
    tasks.render_page(asked[0])
    folder = pages_folder(version)
    assert folder.is_dir()

    curating.delete_document(actor=alice, document=version.document)
    assert purging.purge_document(actor=alice, document=version.document)

    assert not folder.exists()
    assert not PageImage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_page_that_is_drawn_while_its_document_is_erased_leaves_nothing(
    version: DocumentVersion,
    alice: User,
    bob: User,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed_page(bob, version.pk, 1)
    folder = pages_folder(version)
    drawn = run_job

    def erase_meanwhile(*args: Any, **kwargs: Any) -> bytes:
        message = drawn(*args, **kwargs)
        curating.delete_document(actor=alice, document=version.document)
        purging.purge_document(actor=alice, document=version.document)
        return message

    monkeypatch.setattr(page_rendering, "run_job", erase_meanwhile)
    tasks.render_page(asked[0])

    assert not folder.exists()
    assert not PageImage.objects.exists()


def test_pictures_go_after_a_month_and_are_made_anew(
    look: Callable[..., PrintedPage], version: DocumentVersion, bob: User, asked: list[int]
) -> None:
    look(bob)
    tasks.render_page(asked[0])
    assert page_rendering.erase_old() == 0

    PageImage.objects.update(finished_at=timezone.now() - timedelta(days=31))
    assert page_rendering.erase_old() == 1

    assert not page_file(version, 1).exists()
    assert not look(bob).is_ready
    assert len(asked) == 2
