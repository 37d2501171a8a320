"""Pages of knowledge bases: made, changed, deleted and given back; members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group

from accounts.people import Role, role_group
from documents import access
from documents.models import Document, KnowledgeBase, Membership

if TYPE_CHECKING:
    from django.test import Client
    from django.test.client import _MonkeyPatchedWSGIResponse as Response
    from pytest_django import DjangoAssertNumQueries

    from accounts.models import User

FORM = {
    "name": "睡眠健康",
    "description": "",
    "visibility": "private",
    "suggested_questions": "怎样才能睡得更好？\n\n What helps?  \n",
    "rerank_enabled": "on",
    "candidates": "30",
    "sources": "5",
    "relevance_weight": "0.4",
    "completeness_weight": "0.3",
    "readability_weight": "0.2",
    "timeliness_weight": "0.1",
    "relevance_floor": "0.15",
    "half_life_days": "1095",
}


@pytest.fixture
def curator(charlie: User) -> User:
    charlie.groups.add(role_group(Role.CURATOR))
    return charlie


def test_a_curator_creates_a_knowledge_base_with_a_chinese_name(
    client: Client, curator: User
) -> None:
    client.force_login(curator)
    assert "Start with a knowledge base" in client.get("/knowledge-bases/").content.decode()
    response = client.post("/knowledge-bases/new/", FORM, follow=True)
    base = KnowledgeBase.objects.get()
    assert (base.name, base.slug) == ("睡眠健康", "睡眠健康")
    assert base.suggested_questions == ["怎样才能睡得更好？", "What helps?"]
    assert "No documents yet" in response.content.decode()


def test_somebody_without_any_knowledge_base_is_told_what_to_do(
    client: Client, charlie: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(charlie)
    page = client.get("/knowledge-bases/").content.decode()
    assert "No knowledge base is open to you yet" in page
    assert "charlie" in page
    assert "Health" not in page


def test_a_form_with_nothing_to_rank_by_comes_back(client: Client, curator: User) -> None:
    client.force_login(curator)
    zeros = {name: "0" for name in FORM if name.endswith("_weight")}
    response = client.post("/knowledge-bases/new/", {**FORM, **zeros})
    assert response.status_code == 422
    assert "At least one factor" in response.content.decode()


def test_the_owner_changes_the_settings(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    assert client.get("/knowledge-bases/health/edit/").status_code == 200
    client.post("/knowledge-bases/health/edit/", {**FORM, "name": "Sleep", "sources": "8"})
    knowledge_base.refresh_from_db()
    assert (knowledge_base.name, knowledge_base.sources) == ("Sleep", 8)


def test_deleting_shows_the_way_back(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    page = client.post("/knowledge-bases/health/delete/", follow=True).content.decode()
    assert "/knowledge-bases/health/restore/" in page
    assert client.get("/knowledge-bases/health/").status_code == 404
    assert client.post("/knowledge-bases/health/restore/", follow=True).status_code == 200
    assert client.get("/knowledge-bases/health/").status_code == 200


def test_a_stranger_learns_nothing_from_the_way_back(
    client: Client, alice: User, charlie: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    client.post("/knowledge-bases/health/delete/")
    client.force_login(charlie)
    page = client.get(f"/knowledge-bases/?deleted={knowledge_base.pk}").content.decode()
    assert "Health" not in page
    assert client.post("/knowledge-bases/health/restore/").status_code == 404


def test_the_owner_adds_changes_and_removes_members(
    client: Client, alice: User, charlie: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    members = "/knowledge-bases/health/members/"
    client.post(members, {"username": "Charlie", "roles": ["viewer"]})
    membership = Membership.objects.get(user=charlie)
    client.post(f"{members}{membership.pk}/", {"roles": ["curator", "reviewer"]})
    assert access.roles_in(charlie, knowledge_base) == {"viewer", "curator", "reviewer"}
    client.post(f"{members}{membership.pk}/", {"remove": "1"})
    assert access.roles_in(charlie, knowledge_base) == frozenset()


def test_a_group_becomes_a_member(
    client: Client, alice: User, charlie: User, knowledge_base: KnowledgeBase
) -> None:
    group = Group.objects.create(name="Nurses")
    charlie.groups.add(group)
    client.force_login(alice)
    client.post("/knowledge-bases/health/members/", {"group": group.pk, "roles": ["viewer"]})
    assert "Nurses" in client.get("/knowledge-bases/health/members/").content.decode()
    assert access.roles_in(charlie, knowledge_base) == {"viewer"}


@pytest.mark.parametrize(
    "form",
    [
        {"username": "nobody", "roles": ["viewer"]},
        {"username": "", "roles": ["viewer"]},
        {"username": "charlie", "roles": []},
    ],
)
def test_a_member_who_cannot_be_is_refused(
    client: Client, alice: User, charlie: User, knowledge_base: KnowledgeBase, form: dict[str, str]
) -> None:
    client.force_login(alice)
    assert client.post("/knowledge-bases/health/members/", form).status_code == 422
    assert Membership.objects.count() == 2


def test_the_last_owner_is_told_why_they_must_stay(
    client: Client, alice: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(alice)
    mine = Membership.objects.get(user=alice)
    response = client.post(
        f"/knowledge-bases/health/members/{mine.pk}/", {"remove": "1"}, follow=True
    )
    assert "at least one owner" in response.content.decode()
    assert Membership.objects.filter(pk=mine.pk).exists()


@pytest.mark.parametrize("role", ["viewer", "curator", "reviewer"])
def test_only_owners_see_members_and_settings(
    client: Client, bob: User, knowledge_base: KnowledgeBase, role: str
) -> None:
    Membership.objects.filter(user=bob).update(roles=[role])
    client.force_login(bob)
    for page in ("members", "edit"):
        assert client.get(f"/knowledge-bases/health/{page}/").status_code == 404
    assert "/members/" not in client.get("/knowledge-bases/health/").content.decode()


def test_the_list_asks_the_database_no_more_for_many_than_for_one(
    client: Client, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        base = KnowledgeBase.objects.create(name=f"Base {number}", slug=f"base-{number}")
        Membership.objects.create(knowledge_base=base, user=alice, roles=["owner"])
        Document.objects.create(knowledge_base=base, title="One")
    client.force_login(alice)
    with django_assert_max_num_queries(9):
        page = client.get("/knowledge-bases/").content.decode()
    assert page.count("1 document<") == 30


class TestPresets:
    def post(self, client: Client, base: KnowledgeBase, **sent: str) -> Response:
        return client.post(f"/knowledge-bases/{base.slug}/edit/", {**FORM, **sent})

    @pytest.fixture(autouse=True)
    def signed_in(self, client: Client, alice: User) -> None:
        client.force_login(alice)

    def weights(self, base: KnowledgeBase) -> tuple[float, ...]:
        base.refresh_from_db()
        return (
            base.relevance_weight,
            base.completeness_weight,
            base.readability_weight,
            base.timeliness_weight,
        )

    def test_the_page_names_the_preset_that_stands(
        self, client: Client, knowledge_base: KnowledgeBase
    ) -> None:
        page = client.get(f"/knowledge-bases/{knowledge_base.slug}/edit/")
        assert page.context["form"]["preset"].value() == "balanced"

    def test_a_preset_fills_in_the_weights(
        self, client: Client, knowledge_base: KnowledgeBase
    ) -> None:
        self.post(client, knowledge_base, preset="relevance_only")
        assert self.weights(knowledge_base) == (1.0, 0.0, 0.0, 0.0)
        page = client.get(f"/knowledge-bases/{knowledge_base.slug}/edit/")
        assert page.context["form"]["preset"].value() == "relevance_only"

    def test_a_weight_that_is_changed_counts_though_the_old_preset_is_still_ticked(
        self, client: Client, knowledge_base: KnowledgeBase
    ) -> None:
        self.post(client, knowledge_base, preset="balanced", readability_weight="0.5")
        assert self.weights(knowledge_base) == (0.4, 0.3, 0.5, 0.1)
        page = client.get(f"/knowledge-bases/{knowledge_base.slug}/edit/")
        assert page.context["form"]["preset"].value() == "own"

    def test_another_preset_and_other_weights_at_once_are_refused(
        self, client: Client, knowledge_base: KnowledgeBase
    ) -> None:
        response = self.post(
            client, knowledge_base, preset="relevance_only", readability_weight="0.5"
        )
        assert response.status_code == 422
        assert "Choose one or the other" in response.content.decode()
        assert self.weights(knowledge_base) == (0.4, 0.3, 0.2, 0.1)

    @pytest.mark.parametrize("bad", ["-0.1", "1.5", "much"])
    def test_a_weight_out_of_range_is_refused(
        self, client: Client, knowledge_base: KnowledgeBase, bad: str
    ) -> None:
        response = self.post(client, knowledge_base, preset="own", readability_weight=bad)
        assert response.status_code == 422
        assert self.weights(knowledge_base) == (0.4, 0.3, 0.2, 0.1)
