"""A document's successor, undo, and an index built in another way, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PASSWORD, PHONE, WIDE, Stack, photograph

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.e2e

LIMIT_MS = 120_000
BASE = "/knowledge-bases/rules/"
RULES = " ".join(
    f"Rule {n} of good sleep says that people should do thing number {n} each evening."
    for n in range(30)
)


def sign_in(page: Page) -> None:
    page.goto("/sign-in/")
    page.get_by_label("Name", exact=True).fill("admin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"^(?!.*/sign-in/)"))


@pytest.fixture(scope="module")
def installed(browser: Browser, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Two documents, "Rules" and "Newer rules", both ready."""
    context = browser.new_context(base_url=stack.address, viewport=WIDE, locale="en")
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto("/")
    page.get_by_label(re.compile("token", re.IGNORECASE)).fill(stack.token)
    page.get_by_label("Your name to sign in with").fill("admin")
    for field in page.locator("input[type=password]").all():
        if not field.input_value():
            field.fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    page.get_by_label("Name", exact=True).fill("Rules")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile(f"{BASE}$"))
    folder = tmp_path_factory.mktemp("files")
    files = []
    for title, text in (("Rules", RULES), ("Newer rules", RULES.replace("thing", "item"))):
        files.append(folder / f"{title}.md")
        files[-1].write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
    page.locator("#files").set_input_files(files)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text("All files are through")).to_be_attached(timeout=LIMIT_MS)
    page.goto(BASE)
    expect(page.locator("#documents .badge.ok")).to_have_count(2, timeout=LIMIT_MS)
    context.close()
    return stack


@pytest.fixture
def signed_in(page: Page, installed: Stack) -> Page:
    sign_in(page)
    return page


def open_document(page: Page, title: str) -> None:
    page.goto(BASE)
    page.locator("#documents tbody").get_by_role("link", name=title, exact=True).click()
    page.wait_for_url(re.compile("/documents/"))


def test_what_replaces_a_document_is_found_as_one_types_and_taken_back(signed_in: Page) -> None:
    page = signed_in
    open_document(page, "Rules")
    picker = page.get_by_role("group", name="Replaced by")
    page.get_by_label("Search for the newer document").fill("nowhere")
    expect(picker.get_by_text("No other document fits.")).to_be_visible()
    page.get_by_label("Search for the newer document").fill("newer")
    picker.get_by_label("Newer rules").check()
    page.get_by_role("button", name="Save details").click()
    expect(page.get_by_text("Replaced by Newer rules.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("The details are as they were before.")).to_be_visible()
    expect(page.get_by_text("Replaced by Newer rules.")).to_have_count(0)


def test_an_index_is_built_watched_and_gone_back_from_and_an_edit_stays(signed_in: Page) -> None:
    page = signed_in
    open_document(page, "Rules")
    passage = page.locator("article.passage").first
    passage.get_by_role("link", name="Edit").click()
    editor = page.locator("article.passage textarea")
    text = editor.input_value()
    editor.fill(text.replace("Rule 0 of good sleep", "The first rule of good sleep"))
    page.get_by_role("button", name="Save passage").click()
    expect(page.locator("article.passage .badge.info", has_text="Edited")).to_have_count(1)

    page.goto(f"{BASE}index/")
    page.get_by_label("Tokens in a passage, at most").fill("400")
    page.get_by_role("button", name="Build the new index").click()
    build = page.locator("#index-build")
    expect(build.get_by_text("Done", exact=True)).to_be_visible(timeout=LIMIT_MS)
    expect(page.locator("dl.meta dd", has_text="400")).to_be_visible()
    open_document(page, "Rules")
    expect(page.locator("article.passage .badge.info", has_text="Edited")).to_have_count(1)
    expect(page.get_by_text("The first rule of good sleep")).to_be_visible()

    page.goto(f"{BASE}index/")
    page.get_by_role("button", name="Go back to it").click()
    expect(build.get_by_role("heading")).to_contain_text("Back to the index before")
    expect(build.get_by_text("Done", exact=True)).to_be_visible(timeout=LIMIT_MS)
    expect(page.locator("dl.meta dd", has_text="180")).to_be_visible()


def test_an_edit_that_lost_its_passage_is_applied_to_the_new_one(
    signed_in: Page, tmp_path: Path
) -> None:
    page = signed_in
    open_document(page, "Rules")
    page.get_by_role("link", name="Versions").click()
    file = tmp_path / "rules.md"
    changed = RULES.replace("Rule 0 of good sleep", "Rule number nought of good sleep")
    file.write_text(f"# Rules\n\n{changed}\n", encoding="utf-8")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#document-state .badge.ok").first).to_be_visible(timeout=LIMIT_MS)
    page.goto(BASE)
    expect(page.get_by_text("1 edit has lost its passage.")).to_be_visible()
    page.get_by_role("link", name="Decide").click()
    expect(page.get_by_text("Rule number nought of good sleep").first).to_be_visible()
    page.get_by_role("button", name="Apply to this passage").click()
    expect(page.get_by_text("Every edit has its passage")).to_be_visible()
    open_document(page, "Rules")
    expect(page.get_by_text("The first rule of good sleep")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_pages_are_no_wider_than_the_screen(
    signed_in: Page, tmp_path_factory: pytest.TempPathFactory, size: dict[str, int]
) -> None:
    page = signed_in
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    pictures = tmp_path_factory.getbasetemp()
    for name in ("index", "edits"):
        page.goto(f"{BASE}{name}/")
        photograph(page, pictures / f"{name}-{size['width']}.png", whole=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
    open_document(page, "Rules")
    photograph(page, pictures / f"document-{size['width']}.png", whole=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_nothing_broke_the_content_policy_or_raised_an_error(
    installed: Stack, complaints: list[str]
) -> None:
    assert complaints == []
