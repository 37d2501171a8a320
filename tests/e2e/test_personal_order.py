"""Personal order in a real browser: agreeing, a chip that says why, the way back, and off again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from qa.models import Answer, RankedPassage, SourceOpened
from tests.conftest import PASSWORD
from tests.e2e.conftest import PHONE, WIDE
from tests.functional.qa.conftest import Answered, make_answered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

    from accounts.models import User
    from documents.models import KnowledgeBase

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

CHIP = "moved up: you often open recent sources"
WAIT_S = 10.0


@pytest.fixture
def fitted(knowledge_base: KnowledgeBase, alice: User, bob: User) -> Answered:
    """An answer of Bob's whose second source would have been the first without his habits."""
    made = make_answered(knowledge_base, uploader=alice, asker=bob)
    Answer.objects.filter(pk=made.answer.pk).update(is_personal=True)
    first, _paper, third = made.passages
    for passage, final in ((first, 12), (third, 1), (first, 2)):
        RankedPassage.objects.filter(pk=passage.pk).update(final_rank=final)
    RankedPassage.objects.filter(pk=third.pk).update(
        is_source=True,
        personal_fit=0.04,
        fit_reasons=["recent"],
        fit_inputs={
            "cap": 0.05,
            "parts": [{"habit": "recent", "topic": "", "strength": 0.8, "value": 1.0}],
        },
    )
    made.citation.pk = None
    made.citation.passage = third
    made.citation.marker = 2
    made.citation.save()
    return made


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url, viewport=WIDE, locale="en")
    context.set_default_timeout(20_000)
    made = context.new_page()
    yield made
    context.close()


def sign_in(page: Page) -> None:
    page.goto(reverse("accounts:sign_in"))
    page.get_by_label("Name", exact=True).fill("bob")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)


def agree(page: Page) -> None:
    page.locator("details.account > summary").click()
    page.get_by_role("link", name="Personal order").click()
    expect(page.get_by_role("heading", name="What is kept")).to_be_visible()
    page.get_by_role("button", name="I agree").click()
    expect(page.get_by_role("status")).to_contain_text("Personal order is on")


def opened() -> int:
    return SourceOpened.objects.count()


def wait_until_opened(count: int) -> None:
    until = time.monotonic() + WAIT_S
    while opened() != count and time.monotonic() < until:
        time.sleep(0.1)
    assert opened() == count


def test_agree_see_why_a_source_moved_go_back_to_neutral_and_turn_it_off(
    page: Page, fitted: Answered
) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    sign_in(page)
    address = reverse("qa:conversation", args=[fitted.conversation.pk])
    agree(page)
    page.goto(address)
    sources = page.get_by_role("list", name="Sources")
    expect(sources.get_by_text(CHIP)).to_be_visible()
    expect(sources.get_by_role("listitem").first).to_contain_text("Insomnia")

    # By the keyboard: the button keeps the focus although the answer around it is replaced.
    page.get_by_role("button", name="Show the neutral order").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Show my order")).to_be_focused()
    expect(page.get_by_text(CHIP)).to_have_count(0)
    expect(sources.get_by_role("listitem").first).to_contain_text("Ten tips for better sleep")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Show the neutral order")).to_be_focused()
    expect(sources.get_by_text(CHIP)).to_be_visible()

    sources.get_by_role("link", name="Ten tips for better sleep").click()
    page.wait_for_url("**/source/**")
    wait_until_opened(1)
    page.goto(address)
    page.get_by_role("button", name="Turn personal order off").click()
    expect(page.get_by_role("status")).to_contain_text("What it had learned is deleted")
    assert opened() == 0
    page.goto(address)
    expect(page.get_by_text(CHIP)).to_have_count(0)
    assert complaints == []


def test_a_number_in_the_text_counts_as_its_source_and_without_consent_nothing_is_told(
    page: Page, fitted: Answered
) -> None:
    told: list[str] = []
    page.on("request", lambda sent: told.append(sent.url) if "/opened/" in sent.url else None)
    sign_in(page)
    address = reverse("qa:conversation", args=[fitted.conversation.pk])
    page.goto(address)
    page.locator(".answer-text a.cite").first.click()
    page.wait_for_url("**/source/**")
    assert (told, opened()) == ([], 0)
    agree(page)
    page.goto(address)
    page.locator(".answer-text a.cite").first.click()
    page.wait_for_url("**/source/**")
    wait_until_opened(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone(page: Page, fitted: Answered, scheme: str) -> None:
    sign_in(page)
    agree(page)
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for address in (
        reverse("qa:personal_order"),
        reverse("qa:conversation", args=[fitted.conversation.pk]),
    ):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
