"""Every page in English and in Chinese: by the browser's wish, by choice, and by the account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from documents.views.documents import ACCEPTED
from ragsite import catalogue
from tests.functional.qa.conftest import TEXTS, make_answered

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import User
    from documents.models import KnowledgeBase

ENDINGS = ", ".join(ending.removeprefix(".") for ending in ACCEPTED)
"""As the upload page lists them."""
# Words of ours that are the same in both languages, and what a page shows of data.
SAME_IN_BOTH = re.compile(
    r"Ragsite|English|JavaScript|PDF|DOCX|HTML|Markdown|Health|health|alice|bob|charlie|BM25|SHA|Redis"
)


@pytest.fixture(autouse=True, scope="module")
def _compiled_catalogue() -> None:
    """``make test`` compiles it too; this is for a run of this file alone."""
    catalogue.compile_catalogue(catalogue.ROOT / catalogue.CATALOGUE)


def visible_text(html: str) -> str:
    html = re.sub(r"(?s)<(script|style|svg|code|textarea)\b.*?</\1>", " ", html)
    return re.sub(r"(?s)<[^>]*>", " ", html.partition("<body")[2].partition(">")[2])


def english_words(html: str) -> list[str]:
    text = visible_text(html).replace(ENDINGS, " ")
    return re.findall(r"[A-Za-z]{3,}", SAME_IN_BOTH.sub(" ", text))


DATA = {
    word
    for text in (
        *(part for pair in TEXTS for part in pair),
        "How can I reranker-mini extractive txt",
    )
    for word in re.findall(r"[A-Za-z]{3,}", text)
}
"""Words of the documents and models that the pages below show."""


def test_a_browser_that_asks_for_chinese_gets_chinese(client: Client, alice: User) -> None:
    page = client.get(reverse("accounts:sign_in"), headers={"accept-language": "zh-CN,zh;q=0.9"})
    text = page.content.decode()
    assert '<html lang="zh-hans">' in text
    assert "登录" in text
    assert "Sign in" not in text


def test_a_browser_that_asks_for_another_language_gets_english(client: Client, alice: User) -> None:
    page = client.get(reverse("accounts:sign_in"), headers={"accept-language": "fr"})
    assert "Sign in" in page.content.decode()


def test_the_language_chosen_on_the_page_is_kept(client: Client, alice: User) -> None:
    client.post(reverse("set_language"), {"language": "zh-hans", "next": "/"})
    page = client.get(reverse("accounts:sign_in"), headers={"accept-language": "en"})
    assert "登录" in page.content.decode()


def test_each_language_is_offered_by_its_own_name(client: Client, alice: User) -> None:
    for asked in ("en", "zh-hans"):
        page = client.get(reverse("accounts:sign_in"), headers={"accept-language": asked})
        offered = re.findall(r'name="language"[^>]*>([^<]*)<', page.content.decode())
        assert offered == ["English", "简体中文"]


@pytest.mark.parametrize("name", ["qa:home", "documents:bases", "accounts:password"])
def test_a_page_in_chinese_holds_no_english(
    client: Client, alice: User, knowledge_base: KnowledgeBase, name: str
) -> None:
    client.force_login(alice)
    page = client.get(reverse(name), headers={"accept-language": "zh-hans"})
    assert page.status_code == 200
    assert english_words(page.content.decode()) == []


@pytest.mark.parametrize("name", ["base", "base_edit", "members"])
def test_a_page_of_a_knowledge_base_in_chinese_holds_no_english(
    client: Client, alice: User, knowledge_base: KnowledgeBase, name: str
) -> None:
    client.force_login(alice)
    address = reverse(f"documents:{name}", args=[knowledge_base.slug])
    page = client.get(address, headers={"accept-language": "zh-hans"})
    assert page.status_code == 200
    assert english_words(page.content.decode()) == []


@pytest.mark.parametrize("name", ["qa:review", "accounts:people", "accounts:person_create"])
def test_a_page_for_administrators_in_chinese_holds_no_english(
    client: Client, admin: User, knowledge_base: KnowledgeBase, name: str
) -> None:
    client.force_login(admin)
    page = client.get(reverse(name), headers={"accept-language": "zh-hans"})
    assert page.status_code == 200
    words = english_words(page.content.decode())
    assert [word for word in words if word not in {"admin", "example", "org"}] == []


@pytest.mark.parametrize(
    "name",
    ["qa:conversation", "qa:review_answer", "documents:document", "documents:source"],
)
def test_a_page_with_data_in_chinese_holds_no_english_but_the_data(
    client: Client, admin: User, knowledge_base: KnowledgeBase, name: str
) -> None:
    answered = make_answered(knowledge_base, uploader=admin, asker=admin)
    shown = {
        "qa:conversation": answered.conversation,
        "qa:review_answer": answered.answer,
    }.get(name, answered.documents[0])
    client.force_login(admin)
    page = client.get(reverse(name, args=[shown.pk]), headers={"accept-language": "zh-hans"})
    assert page.status_code == 200
    words = english_words(page.content.decode())
    assert [word for word in words if word not in DATA | {"admin"}] == []


def test_a_message_after_an_action_is_in_the_reader_s_language(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    page = client.post(
        reverse("documents:base_edit", args=[knowledge_base.slug]),
        {"name": ""},
        headers={"accept-language": "zh-hans"},
    )
    assert page.status_code == 422
    assert "这个字段是必填项" in page.content.decode()
