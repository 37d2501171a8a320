"""People: made, given roles, shut out and let in again by administrators; their passwords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts import people
from accounts.models import AuditEvent, User
from accounts.people import LastAdministratorError
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

NEW_PASSWORD = "seven green turtles walking"


def test_a_new_person_gets_a_password_that_is_shown_once_and_must_be_changed(
    client: Client, admin: User
) -> None:
    client.force_login(admin)
    response = client.post(
        "/people/new/", {"username": "dora", "full_name": "Dora D", "roles": ["curator"]}
    )
    page = response.content.decode()
    found = re.search(r'id="temporary-password">([^<]+)<', page)
    assert found is not None
    password = found[1]
    assert "no-store" in response["Cache-Control"]
    assert password not in client.get("/people/").content.decode()

    theirs = Client()
    theirs.post("/sign-in/", {"username": "dora", "password": password})
    assert theirs.get("/knowledge-bases/")["Location"] == "/password/"
    changed = theirs.post(
        "/password/",
        {"old_password": password, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
    )
    assert changed["Location"] == "/"
    assert theirs.get("/knowledge-bases/").status_code == 200


def test_htmx_is_sent_to_the_whole_password_page(client: Client, bob: User) -> None:
    bob.must_change_password = True
    bob.save()
    client.force_login(bob)
    response = client.get("/knowledge-bases/", headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == "/password/"


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("wrong", NEW_PASSWORD, NEW_PASSWORD),
        (PASSWORD, NEW_PASSWORD, "something else"),
        (PASSWORD, "12345678", "12345678"),
    ],
)
def test_a_password_is_not_changed_by_mistake(
    client: Client, bob: User, old: str, new: str, again: str
) -> None:
    client.force_login(bob)
    response = client.post(
        "/password/", {"old_password": old, "new_password1": new, "new_password2": again}
    )
    assert response.status_code == 422
    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)


def test_a_changed_password_ends_other_sessions_and_not_this_one(client: Client, bob: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(bob)
    client.force_login(bob)
    client.post(
        "/password/",
        {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
    )
    assert client.get("/knowledge-bases/").status_code == 200
    assert elsewhere.get("/knowledge-bases/").status_code == 302


def test_a_name_is_taken_whatever_its_letters_look_like(
    client: Client, admin: User, bob: User
) -> None:
    client.force_login(admin)
    assert client.post("/people/new/", {"username": "Bob"}).status_code == 422


def test_deactivating_ends_sessions_and_reactivating_lets_in_again(
    client: Client, admin: User, bob: User
) -> None:
    theirs = Client()
    theirs.force_login(bob)
    client.force_login(admin)
    client.post(f"/people/{bob.pk}/active/", {"active": "0"})
    assert theirs.get("/knowledge-bases/").status_code == 302
    bob.refresh_from_db()
    assert not bob.is_active
    client.post(f"/people/{bob.pk}/active/", {"active": "1"})
    bob.refresh_from_db()
    assert bob.is_active


def test_a_reset_password_ends_sessions_and_is_for_one_sign_in(
    client: Client, admin: User, bob: User
) -> None:
    theirs = Client()
    theirs.force_login(bob)
    client.force_login(admin)
    assert client.post(f"/people/{bob.pk}/password/").status_code == 200
    assert theirs.get("/knowledge-bases/").status_code == 302
    bob.refresh_from_db()
    assert bob.must_change_password
    assert not bob.check_password(PASSWORD)


def test_roles_are_groups_and_bring_their_rights(client: Client, admin: User, bob: User) -> None:
    client.force_login(admin)
    client.post(f"/people/{bob.pk}/", {"roles": ["curator", "reviewer"]})
    bob = User.objects.get(pk=bob.pk)
    assert people.roles_of(bob) == ["curator", "reviewer"]
    assert bob.has_perm("documents.add_knowledgebase")
    assert (bob.is_staff, bob.is_superuser) == (True, False)
    client.post(f"/people/{bob.pk}/", {"roles": []})
    bob = User.objects.get(pk=bob.pk)
    assert people.roles_of(bob) == []
    assert not bob.has_perm("documents.add_knowledgebase")
    assert not bob.is_staff


def test_other_groups_of_a_person_stay_when_roles_change(admin: User, bob: User) -> None:
    nurses = Group.objects.create(name="Nurses")
    bob.groups.add(nurses)
    people.set_roles(actor=admin, person=bob, roles=["reviewer"])
    assert set(bob.groups.values_list("name", flat=True)) == {"Nurses", "Reviewers"}


def test_the_last_administrator_cannot_be_demoted_or_shut_out(admin: User, bob: User) -> None:
    with pytest.raises(LastAdministratorError):
        people.set_roles(actor=admin, person=admin, roles=[])
    bob.is_superuser = True
    bob.save()
    people.set_active(actor=bob, person=admin, active=False)
    admin.refresh_from_db()
    with pytest.raises(LastAdministratorError):
        people.set_active(actor=admin, person=bob, active=False)
    bob.refresh_from_db()
    assert bob.is_active


def test_nobody_deactivates_themselves(client: Client, admin: User) -> None:
    client.force_login(admin)
    client.post(f"/people/{admin.pk}/active/", {"active": "0"})
    admin.refresh_from_db()
    assert admin.is_active


@pytest.mark.parametrize("path", ["/people/", "/people/new/"])
def test_people_are_the_business_of_administrators(client: Client, alice: User, path: str) -> None:
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    assert client.get(path).status_code == 404


def test_people_are_found_by_name_with_a_bounded_number_of_queries(
    client: Client, admin: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    group = Group.objects.create(name="Nurses")
    for number in range(60):
        User.objects.create_user(f"nurse{number:02}").groups.add(group)
    client.force_login(admin)
    with django_assert_max_num_queries(10):
        page = client.get("/people/?q=nurse").content.decode()
    assert "nurse00" in page
    assert "Page 1 of 2" in page
    assert "nurse59" in client.get("/people/?q=nurse&page=2").content.decode()


def test_every_change_is_on_record_and_no_password_is(admin: User) -> None:
    made, password = people.create_person(actor=admin, username="dora", roles=["reviewer"])
    people.set_active(actor=admin, person=made, active=False)
    again = people.reset_password(actor=admin, person=made)
    events = AuditEvent.objects.order_by("pk")
    assert [event.action for event in events] == [
        "person.create",
        "person.deactivate",
        "person.reset_password",
    ]
    recorded = str(list(events.values()))
    assert password not in recorded
    assert again not in recorded
