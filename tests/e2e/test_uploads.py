"""Many files at once, in a real browser: a line for each, a bar for all, none in the way."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PASSWORD, PHONE, WIDE, Stack, photograph

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Route, ViewportSize

pytestmark = pytest.mark.e2e

FILES = 60
LIMIT_MS = 120_000
DROP = """([name, count]) => {
  const data = new DataTransfer();
  for (let n = 0; n < count; n++) {
    data.items.add(new File([`${name} number ${n} is about sleep.`], `${name}-${n}.txt`));
  }
  const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  document.querySelector("[data-upload]").dispatchEvent(drop);
}"""


@pytest.fixture(scope="module")
def installed(browser: Browser, stack: Stack) -> Stack:
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
    page.get_by_label("Name", exact=True).fill("Many")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile("/knowledge-bases/many/$"))
    context.close()
    return stack


@pytest.fixture
def uploads(page: Page, installed: Stack) -> Page:
    """The upload page, signed in."""
    sign_in(page)
    page.goto("/knowledge-bases/many/", wait_until="load")
    return page


def sign_in(page: Page) -> None:
    page.goto("/sign-in/")
    page.get_by_label("Name", exact=True).fill("admin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"^(?!.*/sign-in/)"))


def said(page: Page) -> Locator:
    """What a screen reader is told of the uploads."""
    return page.locator("[data-upload] [role=status]")


def finished(page: Page) -> None:
    expect(said(page)).to_contain_text("All files are through", timeout=LIMIT_MS)


def test_dropped_files_are_all_received_beside_some_that_are_not(
    uploads: Page, tmp_path: Path, complaints: list[str], pictures: Path
) -> None:
    uploads.evaluate(DROP, ["first", FILES])
    finished(uploads)
    expect(uploads.locator(".upload-list li")).to_have_count(FILES)
    expect(uploads.locator(".upload-list li.ok")).to_have_count(FILES)
    expect(uploads.locator(".upload-count")).to_contain_text(f"{FILES} of {FILES} files sent")
    # The list below is the fresh one: a page of it, and its rows follow the workers.
    expect(uploads.locator("#documents tbody tr")).to_have_count(25)

    empty, good = tmp_path / "empty.txt", tmp_path / "good.txt"
    empty.write_text("")
    good.write_text("Good sleep.")
    uploads.locator("#files").set_input_files([empty, good])
    finished(uploads)
    lines = uploads.locator(".upload-list li")
    expect(lines.first).to_contain_text("The file is empty.")
    expect(lines.filter(has_text="good.txt")).to_have_class("ok")
    expect(said(uploads)).to_contain_text("received 1, here already 0, not taken 1")
    uploads.set_viewport_size(PHONE)
    uploads.emulate_media(color_scheme="dark")
    assert uploads.evaluate("document.documentElement.scrollWidth <= innerWidth")
    photograph(uploads, pictures / "uploads-phone-dark.png")
    assert complaints == []


def test_an_archive_is_dropped_and_its_documents_appear_without_a_reload(
    uploads: Page, tmp_path: Path, complaints: list[str], pictures: Path
) -> None:
    archive = tmp_path / "guides.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("Guides/packed one.txt", "Keep the bedroom dark and cool.")
        packed.writestr("Guides/film.mp4", "no text")
    uploads.locator("#files").set_input_files([archive])
    finished(uploads)
    expect(uploads.locator(".upload-list li")).to_have_class("ok")
    row = uploads.locator("#documents .delivery").filter(has_text="guides.zip")
    expect(row).to_contain_text("received 1, here already 0, not taken 1", timeout=LIMIT_MS)
    expect(uploads.locator("#documents tbody")).to_contain_text("packed one", timeout=LIMIT_MS)
    schemes: list[tuple[ViewportSize, Literal["light", "dark"]]] = [
        (WIDE, "light"),
        (PHONE, "dark"),
    ]
    for size, scheme in schemes:
        uploads.set_viewport_size(size)
        uploads.emulate_media(color_scheme=scheme)
        assert uploads.evaluate("document.documentElement.scrollWidth <= innerWidth")
        photograph(uploads, pictures / f"archive-{scheme}.png", whole=True)
    row.get_by_role("link").click()
    expect(uploads.locator("tbody tr").first).to_contain_text("film.mp4")
    expect(uploads.locator("tbody tr").first).to_contain_text("cannot be read")
    photograph(uploads, pictures / "archive-files.png", whole=True)
    assert complaints == []


def test_an_address_in_a_private_network_is_fetched_by_nobody(uploads: Page) -> None:
    uploads.get_by_label("Or a page on the web").fill("http://127.0.0.1/secret")
    uploads.get_by_role("button", name="Fetch", exact=True).click()
    row = uploads.locator("#documents .delivery").filter(has_text="127.0.0.1")
    expect(row).to_contain_text("The address is not a public one", timeout=LIMIT_MS)
    expect(row).to_contain_text("Failed")


def test_the_same_files_again_are_recognised(uploads: Page) -> None:
    uploads.evaluate(DROP, ["again", 3])
    finished(uploads)
    uploads.reload(wait_until="load")
    uploads.evaluate(DROP, ["again", 3])
    finished(uploads)
    expect(uploads.locator(".upload-list li.duplicate")).to_have_count(3)


def test_a_file_at_which_the_connection_is_always_lost_holds_up_no_other(uploads: Page) -> None:
    failing = {"lost-1.txt", "lost-4.txt"}

    def answer(route: Route) -> None:
        body = route.request.post_data_buffer or b""
        if any(name.encode() in body for name in failing):
            route.abort()
        else:
            route.continue_()

    uploads.route("**/upload/", answer)
    uploads.evaluate(DROP, ["lost", FILES])
    finished(uploads)
    expect(uploads.locator(".upload-list li.bad")).to_have_count(2)
    expect(uploads.locator(".upload-list li").first).to_contain_text("connection was lost")
    failing.clear()
    again = uploads.get_by_role("button", name="Try what was not taken again")
    again.focus()
    uploads.keyboard.press("Enter")
    expect(uploads.locator(".upload-list li.ok")).to_have_count(FILES)
    expect(again).to_be_hidden()


def test_without_a_connection_all_wait_and_go_on_by_themselves(uploads: Page) -> None:
    uploads.context.set_offline(True)
    uploads.evaluate(DROP, ["away", FILES])
    expect(uploads.locator(".upload-count")).to_contain_text("The connection is lost.")
    expect(uploads.locator(".upload-list li.waiting")).to_have_count(FILES)
    uploads.context.set_offline(False)
    finished(uploads)
    expect(uploads.locator(".upload-list li.ok")).to_have_count(FILES)


def test_whoever_is_signed_out_signs_in_elsewhere_and_goes_on(uploads: Page) -> None:
    asked: list[str] = []
    uploads.on("request", lambda request: asked.append(request.url))
    uploads.context.clear_cookies()
    uploads.evaluate(DROP, ["out", FILES])
    finished(uploads)
    expect(said(uploads)).to_contain_text("You are signed out.")
    expect(uploads.locator(".upload-list li.bad")).to_have_count(FILES)
    assert sum(url.endswith("/upload/") for url in asked) <= 3, (
        "the others are not sent for nothing"
    )
    other = uploads.context.new_page()
    sign_in(other)
    uploads.get_by_role("button", name="Try what was not taken again").click()
    expect(uploads.locator(".upload-list li.ok")).to_have_count(FILES, timeout=LIMIT_MS)
    expect(uploads.locator(".upload-count")).not_to_contain_text("signed out")


def test_cancelling_keeps_what_is_stored_and_the_rest_can_be_sent_after_all(uploads: Page) -> None:
    held: list[Route] = []
    uploads.route("**/upload/", lambda route: held.append(route))
    uploads.evaluate(DROP, ["slow", FILES])
    expect(uploads.locator(".upload-list li.sending")).to_have_count(3)
    assert len(held) == 3, "no more requests at a time than three"
    uploads.locator("button[data-cancel]").click()
    finished(uploads)
    expect(uploads.locator(".upload-list li.bad")).to_have_count(FILES)
    uploads.unroute("**/upload/")
    uploads.get_by_role("button", name="Try what was not taken again").click()
    expect(uploads.locator(".upload-list li.ok")).to_have_count(FILES, timeout=LIMIT_MS)
    finished(uploads)


def test_a_screen_reader_is_not_told_of_every_file(uploads: Page) -> None:
    uploads.evaluate(
        """() => {
          window.said = 0;
          const status = document.querySelector("[data-upload] [role=status]");
          const count = () => { window.said += 1; };
          new MutationObserver(count).observe(status, { childList: true, characterData: true });
        }"""
    )
    uploads.evaluate(DROP, ["quiet", FILES])
    finished(uploads)
    assert uploads.evaluate("window.said") < FILES / 4
    assert uploads.locator(".upload-list").evaluate("list => list.closest('[aria-live]')") is None
