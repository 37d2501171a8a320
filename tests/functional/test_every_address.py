"""Every address of the site, tried by everybody. A new URL fails here until it is listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin as django_admin
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from documents.models import (
    Chunk,
    ChunkCuration,
    Delivery,
    Document,
    DocumentVersion,
    EmbeddingSpace,
    IndexGeneration,
    KnowledgeBase,
    Membership,
)
from qa.models import Answer, RerankerMeasurement, RerankerProfile
from tests.functional.qa.conftest import Answered, make_answered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from accounts.models import User

OPEN = {"healthz", "set_language", "accounts:sign_in", "accounts:sign_out", "accounts:setup"}
"""Anybody may ask for these; each decides for itself."""
OWN = {
    "accounts:password",
    "documents:bases",
    "qa:home",
    "qa:ask",
    "qa:workers",
    "qa:personal_order",
    "qa:change_personal_order",
}
"""Anybody signed in: they show what is theirs."""
PRIVILEGED = {
    "accounts:people",
    "accounts:person_create",
    "accounts:person",
    "accounts:person_active",
    "accounts:person_password",
    "documents:base_create",
    "qa:measure_all",
    "qa:models",
    "qa:models_guide",
    "qa:review",
}
"""For some roles only: a stranger gets 403 or 404."""


@dataclass(frozen=True, slots=True)
class World:
    """Alice's private knowledge base with one of everything in it."""

    answered: Answered
    base: KnowledgeBase
    chunk: Chunk
    curation: ChunkCuration
    membership: Membership
    measurement: RerankerMeasurement
    delivery: Delivery

    def arguments(self, name: str, converters: Any) -> list[object]:
        """What to put into the address called ``name``."""
        by_name: dict[str, list[object]] = {
            "documents:member": [self.base.slug, self.membership.pk],
            "documents:edit_decide": [self.base.slug, self.curation.pk],
            "documents:printed_page": [self.chunk.version_id, 1],
            "documents:page_picture": [self.chunk.version_id, 1],
            "qa:review_citation": [self.answered.citation.pk],
            "qa:measure": [self.measurement.profile_id],
            "qa:measure_cancel": [self.measurement.pk],
            "qa:measured": [self.measurement.profile_id],
            "qa:opened": [self.answered.passages[0].pk],
            "qa:review_source": [self.answered.passages[0].pk],
        }
        if name in by_name:
            return by_name[name]
        if not converters:
            return []
        if "slug" in converters:
            return [self.base.slug]
        if name.startswith("documents:delivery"):
            return [self.delivery.pk]
        if name.startswith("documents:passage"):
            return [self.chunk.pk]
        if name.startswith("documents:"):
            return [self.answered.documents[0].pk]
        if name.startswith("accounts:"):
            return [self.base.created_by_id]
        own = {"qa:conversation", "qa:ask_in", "qa:rename", "qa:delete", "qa:restore", "qa:deleted"}
        return [self.answered.conversation.pk if name in own else self.answered.answer.pk]


@pytest.fixture
def world(knowledge_base: KnowledgeBase, alice: User, bob: User) -> World:
    answered = make_answered(knowledge_base, uploader=alice, asker=bob)
    space = EmbeddingSpace.objects.create(provider="fake", model="fake", dimension=3)
    generation = IndexGeneration.objects.create(
        knowledge_base=knowledge_base,
        number=1,
        space=space,
        chunk_max_tokens=180,
        chunk_overlap_tokens=24,
        chunking_generation=1,
        term_generation=1,
        state=IndexGeneration.State.ACTIVE,
    )
    knowledge_base.active_generation = generation
    knowledge_base.save(update_fields=["active_generation"])
    document = answered.documents[0]
    version = document.current_version
    assert version is not None
    chunk = Chunk.objects.create(
        generation=generation,
        knowledge_base=knowledge_base,
        document=document,
        version=version,
        ordinal=0,
        generated_text="Keep a regular bedtime.",
        text="Keep a regular bedtime.",
        text_sha256="0" * 64,
        start=0,
        end=23,
        token_count=5,
    )
    curation = ChunkCuration.objects.create(
        document=document, text_sha256="1" * 64, edited_text="Sleep."
    )
    membership = Membership.objects.get(knowledge_base=knowledge_base, user=bob)
    profile = RerankerProfile.objects.create(name="any", kind=RerankerProfile.Kind.FAKE)
    measurement = RerankerMeasurement.objects.create(profile=profile)
    delivery = Delivery.objects.create(
        knowledge_base=knowledge_base, kind=Delivery.Kind.ARCHIVE, name="all.zip"
    )
    return World(answered, knowledge_base, chunk, curation, membership, measurement, delivery)


def names(
    patterns: list[URLPattern | URLResolver] | None = None, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Every named address but the admin's, with its converters."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace == "admin":
                continue
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from names(pattern.url_patterns, inner)
        elif pattern.name:
            yield f"{prefix}{pattern.name}", pattern.pattern.converters


ADDRESSES = dict(names())


def visit(client: Client, name: str, world: World) -> set[int]:
    """Statuses of GET and POST; 405 tells nothing and is left out."""
    address = reverse(name, args=world.arguments(name, ADDRESSES[name]))
    return {client.get(address).status_code, client.post(address).status_code} - {405}


@pytest.mark.parametrize("name", sorted(set(ADDRESSES) - OPEN))
def test_an_anonymous_visitor_is_sent_to_sign_in(client: Client, world: World, name: str) -> None:
    address = reverse(name, args=world.arguments(name, ADDRESSES[name]))
    for response in (client.get(address), client.post(address)):
        if response.status_code != 405:
            assert response.status_code == 302
            assert response["Location"].startswith(reverse("accounts:sign_in"))


@pytest.mark.parametrize("name", sorted(set(ADDRESSES) - OPEN - OWN - PRIVILEGED))
def test_a_signed_in_stranger_finds_nothing_at_the_objects_of_others(
    client: Client, world: World, charlie: User, name: str
) -> None:
    client.force_login(charlie)
    assert visit(client, name, world) == {404}


@pytest.mark.parametrize("name", sorted(PRIVILEGED))
def test_a_stranger_is_refused_what_needs_a_role(
    client: Client, world: World, charlie: User, name: str
) -> None:
    client.force_login(charlie)
    assert visit(client, name, world) <= {403, 404}


CURATORS = sorted(
    name
    for name in ADDRESSES
    if name.startswith("documents:")
    and name not in {"documents:bases", "documents:base", "documents:document"}
    and name not in {"documents:source", "documents:original", "documents:document_row"}
    and name not in {"documents:passage", "documents:base_create", "documents:document_state"}
    and name not in {"documents:printed_page", "documents:page_picture"}
)


@pytest.mark.parametrize("name", CURATORS)
def test_a_viewer_may_not_change_anything(
    client: Client, world: World, bob: User, name: str
) -> None:
    client.force_login(bob)
    before = world_state()
    assert visit(client, name, world) <= {403, 404}
    assert world_state() == before


def world_state() -> object:
    return (
        list(KnowledgeBase.objects.order_by("pk").values()),
        list(Document.objects.order_by("pk").values()),
        list(DocumentVersion.objects.order_by("pk").values()),
        list(Membership.objects.order_by("pk").values()),
        list(Delivery.objects.order_by("pk").values()),
        list(Chunk.objects.order_by("pk").values("text", "is_enabled")),
        list(Answer.objects.order_by("pk").values()),
    )


READERS = ["documents:base", "documents:document", "documents:source", "qa:conversation"]


@pytest.mark.parametrize("name", READERS)
def test_a_viewer_opens_what_is_there_to_read(
    client: Client, world: World, bob: User, name: str
) -> None:
    client.force_login(bob)
    address = reverse(name, args=world.arguments(name, ADDRESSES[name]))
    assert client.get(address).status_code == 200


ADMIN_PAGES = sorted(
    f"{model._meta.app_label}_{model._meta.model_name}" for model in django_admin.site._registry
)


@pytest.mark.parametrize("page", ADMIN_PAGES)
def test_an_administrator_opens_every_list_of_the_admin(
    client: Client, world: World, admin: User, page: str
) -> None:
    client.force_login(admin)
    assert client.get(reverse(f"admin:{page}_changelist")).status_code == 200


ADMIN_OBJECTS = {
    "documents_knowledgebase": lambda world: world.base,
    "documents_document": lambda world: world.answered.documents[0],
    "documents_chunk": lambda world: world.chunk,
    "documents_delivery": lambda world: world.delivery,
    "qa_answer": lambda world: world.answered.answer,
}


@pytest.mark.parametrize("page", sorted(ADMIN_OBJECTS))
def test_an_administrator_opens_the_objects_of_the_admin(
    client: Client, world: World, admin: User, page: str
) -> None:
    client.force_login(admin)
    target = ADMIN_OBJECTS[page](world)
    response = client.get(reverse(f"admin:{page}_change", args=[target.pk]))
    assert response.status_code == 200


@pytest.mark.parametrize("page", sorted(ADMIN_OBJECTS))
def test_staff_who_are_strangers_to_a_knowledge_base_find_nothing_of_it_in_the_admin(
    client: Client, world: World, charlie: User, page: str
) -> None:
    grant_everything(charlie)
    client.force_login(charlie)
    target = ADMIN_OBJECTS[page](world)
    response = client.get(reverse(f"admin:{page}_change", args=[target.pk]))
    assert response.status_code in {302, 404}
    assert "regular bedtime" not in client.get(reverse(f"admin:{page}_changelist")).content.decode()


def grant_everything(user: User) -> None:
    """Staff with every permission of Django's, and no role in any knowledge base."""
    user.is_staff = True
    user.save()
    permissions = user.user_permissions.model.objects.all()
    user.user_permissions.set(permissions)


@pytest.mark.parametrize("page", ADMIN_PAGES)
def test_the_admin_is_closed_to_people_who_are_not_staff(
    client: Client, world: World, bob: User, page: str
) -> None:
    client.force_login(bob)
    assert client.get(reverse(f"admin:{page}_changelist")).status_code == 302


def test_a_page_other_than_the_admin_allows_nothing_from_elsewhere_and_nothing_inline(
    client: Client, world: World, bob: User
) -> None:
    client.force_login(bob)
    policy = client.get("/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
