"""What curators say about documents and passages, and that it lasts."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError

from accounts.models import AuditEvent
from documents import curating, indexing, storing, tasks, uploading
from documents.models import Chunk, ChunkCuration, ChunkEmbedding, Document, KnowledgeBase
from documents.retrieval import search_lexical

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from accounts.models import User

RunTasks = "Callable[[], AbstractContextManager[object]]"


@pytest.fixture
def document(indexed: Callable[..., Document]) -> Document:
    return indexed()


@pytest.fixture
def chunk(document: Document) -> Chunk:
    chunk = Chunk.objects.filter(document=document).order_by("ordinal").first()
    assert chunk is not None
    return chunk


def found(viewer: User, base: KnowledgeBase, *tokens: str) -> set[int]:
    return {hit.chunk_id for hit in search_lexical(viewer, [base], list(tokens), 10)}


def test_a_disabled_document_is_not_found_until_it_is_enabled(
    bob: User, alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    assert found(bob, knowledge_base, "bedroom")
    assert curating.set_document_enabled(actor=alice, document=document, enabled=False)
    assert not curating.set_document_enabled(actor=alice, document=document, enabled=False)
    assert not found(bob, knowledge_base, "bedroom")
    assert curating.set_document_enabled(actor=alice, document=document, enabled=True)
    assert found(bob, knowledge_base, "bedroom")


def test_a_new_title_is_searched_as_soon_as_its_task_has_run(
    alice: User,
    knowledge_base: KnowledgeBase,
    document: Document,
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    before = dict(ChunkEmbedding.objects.values_list("chunk", "embedding"))
    assert not found(alice, knowledge_base, "nightcap")
    with run_tasks():
        curating.update_document(actor=alice, document=document, changes={"title": "Nightcaps"})
        assert (
            document.chunks.filter(is_stale=True).count() == document.chunks.count() == len(before)
        )
    assert found(alice, knowledge_base, "nightcap") == set(before)
    assert not document.chunks.filter(is_stale=True).exists()
    after = dict(ChunkEmbedding.objects.values_list("chunk", "embedding"))
    assert set(after) == set(before)
    assert all(after[pk] != before[pk] for pk in after), "the title is embedded with each passage"


def test_other_details_ring_no_worker(
    alice: User, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[object] = []
    monkeypatch.setattr(curating, "enqueue_on_commit", lambda *args: rung.append(args))
    changes = {"title": document.title, "tags": ["night"], "expires_at": date(2031, 1, 1)}
    curating.update_document(actor=alice, document=document, changes=changes)
    assert rung == []
    assert not document.chunks.filter(is_stale=True).exists()


def test_a_title_that_changes_while_it_is_read_leaves_the_mark(
    alice: User, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    curating.update_document(actor=alice, document=document, changes={"title": "Nightcaps"})
    real = storing.vectors_of

    def slow(*args: Any, **kwargs: Any) -> Any:
        Document.objects.filter(pk=document.pk).update(title="Lullabies")
        return real(*args, **kwargs)

    monkeypatch.setattr(indexing, "vectors_of", slow)
    indexing.reindex_stale(document.pk)
    assert document.chunks.filter(is_stale=True).count() == document.chunks.count()


def test_a_title_given_while_the_document_is_processed_is_searched(
    alice: User, knowledge_base: KnowledgeBase, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploading.reprocess(actor=alice, document=document)
    real = storing.ids_of_terms
    said: list[str] = []

    def rename(*args: Any) -> Any:
        if not said:
            said.append("Nightcaps")
            curating.update_document(actor=alice, document=document, changes={"title": "Nightcaps"})
        return real(*args)

    monkeypatch.setattr(indexing, "ids_of_terms", rename)
    indexing.index_document(document.versions.get().pk)
    document.refresh_from_db()
    assert document.title == "Nightcaps"
    assert len(found(alice, knowledge_base, "nightcap")) == document.chunks.count() > 0


def test_a_deletion_can_be_taken_back(
    alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    assert curating.delete_document(actor=alice, document=document)
    assert not found(alice, knowledge_base, "bedroom")
    assert curating.restore_document(actor=alice, document=document)
    assert not curating.restore_document(actor=alice, document=document)
    assert found(alice, knowledge_base, "bedroom")


def test_an_erased_document_cannot_be_restored(alice: User, document: Document) -> None:
    Document.objects.filter(pk=document.pk).update(
        deleted_at=document.created_at, purged_at=document.created_at
    )
    assert not curating.restore_document(actor=alice, document=document)


def test_a_document_for_a_group_is_not_found_by_others(
    alice: User, bob: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    doctors = Group.objects.create(name="Doctors")
    assert curating.set_visibility_groups(actor=alice, document=document, groups=[doctors])
    assert not curating.set_visibility_groups(actor=alice, document=document, groups=[doctors])
    assert not found(bob, knowledge_base, "bedroom")
    bob.groups.add(doctors)
    assert found(bob, knowledge_base, "bedroom")


def test_details_are_stored_and_recorded_in_plain_values(alice: User, document: Document) -> None:
    curating.update_document(
        actor=alice,
        document=document,
        changes={"effective_date": date(2024, 5, 1), "tags": ["sleep"], "licence": ""},
    )
    document.refresh_from_db()
    assert (document.effective_date, document.tags) == (date(2024, 5, 1), ["sleep"])
    event = AuditEvent.objects.get(action="document.update")
    assert event.data["changed"] == {
        "effective_date": [None, "2024-05-01"],
        "tags": [[], ["sleep"]],
    }


def test_a_document_cannot_expire_before_it_takes_effect(alice: User, document: Document) -> None:
    with pytest.raises(ValidationError):
        curating.update_document(
            actor=alice,
            document=document,
            changes={"effective_date": date(2024, 5, 1), "expires_at": date(2023, 5, 1)},
        )
    document.refresh_from_db()
    assert document.effective_date is None


def test_documents_cannot_supersede_each_other_in_a_circle(
    alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    newer = Document.objects.create(knowledge_base=knowledge_base, title="Newer")
    newest = Document.objects.create(knowledge_base=knowledge_base, title="Newest")
    curating.update_document(actor=alice, document=document, changes={"superseded_by": newer})
    curating.update_document(actor=alice, document=newer, changes={"superseded_by": newest})
    for successor in (document, newest):
        with pytest.raises(ValidationError):
            curating.update_document(
                actor=alice, document=newest, changes={"superseded_by": successor}
            )


def test_a_document_is_not_superseded_from_outside(alice: User, document: Document) -> None:
    other = KnowledgeBase.objects.create(name="Other", slug="other")
    foreign = Document.objects.create(knowledge_base=other, title="Foreign")
    with pytest.raises(ValidationError):
        curating.update_document(actor=alice, document=document, changes={"superseded_by": foreign})


def test_an_edited_passage_is_found_by_its_new_words_and_no_more_by_the_old(
    alice: User,
    knowledge_base: KnowledgeBase,
    chunk: Chunk,
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    vector = list(chunk.embeddings.get().embedding)
    with run_tasks():
        assert curating.edit_chunk(actor=alice, chunk=chunk, text="Melatonin helps pilots.")
    chunk.refresh_from_db()
    assert chunk.is_edited
    assert chunk.generated_text != chunk.text
    assert found(alice, knowledge_base, "melatonin") == {chunk.pk}
    assert chunk.pk not in found(alice, knowledge_base, "bedroom")
    assert list(chunk.embeddings.get().embedding) != vector


def test_an_edit_whose_message_was_lost_is_rung_again_until_it_is_done(
    alice: User,
    knowledge_base: KnowledgeBase,
    chunk: Chunk,
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    curating.edit_chunk(actor=alice, chunk=chunk, text="Melatonin helps pilots.")
    assert indexing.stale_chunks() == [chunk.pk]
    with run_tasks():
        tasks.requeue_expired()
    assert found(alice, knowledge_base, "melatonin") == {chunk.pk}
    assert indexing.stale_chunks() == []


def test_an_edit_survives_a_rebuild_and_can_be_taken_back(
    alice: User,
    chunk: Chunk,
    document: Document,
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    original = chunk.generated_text
    curating.edit_chunk(actor=alice, chunk=chunk, text="Melatonin helps pilots.")
    curating.set_chunk_enabled(actor=alice, chunk=chunk, enabled=False)
    uploading.reprocess(actor=alice, document=document)
    indexing.index_document(document.versions.get().pk)

    rebuilt = Chunk.objects.get(document=document, ordinal=chunk.ordinal)
    assert rebuilt.pk != chunk.pk
    assert (rebuilt.text, rebuilt.is_edited, rebuilt.is_enabled) == (
        "Melatonin helps pilots.",
        True,
        False,
    )
    with run_tasks():
        curating.edit_chunk(actor=alice, chunk=rebuilt, text=original)
        curating.set_chunk_enabled(actor=alice, chunk=rebuilt, enabled=True)
    rebuilt.refresh_from_db()
    assert (rebuilt.text, rebuilt.is_edited, rebuilt.is_enabled) == (original, False, True)
    assert not ChunkCuration.objects.exists(), "nothing is said any more"


@pytest.mark.parametrize("text", ["", "  \n ", "x" * (curating.MAX_CHUNK_CHARACTERS + 1)])
def test_a_passage_without_text_or_without_end_is_refused(
    alice: User, chunk: Chunk, text: str
) -> None:
    with pytest.raises(ValidationError):
        curating.edit_chunk(actor=alice, chunk=chunk, text=text)
    assert not ChunkCuration.objects.exists()


def test_a_passage_that_is_gone_is_left_alone(alice: User, chunk: Chunk) -> None:
    Chunk.objects.filter(pk=chunk.pk).delete()
    assert not curating.edit_chunk(actor=alice, chunk=chunk, text="Too late.")
    assert not curating.set_chunk_enabled(actor=alice, chunk=chunk, enabled=False)
    assert not ChunkCuration.objects.exists()


def test_a_disabled_passage_is_not_found(
    alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    (hit,) = found(alice, knowledge_base, "caffein")
    chunk = Chunk.objects.get(pk=hit)
    curating.set_chunk_enabled(actor=alice, chunk=chunk, enabled=False)
    assert hit not in found(alice, knowledge_base, "caffein")
    event = AuditEvent.objects.get(action="chunk.disable")
    assert "text" not in event.data, "the record holds no document text"
