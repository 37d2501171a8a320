"""Knowledge bases and memberships: addresses, rights, the last owner, the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError

from accounts.models import AuditEvent, User
from accounts.people import Role, role_group
from documents import access, bases
from documents.bases import LastOwnerError
from documents.models import KnowledgeBase, Membership

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def curator(charlie: User) -> User:
    charlie.groups.add(role_group(Role.CURATOR))
    return charlie


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Health & Sleep", "health-sleep"),
        ("睡眠健康", "睡眠健康"),
        ("!!!", "knowledge-base"),
        ("New", "new-2"),
        ("x" * 120, "x" * 60),
    ],
)
def test_the_address_is_made_from_the_name_in_any_script(
    curator: User, name: str, slug: str
) -> None:
    assert bases.create_knowledge_base(actor=curator, name=name).slug == slug


def test_the_same_name_twice_gives_two_addresses(curator: User) -> None:
    slugs = [bases.create_knowledge_base(actor=curator, name="睡眠").slug for _number in range(3)]
    assert slugs == ["睡眠", "睡眠-2", "睡眠-3"]


def test_whoever_creates_a_knowledge_base_owns_it(curator: User) -> None:
    base = bases.create_knowledge_base(actor=curator, name="Sleep", candidates=40)
    assert base.candidates == 40
    assert access.roles_in(curator, base) == set(access.ROLES)
    assert AuditEvent.objects.get(action="knowledge_base.create").target_id == str(base.pk)


def test_someone_without_the_role_creates_none(bob: User) -> None:
    with pytest.raises(PermissionDenied):
        bases.create_knowledge_base(actor=bob, name="Sleep")
    assert not KnowledgeBase.objects.exists()


def test_a_ranking_by_nothing_is_refused(curator: User) -> None:
    with pytest.raises(ValidationError):
        bases.create_knowledge_base(
            actor=curator, name="Sleep", **dict.fromkeys(bases.WEIGHTS, 0.0)
        )


def test_a_change_is_recorded_with_what_was_before(
    alice: User, knowledge_base: KnowledgeBase
) -> None:
    bases.update_knowledge_base(
        actor=alice, base=knowledge_base, changes={"name": "Sleep", "sources": 5}
    )
    knowledge_base.refresh_from_db()
    assert (knowledge_base.name, knowledge_base.slug) == ("Sleep", "health")
    event = AuditEvent.objects.get(action="knowledge_base.update")
    assert event.data == {"changed": {"name": ["Health", "Sleep"]}}


def test_a_value_out_of_range_changes_nothing(alice: User, knowledge_base: KnowledgeBase) -> None:
    with pytest.raises(ValidationError):
        bases.update_knowledge_base(
            actor=alice, base=knowledge_base, changes={"name": "Sleep", "candidates": 10_000}
        )
    knowledge_base.refresh_from_db()
    assert knowledge_base.name == "Health"
    assert not AuditEvent.objects.exists()


def test_only_named_fields_can_be_set(alice: User, knowledge_base: KnowledgeBase) -> None:
    with pytest.raises(TypeError):
        bases.update_knowledge_base(actor=alice, base=knowledge_base, changes={"slug": "x"})


def test_a_deleted_knowledge_base_is_gone_for_all_until_it_is_restored(
    alice: User, bob: User, knowledge_base: KnowledgeBase
) -> None:
    assert bases.delete_knowledge_base(actor=alice, base=knowledge_base)
    assert not bases.delete_knowledge_base(actor=alice, base=knowledge_base)
    assert not access.knowledge_bases_for(bob).exists()
    assert not access.knowledge_bases_for(alice, role="owner").exists()
    assert bases.restore_knowledge_base(actor=alice, base=knowledge_base)
    assert access.knowledge_bases_for(bob).exists()


@pytest.mark.parametrize("roles", [[], ["king"], ["viewer", "king"]])
def test_unknown_or_missing_roles_are_refused(
    alice: User, charlie: User, knowledge_base: KnowledgeBase, roles: Sequence[str]
) -> None:
    with pytest.raises(ValidationError):
        bases.set_membership(actor=alice, base=knowledge_base, member=charlie, roles=roles)


def test_a_group_brings_its_people_in(
    alice: User, charlie: User, knowledge_base: KnowledgeBase
) -> None:
    group = Group.objects.create(name="Nurses")
    charlie.groups.add(group)
    bases.set_membership(actor=alice, base=knowledge_base, member=group, roles=["curator"])
    assert access.roles_in(charlie, knowledge_base) == {"viewer", "curator"}


def test_the_last_owner_stays(alice: User, bob: User, knowledge_base: KnowledgeBase) -> None:
    mine = Membership.objects.get(user=alice)
    with pytest.raises(LastOwnerError):
        bases.set_membership(actor=alice, base=knowledge_base, member=alice, roles=["viewer"])
    with pytest.raises(LastOwnerError):
        bases.revoke_membership(actor=alice, base=knowledge_base, membership=mine)
    mine.refresh_from_db()
    assert mine.roles == ["owner"]

    bases.set_membership(actor=alice, base=knowledge_base, member=bob, roles=["owner"])
    assert bases.revoke_membership(actor=alice, base=knowledge_base, membership=mine)
    assert not access.knowledge_bases_for(alice).exists()


@pytest.mark.usefixtures("bob")
def test_an_owner_who_cannot_sign_in_does_not_count(
    alice: User, charlie: User, knowledge_base: KnowledgeBase
) -> None:
    charlie.is_active = False
    charlie.save()
    bases.set_membership(actor=alice, base=knowledge_base, member=charlie, roles=["owner"])
    with pytest.raises(LastOwnerError):
        bases.set_membership(actor=alice, base=knowledge_base, member=alice, roles=["viewer"])


def test_a_membership_of_another_knowledge_base_is_not_touched(
    alice: User, bob: User, knowledge_base: KnowledgeBase
) -> None:
    other = KnowledgeBase.objects.create(name="Other", slug="other")
    foreign = Membership.objects.create(knowledge_base=other, user=bob, roles=["viewer"])
    assert not bases.revoke_membership(actor=alice, base=knowledge_base, membership=foreign)
    assert Membership.objects.filter(pk=foreign.pk).exists()


def test_every_change_of_members_is_on_record(
    alice: User, charlie: User, knowledge_base: KnowledgeBase
) -> None:
    made = bases.set_membership(actor=alice, base=knowledge_base, member=charlie, roles=["viewer"])
    bases.set_membership(actor=alice, base=knowledge_base, member=charlie, roles=["viewer"])
    bases.revoke_membership(actor=alice, base=knowledge_base, membership=made)
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["membership.set", "membership.revoke"]
