"""What was said of passages survives another way of cutting, or the curator is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accounts.models import AuditEvent
from documents import curating, indexing, lost_edits, reindexing, uploading
from documents.models import Chunk, ChunkCuration, Document, KnowledgeBase
from tests.integration.documents_services.conftest import file_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from accounts.models import User

    RunTasks = Callable[[], AbstractContextManager[object]]

SENTENCES = [
    f"Rule {n} of good sleep says that people should do thing number {n} each evening."
    for n in range(30)
]


def chunks(viewer: User, document: Document) -> list[Chunk]:
    return list(Chunk.objects.visible_to(viewer).filter(document=document).order_by("ordinal"))


def rebuild(actor: User, base: KnowledgeBase, run_tasks: RunTasks, max_tokens: int) -> None:
    base.refresh_from_db()
    with run_tasks():
        reindexing.request_rebuild(
            actor=actor, base=base, embedder="", max_tokens=max_tokens, overlap_tokens=0
        )
    base.refresh_from_db()


def replace(actor: User, document: Document, text: str) -> None:
    outcome = uploading.upload_version(actor=actor, document=document, file=file_of(text, "v2.md"))
    indexing.index_document(outcome.version.pk)


@pytest.fixture
def document(indexed: Callable[..., Document]) -> Document:
    return indexed(" ".join(SENTENCES), "rules.md")


def test_an_edit_is_carried_into_larger_passages_and_back_again(
    alice: User, knowledge_base: KnowledgeBase, document: Document, run_tasks: RunTasks
) -> None:
    rebuild(alice, knowledge_base, run_tasks, 60)
    second = chunks(alice, document)[1]
    with run_tasks():
        curating.edit_chunk(actor=alice, chunk=second, text="Melatonin helps pilots.")
    rebuild(alice, knowledge_base, run_tasks, 400)
    carried = [chunk for chunk in chunks(alice, document) if chunk.is_edited]
    assert len(carried) == 1
    assert "Melatonin helps pilots." in carried[0].text
    assert second.generated_text not in carried[0].text
    assert SENTENCES[0] in carried[0].text
    assert lost_edits.lost_edits(knowledge_base) == []
    rebuild(alice, knowledge_base, run_tasks, 60)
    texts = [chunk.text for chunk in chunks(alice, document) if chunk.is_edited]
    assert texts == ["Melatonin helps pilots."]


def test_an_edit_taken_back_where_it_was_carried_stays_taken_back(
    alice: User, knowledge_base: KnowledgeBase, document: Document, run_tasks: RunTasks
) -> None:
    rebuild(alice, knowledge_base, run_tasks, 60)
    with run_tasks():
        first = chunks(alice, document)[0]
        curating.edit_chunk(actor=alice, chunk=first, text="Melatonin helps pilots.")
    rebuild(alice, knowledge_base, run_tasks, 400)
    (carried,) = [chunk for chunk in chunks(alice, document) if chunk.is_edited]
    with run_tasks():
        curating.edit_chunk(actor=alice, chunk=carried, text=carried.generated_text)
    rebuild(alice, knowledge_base, run_tasks, 400)
    assert not any(chunk.is_edited for chunk in chunks(alice, document))
    assert lost_edits.lost_edits(knowledge_base) == []


def test_disabling_a_passage_with_a_carried_edit_keeps_the_edit(
    alice: User, knowledge_base: KnowledgeBase, document: Document, run_tasks: RunTasks
) -> None:
    rebuild(alice, knowledge_base, run_tasks, 60)
    with run_tasks():
        first = chunks(alice, document)[0]
        curating.edit_chunk(actor=alice, chunk=first, text="Melatonin helps pilots.")
    rebuild(alice, knowledge_base, run_tasks, 400)
    (carried,) = [chunk for chunk in chunks(alice, document) if chunk.is_edited]
    curating.set_chunk_enabled(actor=alice, chunk=carried, enabled=False)
    rebuild(alice, knowledge_base, run_tasks, 400)
    (again,) = [chunk for chunk in chunks(alice, document) if chunk.is_edited]
    assert (again.text, again.is_enabled) == (carried.text, False)


def test_an_edit_whose_text_a_new_version_changed_is_asked_about_and_applied(
    alice: User, knowledge_base: KnowledgeBase, document: Document, run_tasks: RunTasks
) -> None:
    first = chunks(alice, document)[0]
    with run_tasks():
        curating.edit_chunk(actor=alice, chunk=first, text="Melatonin helps pilots.")
    replace(alice, document, " ".join(["A new beginning.", *SENTENCES[1:]]))
    (lost,) = lost_edits.lost_edits(knowledge_base)
    assert (lost.edited_text, lost.generated_text) == (
        "Melatonin helps pilots.",
        first.generated_text,
    )
    shown = lost_edits.with_candidates(knowledge_base, lost)
    assert shown.candidates[0].ordinal == 0
    with run_tasks():
        assert lost_edits.apply(
            actor=alice, curation=lost, chunk=shown.candidates[0], text="Melatonin, once more."
        )
    assert chunks(alice, document)[0].text == "Melatonin, once more."
    assert lost_edits.lost_edits(knowledge_base) == []
    assert not lost_edits.apply(
        actor=alice, curation=lost, chunk=shown.candidates[0], text="Twice."
    )
    event = AuditEvent.objects.get(action="curation.apply")
    assert "text" not in event.data
    uploading.reprocess(actor=alice, document=document)
    indexing.index_document(document.versions.get(number=2).pk)
    assert chunks(alice, document)[0].text == "Melatonin, once more."


def test_what_is_dropped_is_not_asked_for_until_that_is_taken_back(
    alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    curating.set_chunk_enabled(actor=alice, chunk=chunks(alice, document)[0], enabled=False)
    replace(alice, document, "Something else altogether, about tea and milk and other drinks.")
    (lost,) = lost_edits.lost_edits(knowledge_base)
    assert lost.is_disabled
    assert lost_edits.drop(actor=alice, curation=lost)
    assert not lost_edits.drop(actor=alice, curation=lost)
    assert lost_edits.lost_edits(knowledge_base) == []
    assert lost_edits.take_back(actor=alice, curation=lost)
    assert not lost_edits.take_back(actor=alice, curation=lost)
    assert lost_edits.lost_edits(knowledge_base) == [lost]


def test_disabled_is_applied_to_the_passage_that_is_chosen(
    alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    curating.set_chunk_enabled(actor=alice, chunk=chunks(alice, document)[0], enabled=False)
    replace(alice, document, " ".join(["A new beginning.", *SENTENCES[1:]]))
    (lost,) = lost_edits.lost_edits(knowledge_base)
    chosen = chunks(alice, document)[0]
    assert chosen.is_enabled
    assert lost_edits.apply(actor=alice, curation=lost, chunk=chosen, text="")
    assert [chunk.is_enabled for chunk in chunks(alice, document)][:2] == [False, True]
    assert not chunks(alice, document)[0].is_edited


def test_nothing_is_asked_about_documents_that_are_deleted_or_have_no_passages(
    alice: User, knowledge_base: KnowledgeBase, document: Document
) -> None:
    curating.set_chunk_enabled(actor=alice, chunk=chunks(alice, document)[0], enabled=False)
    replace(alice, document, "Something else altogether, about tea and milk and other drinks.")
    assert lost_edits.lost_edits(knowledge_base)
    curating.delete_document(actor=alice, document=document)
    assert lost_edits.lost_edits(knowledge_base) == []
    curating.restore_document(actor=alice, document=document)
    Chunk.objects.all().delete()
    assert lost_edits.lost_edits(knowledge_base) == []


def test_a_passage_of_another_document_is_refused(
    alice: User,
    knowledge_base: KnowledgeBase,
    document: Document,
    indexed: Callable[..., Document],
) -> None:
    curating.set_chunk_enabled(actor=alice, chunk=chunks(alice, document)[0], enabled=False)
    replace(alice, document, "Something else altogether, about tea and milk and other drinks.")
    other = indexed("Another document about coffee.", "other.md")
    (lost,) = lost_edits.lost_edits(knowledge_base)
    assert not lost_edits.apply(actor=alice, curation=lost, chunk=chunks(alice, other)[0], text="")
    assert chunks(alice, other)[0].is_enabled
    assert ChunkCuration.objects.get().settled_at is None
