"""A PDF from its upload to the picture of the cited page, in the running product."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PASSWORD, Stack, photograph
from tests.unit.documents.parsing.builders import pdf, write_lines

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e

LIMIT_MS = 120_000
LINES = ["Keep the bedroom dark, cool and quiet, and go", "to bed at the same hour every day."]


def test_a_source_shows_its_page_as_it_is_printed(
    page: Page, stack: Stack, tmp_path: Path, complaints: list[str], pictures: Path
) -> None:
    page.goto("/")
    page.get_by_label(re.compile("token", re.IGNORECASE)).fill(stack.token)
    page.get_by_label("Your name to sign in with").fill("admin")
    for field in page.locator("input[type=password]").all():
        if not field.input_value():
            field.fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    page.get_by_label("Name", exact=True).fill("Printed")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(re.compile("/knowledge-bases/printed/$"))
    file = tmp_path / "sleep.pdf"
    file.write_bytes(pdf(lambda canvas: write_lines(canvas, LINES, top=500)))
    page.locator("[data-upload] input[type=file]").first.set_input_files(file)
    expect(page.locator("tr .badge.ok")).to_have_text("Ready", timeout=LIMIT_MS)
    page.reload()
    page.get_by_role("link", name="sleep").first.click()
    page.get_by_role("link", name="Read", exact=True).click()
    page.goto(f"{page.url}?start=46&end=60")

    drawn = page.get_by_role("img", name="Page 1, the cited lines marked")
    expect(drawn).to_be_visible(timeout=LIMIT_MS)
    mark = drawn.locator("rect").bounding_box()
    whole = drawn.bounding_box()
    assert mark is not None
    assert whole is not None
    # The second line: a little more than 100 of 600 points below the upper edge.
    assert 100 / 600 < (mark["y"] - whole["y"]) / whole["height"] < 120 / 600
    address = drawn.locator("image").get_attribute("href")
    assert page.request.get(f"{stack.address}{address}").headers["content-type"] == "image/webp"
    photograph(page, pictures / "printed-page.png", whole=True)
    assert complaints == []
