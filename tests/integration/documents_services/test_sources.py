"""The source viewer's page: the right part, the marked words, nothing lost, nobody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.http import Http404
from hypothesis import given
from hypothesis import strategies as st

from documents import curating
from documents.models import ParsedText
from documents.sources import LONGEST_PART, source_page, split_into_parts
from tests.integration.documents_services.conftest import SLEEP

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User
    from documents.models import Document
    from documents.sources import SourcePage

BLOCKS = st.lists(
    st.tuples(st.integers(1, 6_000), st.integers(0, 6), st.one_of(st.none(), st.integers(1, 4))),
    max_size=40,
)


def marked(page: SourcePage) -> str:
    return "".join(block.marked for block in page.blocks)


def whole(page: SourcePage) -> str:
    return "\n".join(block.before + block.marked + block.after for block in page.blocks)


@given(BLOCKS)
def test_every_block_is_in_exactly_one_part(lengths: list[tuple[int, int, int | None]]) -> None:
    position, blocks = 0, []
    for length, level, page in lengths:
        blocks.append((position, level, page))
        position += length
    parts = split_into_parts(blocks)
    covered = [index for first, last in parts for index in range(first, last)]
    assert covered == list(range(len(blocks)))
    assert all(first < last for first, last in parts)


def test_a_printed_page_is_a_part_of_its_own() -> None:
    assert split_into_parts([(0, 0, 1), (50, 0, 1), (90, 2, 2), (120, 0, 3)]) == [
        (0, 2),
        (2, 3),
        (3, 4),
    ]


def test_long_text_without_pages_is_cut_at_headings_and_else_at_a_readable_length() -> None:
    assert split_into_parts([(0, 1, None), (2_000, 2, None), (2_600, 2, None)]) == [(0, 2), (2, 3)]
    assert split_into_parts([(0, 0, None), (LONGEST_PART, 0, None)]) == [(0, 1), (1, 2)]


def test_the_cited_span_is_marked_and_the_text_around_it_is_whole(
    bob: User, indexed: Callable[..., Document]
) -> None:
    document = indexed()
    text = ParsedText.objects.get(version=document.current_version).text
    start = text.index("caffeine")
    page = source_page(bob, document.pk, start=start, end=start + len("caffeine lasts"))
    assert marked(page) == "caffeine lasts"
    assert [block.is_first_marked for block in page.blocks].count(True) == 1
    assert "Keep the bedroom dark" in whole(page)
    assert [entry.title for entry in page.outline if entry.is_current] == ["Evening"]


def test_a_span_over_several_blocks_is_marked_in_each(
    bob: User, indexed: Callable[..., Document]
) -> None:
    document = indexed()
    text = ParsedText.objects.get(version=document.current_version).text
    start, end = text.index("Go to bed"), text.index("Coffee") + 6
    page = source_page(bob, document.pk, start=start, end=end)
    assert sum(bool(block.marked) for block in page.blocks) >= 3
    assert sum(block.is_first_marked for block in page.blocks) == 1


@pytest.mark.parametrize(("start", "end"), [(0, None), (10**9, 10**9 + 5), (5, 2), (0, 0)])
def test_a_place_that_is_not_there_gives_the_text_without_a_mark(
    bob: User, indexed: Callable[..., Document], start: int, end: int | None
) -> None:
    page = source_page(bob, indexed().pk, start=start, end=end)
    assert page.blocks
    assert len(marked(page)) <= 1


def test_long_documents_are_walked_part_by_part_without_losing_any(
    bob: User, indexed: Callable[..., Document]
) -> None:
    sections = [f"## Section {number}\n\n" + f"Words of {number}. " * 200 for number in range(6)]
    document = indexed("# Long\n\n" + "\n\n".join(sections), "long.md")
    seen, start = "", 0
    while True:
        page = source_page(bob, document.pk, start=start)
        seen += whole(page) + "\n"
        if page.next is None:
            break
        following = source_page(bob, document.pk, start=page.next)
        assert (following.number, following.count) == (page.number + 1, page.count)
        assert following.previous is not None
        start = page.next
    assert all(f"Section {number}" in seen for number in range(6))
    assert seen.count("Words of 5.") == 200


def test_a_stranger_finds_no_source(charlie: User, indexed: Callable[..., Document]) -> None:
    document = indexed()
    with pytest.raises(Http404):
        source_page(charlie, document.pk)


def test_a_source_closes_when_its_document_does(
    alice: User, bob: User, indexed: Callable[..., Document]
) -> None:
    document = indexed()
    curating.set_document_enabled(actor=alice, document=document, enabled=False)
    with pytest.raises(Http404):
        source_page(bob, document.pk)
    assert source_page(alice, document.pk).blocks


def test_a_version_of_another_document_is_not_found(
    bob: User, indexed: Callable[..., Document]
) -> None:
    first, second = indexed(), indexed(SLEEP + "\nMore.", "more.md")
    assert second.current_version is not None
    with pytest.raises(Http404):
        source_page(bob, first.pk, version_pk=second.current_version.pk)


def test_a_document_that_was_not_read_yet_has_no_text(
    bob: User, indexed: Callable[..., Document]
) -> None:
    document = indexed()
    ParsedText.objects.all().delete()
    page = source_page(bob, document.pk)
    assert (page.blocks, page.count) == ((), 0)
