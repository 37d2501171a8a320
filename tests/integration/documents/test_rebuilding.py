from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from documents import curating, rebuilding
from documents.generations import active_generation, is_current
from documents.indexing import index_document
from documents.models import (
    Chunk,
    ChunkEmbedding,
    Document,
    DocumentVersion,
    IndexGeneration,
    KnowledgeBase,
    ParsedText,
    TermStatistic,
)
from documents.rebuilding import rebuild_index
from documents.retrieval import search_lexical, search_tokens
from inference.conf import get_embedder
from inference.errors import ModelUnavailable
from inference.fake import FakeEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User

    MakeVersion = Callable[..., DocumentVersion]


class SmallEmbedder(FakeEmbedder):
    def __init__(self) -> None:
        super().__init__(dimension=64)


class FailingEmbedder(SmallEmbedder):
    def embed_passages(self, texts: Any) -> Any:
        raise ModelUnavailable("no route")


@pytest.fixture
def use_embedder(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    return lambda embedder: monkeypatch.setattr(rebuilding, "get_embedder", lambda: embedder)


def active_base(base: KnowledgeBase) -> KnowledgeBase:
    base.refresh_from_db()
    return base


def active(base: KnowledgeBase) -> IndexGeneration:
    base.refresh_from_db()
    assert base.active_generation is not None
    return base.active_generation


# ---- the active generation -----------------------------------------------------------------------
def test_the_first_need_makes_one_generation(knowledge_base: KnowledgeBase) -> None:
    first = active_generation(knowledge_base.pk, get_embedder())
    assert active_generation(knowledge_base.pk, get_embedder()) == first
    assert (first.number, first.state) == (1, IndexGeneration.State.ACTIVE)
    assert active(knowledge_base) == first


def test_an_empty_generation_follows_the_configuration(knowledge_base: KnowledgeBase) -> None:
    first = active_generation(knowledge_base.pk, None)
    assert first.space is None
    IndexGeneration.objects.update(chunk_max_tokens=7)
    second = active_generation(knowledge_base.pk, get_embedder())
    assert second == first
    assert second.space is not None
    assert is_current(second, second.space)


def test_one_with_passages_keeps_its_way(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    before = active(knowledge_base)
    after = active_generation(knowledge_base.pk, SmallEmbedder())
    assert after.space == before.space


# ---- a new one beside it -------------------------------------------------------------------------
def test_a_rebuild_swaps_to_the_new_space_and_keeps_the_old_index_for_a_while(
    knowledge_base: KnowledgeBase,
    passages: dict[str, Document],
    use_embedder: Callable[[object], None],
    bob: User,
) -> None:
    old = active(knowledge_base)
    use_embedder(SmallEmbedder())
    new = rebuild_index(knowledge_base)
    assert active(knowledge_base) == new
    assert (new.number, new.chunk_count) == (2, 5)
    assert new.space is not None
    assert new.space.dimension == 64
    assert len(search_lexical(bob, [knowledge_base], search_tokens("blood sugar"), 5)) == 2
    IndexGeneration.objects.filter(pk=old.pk).update(retired_at="2020-01-01T00:00Z")
    rebuilding.drop_superfluous()
    assert not IndexGeneration.objects.filter(pk=old.pk).exists()
    assert set(Chunk.objects.values_list("generation", flat=True)) == {new.pk}
    assert set(ChunkEmbedding.objects.values_list("space", flat=True)) == {new.space.pk}
    assert set(TermStatistic.objects.values_list("generation", flat=True)) == {new.pk}
    assert len(search_lexical(bob, [knowledge_base], search_tokens("blood sugar"), 5)) == 2


def test_the_old_index_is_searched_until_the_new_one_is_whole(
    knowledge_base: KnowledgeBase,
    passages: dict[str, Document],
    use_embedder: Callable[[object], None],
    bob: User,
) -> None:
    old = active(knowledge_base)
    use_embedder(SmallEmbedder())
    found: list[int] = []

    def search(done: int) -> None:
        assert active(knowledge_base) == old
        found.append(len(search_lexical(bob, [knowledge_base], search_tokens("blood sugar"), 5)))

    rebuild_index(knowledge_base, on_progress=search)
    assert found == [2] * 5


def test_a_rebuild_that_fails_leaves_all_as_it_was(
    knowledge_base: KnowledgeBase,
    passages: dict[str, Document],
    use_embedder: Callable[[object], None],
) -> None:
    old = active(knowledge_base)
    use_embedder(FailingEmbedder())
    with pytest.raises(ModelUnavailable):
        rebuild_index(knowledge_base)
    assert active(knowledge_base) == old
    assert IndexGeneration.objects.get() == old
    assert Chunk.objects.count() == 5


def test_what_is_uploaded_meanwhile_is_in_the_new_index_too(
    knowledge_base: KnowledgeBase, passages: dict[str, Document], waiting: MakeVersion
) -> None:
    late: list[DocumentVersion] = []

    def upload(done: int) -> None:
        if not late:
            late.append(waiting("# Late\n\nA late document.", "late.md"))
            index_document(late[0].pk)

    new = rebuild_index(knowledge_base, on_progress=upload)
    assert late[0].chunks.get(generation=new).text
    assert new.chunk_count == 6


def test_a_document_that_can_be_restored_is_indexed_and_a_purged_one_is_not(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    Document.objects.filter(pk=passages["sleep"].pk).update(deleted_at="2026-01-01T00:00Z")
    Document.objects.filter(pk=passages["sugar"].pk).update(
        deleted_at="2026-01-01T00:00Z", purged_at="2026-01-01T00:00Z"
    )
    new = rebuild_index(knowledge_base)
    indexed = set(new.chunks.values_list("document", flat=True))
    assert passages["sleep"].pk in indexed
    assert passages["sugar"].pk not in indexed


def test_documents_indexed_before_a_rebuild_need_no_work_after_it(
    knowledge_base: KnowledgeBase, waiting: MakeVersion
) -> None:
    version = waiting("# Tea\n\nTea is fine.")
    index_document(version.pk)
    new = rebuild_index(knowledge_base)
    before = list(new.chunks.values_list("pk", flat=True))
    DocumentVersion.objects.update(state=DocumentVersion.State.PENDING)
    assert index_document(version.pk) is None
    assert list(new.chunks.values_list("pk", flat=True)) == before


# ---- what curators say meanwhile -----------------------------------------------------------------
def edit(actor: User, version: DocumentVersion, text: str) -> None:
    chunk = Chunk.objects.visible_to(actor).get(version=version)
    assert curating.edit_chunk(actor=actor, chunk=chunk, text=text)


def test_an_edit_while_the_index_is_rebuilt_is_in_the_new_one(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User
) -> None:
    tea, milk = indexed("Tea is fine.", "tea.md"), indexed("Milk is fine.", "milk.md")
    calls: list[int] = []

    def speak(done: int) -> None:
        calls.append(done)
        if done == 2:
            edit(alice, tea, "Tea keeps some people awake.")

    new = rebuild_index(knowledge_base, on_progress=speak)
    chunk = tea.chunks.get(generation=new)
    assert (chunk.text, chunk.is_edited) == ("Tea keeps some people awake.", True)
    assert len(search_lexical(alice, [active_base(knowledge_base)], ["awak"], 5)) == 1
    assert milk.chunks.get(generation=new).text == "Milk is fine."
    assert calls == [1, 2, 3], "only the document that was spoken of is indexed again"


def test_a_passage_disabled_or_an_edit_taken_back_meanwhile_is_so_in_the_new_index(
    knowledge_base: KnowledgeBase, indexed: MakeVersion, alice: User
) -> None:
    tea, milk = indexed("Tea is fine.", "tea.md"), indexed("Milk is fine.", "milk.md")
    edit(alice, milk, "Milk is white.")

    def speak(done: int) -> None:
        if done == 2:
            chunk = Chunk.objects.visible_to(alice).get(version=tea)
            curating.set_chunk_enabled(actor=alice, chunk=chunk, enabled=False)
            edit(alice, milk, "Milk is fine.")

    new = rebuild_index(knowledge_base, on_progress=speak)
    assert not tea.chunks.get(generation=new).is_enabled
    rebuilt = milk.chunks.get(generation=new)
    assert (rebuilt.text, rebuilt.is_edited) == ("Milk is fine.", False)


def test_a_version_without_passages_under_the_new_recipe_does_not_hold_up_the_rest(
    knowledge_base: KnowledgeBase, indexed: MakeVersion
) -> None:
    tea, blank = indexed("Tea is fine.", "tea.md"), indexed("Milk is fine.", "milk.md")
    ParsedText.objects.filter(version=blank).update(text="   ", blocks=[], lines=[])
    done: list[int] = []

    def count(number: int) -> None:
        done.append(number)
        assert number <= 2, "it is tried over and over"

    new = rebuild_index(knowledge_base, on_progress=count)
    assert set(new.chunks.values_list("version", flat=True)) == {tea.pk}


# ---- from the command line -----------------------------------------------------------------------
def test_reindex_does_what_is_needed(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    out = StringIO()
    call_command("reindex", "--if-changed", stdout=out)
    assert active(knowledge_base).number == 1
    assert "up to date" in out.getvalue()
    call_command("reindex", "--kb", knowledge_base.slug, stdout=out)
    assert active(knowledge_base).number == 2
    with pytest.raises(CommandError, match="no indexed knowledge base"):
        call_command("reindex", "--kb", "nowhere")


def test_reindex_leaves_a_build_alone_that_is_under_way(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    build = rebuilding.begin_rebuild(knowledge_base)
    with pytest.raises(CommandError, match="being built already"):
        call_command("reindex", "--kb", knowledge_base.slug)
    build.refresh_from_db()
    assert build.state == build.State.WAITING


def test_verify_index_names_what_is_missing(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    out = StringIO()
    call_command("verify_index", stdout=out)
    assert "5 passages, 5 vectors" in out.getvalue()
    chunk = Chunk.objects.get(document=passages["fruit"])
    chunk.embeddings.all().delete()
    version = passages["sleep"].current_version
    assert version is not None
    version.chunks.all().delete()
    with pytest.raises(CommandError, match=r"Not sound: health\."):
        call_command("verify_index", "--kb", knowledge_base.slug, stdout=out)
    assert f"without a vector: passages {chunk.pk}" in out.getvalue()
    assert f"without passages: versions {version.pk}" in out.getvalue()
    assert "1 passages behind" in out.getvalue()
    with pytest.raises(CommandError, match="no knowledge base"):
        call_command("verify_index", "--kb", "nowhere")
