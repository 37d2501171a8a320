"""Who may open what: Alice owns, Bob views, Charlie is a stranger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group
from django.http import Http404

from documents import access
from documents.models import Document, KnowledgeBase, Membership

if TYPE_CHECKING:
    from accounts.models import User

Visibility = KnowledgeBase.Visibility


@pytest.fixture
def document(knowledge_base: KnowledgeBase) -> Document:
    return Document.objects.create(knowledge_base=knowledge_base, title="Sleep")


def opens(viewer: User, document: Document, role: access.Role = "viewer") -> bool:
    try:
        return access.document_for(viewer, document.pk, role=role) == document
    except Http404:
        return False


def test_members_open_it_and_strangers_do_not(
    alice: User, bob: User, charlie: User, document: Document
) -> None:
    assert [opens(user, document) for user in (alice, bob, charlie)] == [True, True, False]


def test_only_the_owner_may_change_it(
    alice: User, bob: User, charlie: User, document: Document
) -> None:
    changing = [opens(user, document, "curator") for user in (alice, bob, charlie)]
    assert changing == [True, False, False]


def test_an_open_knowledge_base_is_read_by_everyone_signed_in(
    charlie: User, document: Document, knowledge_base: KnowledgeBase
) -> None:
    knowledge_base.visibility = Visibility.SIGNED_IN
    knowledge_base.save()
    assert opens(charlie, document)
    assert not opens(charlie, document, "curator")
    assert access.roles_in(charlie, knowledge_base) == {"viewer"}


def test_a_deactivated_member_opens_nothing(
    alice: User, document: Document, knowledge_base: KnowledgeBase
) -> None:
    alice.is_active = False
    alice.save()
    assert not opens(alice, document)
    assert access.roles_in(alice, knowledge_base) == frozenset()


def test_a_disabled_document_is_closed_to_viewers_and_open_to_curators(
    alice: User, bob: User, document: Document
) -> None:
    document.is_enabled = False
    document.save()
    assert (opens(alice, document), opens(bob, document)) == (True, False)


def test_a_document_for_a_group_is_read_by_that_group_and_by_curators(
    alice: User, bob: User, document: Document, knowledge_base: KnowledgeBase
) -> None:
    doctors = Group.objects.create(name="Doctors")
    document.visible_to_groups.add(doctors)
    assert (opens(alice, document), opens(bob, document)) == (True, False)
    bob.groups.add(doctors)
    assert opens(bob, document)


def test_a_document_of_a_deleted_knowledge_base_is_closed_to_all(
    alice: User, admin: User, document: Document, knowledge_base: KnowledgeBase
) -> None:
    knowledge_base.deleted_at = knowledge_base.created_at
    knowledge_base.save()
    assert not opens(alice, document)
    assert not opens(admin, document)
    with pytest.raises(Http404):
        access.knowledge_base_for(alice, "health")
    assert access.deleted_knowledge_base_for(alice, "health") == knowledge_base


@pytest.mark.parametrize("role", ["curator", "reviewer", "owner"])
def test_a_role_opens_what_asks_for_it_and_no_other(
    bob: User, knowledge_base: KnowledgeBase, role: access.Role
) -> None:
    Membership.objects.filter(user=bob).update(roles=[role])
    opened = {
        asked
        for asked in ("curator", "reviewer", "owner")
        if access.knowledge_bases_for(bob, role=asked).exists()
    }
    assert opened == ({"curator", "reviewer", "owner"} if role == "owner" else {role})


def test_a_deleted_document_is_found_by_curators_only_and_only_to_restore_it(
    alice: User, bob: User, document: Document
) -> None:
    document.deleted_at = document.created_at
    document.save()
    assert not opens(alice, document)
    assert access.deleted_document_for(alice, document.pk) == document
    with pytest.raises(Http404):
        access.deleted_document_for(bob, document.pk)


def test_a_stranger_cannot_tell_what_is_there_from_what_is_not(
    charlie: User, document: Document
) -> None:
    with pytest.raises(Http404) as hidden:
        access.document_for(charlie, document.pk)
    with pytest.raises(Http404) as missing:
        access.document_for(charlie, document.pk + 1)
    assert str(hidden.value) == str(missing.value)
