"""What people do with Ragsite, from the first start to a reviewed answer, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PASSWORD, PHONE, ROOT, WIDE, Stack, photograph

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, ViewportSize

pytestmark = pytest.mark.e2e

Scheme = Literal["light", "dark"]

SAMPLES = ROOT / "samples"
QUESTION = "How can I sleep better?"
READY_LIMIT_MS = 180_000
ANSWER_LIMIT_MS = 60_000
MEASURE_LIMIT_MS = 600_000


@pytest.fixture(scope="module")
def installed(browser: Browser, stack: Stack) -> Stack:
    """The first run, through the browser: administrator, knowledge base, documents."""
    context = browser.new_context(base_url=stack.address, viewport=WIDE, locale="en")
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto("/")
    expect(page).to_have_url(re.compile("/setup/"))
    _fill_setup(page, stack.token)
    page.get_by_role("button", name="Create administrator").click()
    page.get_by_label("Name", exact=True).fill("Health")
    page.get_by_label("Example questions").fill(f"{QUESTION}\nWhat fruit can a diabetic eat?")
    page.get_by_role("button", name="Create").click()
    # The script that uploads at once listens only when the page has loaded.
    page.wait_for_url(re.compile("/knowledge-bases/health/$"), wait_until="load")
    page.get_by_label("Upload documents").set_input_files(_some_samples())
    rows = page.locator("#documents tbody tr")
    expect(rows).to_have_count(len(_some_samples()), timeout=READY_LIMIT_MS)
    # No reload: each row asks for itself until it is final.
    ready = rows.filter(has=page.locator(".badge.ok"))
    expect(ready).to_have_count(len(_some_samples()), timeout=READY_LIMIT_MS)
    context.close()
    return stack


def _fill_setup(page: Page, token: str) -> None:
    page.get_by_label(re.compile("token", re.IGNORECASE)).fill(token)
    page.get_by_label("Your name to sign in with").fill("admin")
    for field in page.locator("input[type=password]").all():
        if not field.input_value():
            field.fill(PASSWORD)


def _some_samples() -> list[Path]:
    lay = ["lay-8-insomnia.md", "lay-4-insomnia.txt", "lay-8-sleep-deprivation-and-deficiency.html"]
    technical = sorted((SAMPLES / "health").glob("abs-*"))[:4]
    chinese = [
        SAMPLES / "zh" / "改善睡眠质量的10个小贴士.md",
        SAMPLES / "zh" / "安眠药的药理作用分析.md",
    ]
    return [*(SAMPLES / "health" / name for name in lay), *technical, *chinese]


def sign_in(page: Page) -> None:
    page.goto("/sign-in/")
    page.get_by_label("Name", exact=True).fill("admin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"^(?!.*/sign-in/)"))


def ask(page: Page, question: str) -> None:
    page.get_by_label("Your question").fill(question)
    page.get_by_label("Your question").press("Enter")


def finished(page: Page) -> None:
    """Wait until the newest answer is complete."""
    expect(page.locator(".answer[aria-busy]")).to_have_count(0, timeout=ANSWER_LIMIT_MS)
    expect(page.locator(".answer").last).to_be_visible()


def test_a_question_is_answered_with_sources_that_open_at_the_cited_place(
    page: Page, installed: Stack
) -> None:
    sign_in(page)
    page.goto("/")
    ask(page, QUESTION)
    finished(page)
    answer = page.locator(".answer").last
    expect(answer.locator(".answer-text a.cite").first).to_be_visible()
    cited = answer.locator(".answer-text a.cite").first
    cited.click()
    expect(page.locator("mark#cited")).to_be_in_viewport()
    assert len(page.locator("mark#cited").inner_text().strip()) > 10


def test_the_rankings_switch_between_with_and_without_rerank(
    page: Page, installed: Stack, pictures: Path
) -> None:
    sign_in(page)
    page.goto("/")
    ask(page, QUESTION)
    finished(page)
    panel = page.locator(".rankings").last
    panel.locator("> summary").click()
    expect(panel.locator(".list-with")).to_be_visible()
    expect(panel.locator(".list-without")).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 1500})
    page.evaluate("window.scrollTo(0, 0)")
    photograph(page, pictures / "rankings.png")
    panel.get_by_text("Without rerank", exact=True).click()
    expect(panel.locator(".list-with")).to_be_hidden()
    expect(panel.locator(".list-without")).to_be_visible()
    panel.get_by_text("Side by side", exact=True).click()
    expect(panel.locator(".list-with")).to_be_visible()
    expect(panel.locator(".list-without")).to_be_visible()
    expect(panel.locator(".timings li").first).to_contain_text("ms")


def test_a_reload_in_mid_answer_loses_and_repeats_nothing(page: Page, installed: Stack) -> None:
    sign_in(page)
    page.goto("/")
    ask(page, "What helps against insomnia?")
    page.wait_for_url(re.compile("/conversations/"))
    page.reload()
    page.reload()
    finished(page)
    expect(page.locator(".answer")).to_have_count(1)
    expect(page.locator(".answer-text a.cite").first).to_be_visible()
    once = page.locator(".answer-text").inner_text()
    page.reload()
    assert page.locator(".answer-text").inner_text() == once


def test_a_follow_up_streams_into_the_page_without_a_reload(page: Page, installed: Stack) -> None:
    sign_in(page)
    page.goto("/")
    ask(page, QUESTION)
    finished(page)
    page.evaluate("window.stillHere = true")
    ask(page, "How much sleep does an adult need?")
    expect(page.locator(".turn")).to_have_count(2)
    finished(page)
    assert page.evaluate("window.stillHere")
    expect(page.get_by_label("Your question")).to_have_value("")


def test_a_chinese_question_is_searched_by_words_and_the_page_says_so(
    page: Page, installed: Stack
) -> None:
    sign_in(page)
    page.goto("/")
    ask(page, "怎样才能改善睡眠质量？")
    finished(page)
    answer = page.locator(".answer").last
    expect(answer.locator(".answer-text a.cite").first).to_be_visible()
    answer.locator(".rankings > summary").click()
    expect(answer.locator(".rankings")).to_contain_text("does not cover this language")


def test_a_question_that_the_documents_do_not_answer_is_not_answered(
    page: Page, installed: Stack
) -> None:
    sign_in(page)
    page.goto("/")
    ask(page, "Who won the 1998 football world cup in France?")
    finished(page)
    expect(page.locator(".answer").last).to_contain_text("do not answer the question")


def test_asking_works_without_javascript(browser: Browser, installed: Stack) -> None:
    context = browser.new_context(
        base_url=installed.address, java_script_enabled=False, locale="en"
    )
    page = context.new_page()
    sign_in(page)
    page.goto("/")
    page.get_by_label("Your question").fill(QUESTION)
    page.get_by_role("button", name="Ask", exact=True).click()
    # The waiting page asks again by itself (a refresh in <noscript>).
    expect(page.locator(".answer-text a.cite").first).to_be_visible(timeout=ANSWER_LIMIT_MS)
    context.close()


def test_the_keyboard_alone_is_enough_to_ask(page: Page, installed: Stack) -> None:
    sign_in(page)
    page.goto("/")
    page.locator("body").click(position={"x": 640, "y": 400})
    page.keyboard.press("/")
    page.keyboard.type("How much sleep is enough?")
    page.keyboard.press("Enter")
    finished(page)
    expect(page.locator(".turn")).to_have_count(1)


def test_an_answer_is_reviewed_and_kept_as_a_test_question(page: Page, installed: Stack) -> None:
    sign_in(page)
    page.goto("/")
    ask(page, QUESTION)
    finished(page)
    page.get_by_role("link", name="Review").click()
    page.get_by_role("link", name=QUESTION).first.click()
    page.get_by_role("button", name="3 – answers it").first.click()
    expect(page.get_by_role("button", name="3 – answers it").first).to_have_attribute(
        "aria-pressed", "true"
    )
    page.get_by_role("button", name="Keep as a test question").click()
    expect(page.locator("#messages")).to_contain_text("Kept as a test question")
    page.get_by_label("Correct", exact=True).check()
    page.get_by_role("button", name="Save verdict").click()
    expect(page.locator("#messages")).to_contain_text("saved")


def test_a_broken_file_says_what_is_wrong_with_it(
    page: Page, installed: Stack, tmp_path: Path
) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\n" + b"\0" * 400)
    sign_in(page)
    page.goto("/knowledge-bases/health/")
    page.get_by_label("Upload documents").set_input_files(tmp_path / "broken.pdf")
    row = page.locator("#documents tbody tr", has_text="broken")
    expect(row.locator(".badge.bad")).to_be_visible(timeout=READY_LIMIT_MS)
    assert len(row.locator(".problem").inner_text()) > 20


def test_a_reranker_is_measured_by_the_keyboard_and_the_guide_follows_without_a_reload(
    page: Page, installed: Stack
) -> None:
    sign_in(page)
    page.goto("/models/")
    guide = page.locator("#guide")
    expect(guide).to_contain_text("Nothing is measured yet")
    page.evaluate("window.stillHere = true")
    page.get_by_role("button", name=re.compile(r"^Measure\s?: bundled")).focus()
    page.keyboard.press("Enter")
    row = page.locator("article.measured", has_text="bundled")
    expect(row.get_by_role("progressbar")).to_be_visible()
    expect(page.locator("#models-status")).to_contain_text("bundled")
    expect(row.locator(".figures")).to_contain_text("by relevance alone", timeout=MEASURE_LIMIT_MS)
    expect(row.get_by_role("progressbar")).to_have_count(0)
    expect(guide).not_to_contain_text("Nothing is measured yet")
    expect(guide).to_contain_text("English")
    row.locator("summary").click()
    expect(row.locator("details")).to_contain_text("Processor")
    assert page.evaluate("window.stillHere")


def test_a_measurement_is_cancelled_and_the_figures_before_it_stay(
    page: Page, installed: Stack
) -> None:
    sign_in(page)
    page.goto("/models/")
    row = page.locator("article.measured", has_text="bundled")
    page.get_by_role("button", name=re.compile(r"^Measure again\s?: bundled")).click()
    page.get_by_role("button", name=re.compile(r"^Cancel\s?: bundled")).click()
    expect(row.locator("header")).to_contain_text("Cancelled")
    expect(row.locator(".figures")).to_contain_text("by relevance alone")
    page.goto("/knowledge-bases/")
    expect(page.locator("main")).not_to_contain_text("Sample documents")


PAGES = ["/", "/knowledge-bases/", "/knowledge-bases/health/", "/review/", "/models/", "/people/"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_page_is_wider_than_the_screen(
    browser: Browser, installed: Stack, pictures: Path, size: ViewportSize, scheme: Scheme
) -> None:
    context = browser.new_context(
        base_url=installed.address, viewport=size, color_scheme=scheme, locale="en"
    )
    page = context.new_page()
    sign_in(page)
    for address in [*PAGES, _latest_conversation(page), _first_document(page)]:
        page.goto(address)
        width = page.evaluate("document.documentElement.scrollWidth")
        name = re.sub(r"\W+", "-", address).strip("-") or "home"
        photograph(page, pictures / f"{name}-{size['width']}-{scheme}.png", whole=True)
        assert width <= size["width"], address
    context.close()


def _latest_conversation(page: Page) -> str:
    page.goto("/")
    links = page.locator(".conversations li a")
    return str(links.first.get_attribute("href")) if links.count() else "/"


def _first_document(page: Page) -> str:
    page.goto("/knowledge-bases/health/")
    return str(page.locator("#documents tbody a").first.get_attribute("href"))


def test_the_interface_speaks_chinese(context: BrowserContext, installed: Stack) -> None:
    page = context.new_page()
    sign_in(page)
    page.goto("/")
    page.locator("details.account summary").click()
    page.locator("button[lang='zh-hans']").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.get_by_role("link", name="知识库")).to_be_visible()
    page.locator("details.account summary").click()
    page.locator("button[lang='en']").click()


def test_no_journey_broke_the_content_policy_or_raised_an_error_in_a_script(
    installed: Stack, complaints: list[str]
) -> None:
    assert complaints == []
