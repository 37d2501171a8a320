from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from django.contrib.auth.models import Group
from django.db import connection

from documents import retrieval
from documents.analysis import analyze
from documents.indexing import index_passages
from documents.lexicon import rebuild_statistics
from documents.models import Chunk, Document, EmbeddingSpace, KnowledgeBase, Membership
from documents.retrieval import question_terms, search_dense, search_lexical
from documents.spaces import space_for
from inference.conf import get_embedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accounts.models import User
    from documents.types import DenseHit, LexicalHit


def lexical(viewer: User, base: KnowledgeBase, question: str, limit: int = 10) -> list[LexicalHit]:
    return search_lexical(viewer, [base], analyze(question), limit)


def dense(viewer: User, base: KnowledgeBase, question: str, limit: int = 10) -> list[DenseHit]:
    embedder = get_embedder()
    assert embedder is not None
    vector = embedder.embed_query(question)
    return search_dense(viewer, [base], vector, space_for(embedder.recipe), limit)


def documents_of(hits: Sequence[DenseHit | LexicalHit]) -> list[int]:
    return [hit.document_id for hit in hits]


# ---- what is found -------------------------------------------------------------------------------
def test_words_find_the_passage_that_holds_most_of_them(
    bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    hits = lexical(bob, knowledge_base, "Which drinks raise blood sugar?")
    assert documents_of(hits)[:2] == [passages["sugar"].pk, passages["fruit"].pk]
    assert passages["sleep"].pk not in documents_of(hits)
    assert hits[0].score > hits[1].score > 0
    assert 1 >= hits[0].share > hits[1].share > 0


def test_chinese_is_found_without_spaces(
    bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    assert documents_of(lexical(bob, knowledge_base, "晚上可以喝咖啡吗？")) == [passages["zh"].pk]


def test_titles_are_searched_too(
    bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    assert documents_of(lexical(bob, knowledge_base, "diabetes")) == [passages["fruit"].pk]


def test_a_share_counts_what_the_passage_lacks(
    bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    (alone,) = lexical(bob, knowledge_base, "caffeine")
    (among,) = lexical(bob, knowledge_base, "caffeine zeppelin")
    assert among.score == pytest.approx(alone.score)
    assert among.share < 0.6 * alone.share


def test_scores_are_bm25_by_hand(bob: User, knowledge_base: KnowledgeBase) -> None:
    texts = ["red red blue", "blue green", "green green green yellow"]
    index_passages(knowledge_base, [(str(n), "", text) for n, text in enumerate(texts)])
    (first,) = lexical(bob, knowledge_base, "red")
    idf = np.log1p((3 - 1 + 0.5) / (1 + 0.5))
    norm = 0.9 * (1 - 0.4 + 0.4 * 3 / 3)
    assert first.score == pytest.approx(idf * 2 * 1.9 / (2 + norm), rel=1e-5)
    assert first.share == pytest.approx(2 / (2 + norm), rel=1e-5)


def test_equal_scores_keep_one_order(bob: User, knowledge_base: KnowledgeBase) -> None:
    index_passages(knowledge_base, [(str(n), "", "the same words") for n in range(20)])
    ids = [hit.chunk_id for hit in lexical(bob, knowledge_base, "same", limit=7)]
    assert ids == sorted(Chunk.objects.values_list("pk", flat=True))[:7]


def test_a_question_of_unknown_words_finds_nothing(
    bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    assert lexical(bob, knowledge_base, "zeppelin") == []
    assert lexical(bob, knowledge_base, "") == []


def test_vectors_find_the_nearest_with_their_true_cosine(
    bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    embedder = get_embedder()
    assert embedder is not None
    question = "caffeine keeps people awake"
    hits = dense(bob, knowledge_base, question)
    assert documents_of(hits)[0] == passages["coffee"].pk
    assert len(hits) == len(passages)
    assert [hit.cosine for hit in hits] == sorted((hit.cosine for hit in hits), reverse=True)
    text = f"Coffee\n{Chunk.objects.get(document=passages['coffee']).text}"
    cosine = float(embedder.embed_passages([text])[0] @ embedder.embed_query(question))
    assert hits[0].cosine == pytest.approx(cosine, abs=2e-3)


def test_vectors_of_another_space_are_not_compared(
    bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    other = EmbeddingSpace.objects.create(provider="x", model="y", dimension=384)
    vector = np.ones(384, np.float32) / np.sqrt(384)
    assert search_dense(bob, [knowledge_base], vector, other, 10) == []


# ---- who may find it -----------------------------------------------------------------------------
def test_a_stranger_finds_nothing(
    charlie: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    assert lexical(charlie, knowledge_base, "blood sugar") == []
    assert dense(charlie, knowledge_base, "blood sugar") == []


def test_everyone_signed_in_finds_what_is_open_to_them(
    charlie: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    KnowledgeBase.objects.update(visibility=KnowledgeBase.Visibility.SIGNED_IN)
    assert len(lexical(charlie, knowledge_base, "blood sugar")) == 2
    assert len(dense(charlie, knowledge_base, "blood sugar")) == len(passages)


@pytest.mark.parametrize("search", [lexical, dense])
def test_a_document_kept_for_a_group_is_found_by_it_and_by_curators_only(
    search: object,
    alice: User,
    bob: User,
    charlie: User,
    knowledge_base: KnowledgeBase,
    passages: dict[str, Document],
) -> None:
    assert callable(search)
    group = Group.objects.create(name="dietitians")
    passages["sugar"].visible_to_groups.add(group)
    Membership.objects.create(knowledge_base=knowledge_base, user=charlie, roles=["viewer"])
    charlie.groups.add(group)
    found = {
        viewer.username: passages["sugar"].pk
        in documents_of(search(viewer, knowledge_base, "sweet drinks"))
        for viewer in (alice, bob, charlie)
    }
    assert found == {"alice": True, "bob": False, "charlie": True}


@pytest.mark.parametrize("search", [lexical, dense])
def test_what_is_disabled_or_deleted_is_not_found(
    search: object, bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    assert callable(search)
    question = "coffee sugar sleep berries"
    Document.objects.filter(pk=passages["sugar"].pk).update(is_enabled=False)
    Document.objects.filter(pk=passages["sleep"].pk).update(deleted_at="2026-01-01T00:00Z")
    Chunk.objects.filter(document=passages["coffee"]).update(is_enabled=False)
    found = set(documents_of(search(bob, knowledge_base, question)))
    assert found <= {passages["fruit"].pk, passages["zh"].pk}
    assert passages["fruit"].pk in found


def test_an_inactive_account_finds_nothing(
    admin: User, bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    for viewer in (admin, bob):
        viewer.is_active = False
        viewer.save()
        assert lexical(viewer, knowledge_base, "blood sugar") == []
        assert dense(viewer, knowledge_base, "blood sugar") == []


@pytest.mark.parametrize("search", [lexical, dense])
def test_one_readable_passage_is_found_behind_many_closed_ones(
    search: object, bob: User, knowledge_base: KnowledgeBase
) -> None:
    assert callable(search)
    closed = [(str(n), "", f"sleep sleep sleep {n}") for n in range(60)]
    index_passages(knowledge_base, [*closed, ("open", "", "a sleep of another kind entirely")])
    group = Group.objects.create(name="researchers")
    for document in Document.objects.exclude(title="open"):
        document.visible_to_groups.add(group)
    (hit,) = search(bob, knowledge_base, "sleep", limit=3)
    assert hit.document_id == Document.objects.get(title="open").pk


# ---- several knowledge bases, and large ones -----------------------------------------------------
def test_several_knowledge_bases_are_searched_as_one(
    bob: User, charlie: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    other = KnowledgeBase.objects.create(name="Tea", slug="tea", visibility="signed_in")
    index_passages(other, [("tea", "Tea", "Tea has caffeine too.")])
    bases = [knowledge_base, other]
    both = search_lexical(bob, bases, analyze("caffeine"), 10)
    assert len(both) == 2
    assert len(search_lexical(charlie, bases, analyze("caffeine"), 10)) == 1
    idfs = {base: question_terms([base], "caffeine")[0][2] for base in bases}
    assert question_terms(bases, "caffeine")[0][2] not in idfs.values()


def test_common_words_left_out_of_the_candidates_do_not_change_the_best(
    bob: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    texts = [
        " ".join(["the", "of", words[n % 6], words[(n * 5 + 1) % 6], f"w{n % 17}"][: 2 + n % 4])
        for n in range(120)
    ]
    index_passages(knowledge_base, [(str(n), "", text) for n, text in enumerate(texts)])
    question = "the alpha of w3"
    everything = lexical(bob, knowledge_base, question, limit=30)
    monkeypatch.setattr(retrieval, "FEW_PASSAGES", 10)
    monkeypatch.setattr(retrieval, "COMMON_SHARE", 0.1)
    assert lexical(bob, knowledge_base, question, limit=30)[:10] == everything[:10]
    assert lexical(bob, knowledge_base, question, limit=5) == everything[:5]


def test_words_that_cannot_matter_are_not_looked_up(
    bob: User, knowledge_base: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"the word{n % 30} word{n % 7}" for n in range(300)]
    index_passages(knowledge_base, [(str(n), "", text) for n, text in enumerate(texts)])
    monkeypatch.setattr(retrieval, "FEW_PASSAGES", 10)
    monkeypatch.setattr(retrieval, "COMMON_SHARE", 0.5)
    with connection.execute_wrapper(_Recorder()) as _:
        hits = lexical(bob, knowledge_base, "the word3", limit=10)
    assert len(hits) == 10
    assert [query.partition(" & ")[2] for query in _Recorder.required] == ["('word3')"]


class _Recorder:
    """Notes the term query of each lexical search."""

    required: list[str] = []

    def __call__(self, execute: object, sql: str, params: object, *rest: object) -> object:
        assert callable(execute)
        if isinstance(params, dict) and "required" in params:
            self.required.append(params["required"])
        return execute(sql, params, *rest)


def test_question_terms_keep_the_question_s_order_and_words(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    terms = question_terms([knowledge_base], "Which Drinks raise the zeppelin?")
    assert [(token, surface) for token, surface, _ in terms] == [
        ("drink", "Drinks"),
        ("rais", "raise"),
        ("zeppelin", "zeppelin"),
    ]
    idf = {token: value for token, _, value in terms}
    assert idf["zeppelin"] > idf["drink"] > idf["rais"] > 0


def test_a_knowledge_base_without_an_index_is_searched_in_vain(
    bob: User, knowledge_base: KnowledgeBase
) -> None:
    assert lexical(bob, knowledge_base, "sleep") == []
    assert dense(bob, knowledge_base, "sleep") == []
    assert len(question_terms([knowledge_base], "sleep well")) > 0


def test_text_added_after_the_count_is_found_at_once(
    bob: User, knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    chunk = Chunk.objects.get(document=passages["coffee"])
    Chunk.objects.filter(pk=chunk.pk).update(is_enabled=False)
    rebuild_statistics(chunk.generation_id)
    Chunk.objects.filter(pk=chunk.pk).update(is_enabled=True)
    (hit,) = lexical(bob, knowledge_base, "caffeine")
    assert hit.chunk_id == chunk.pk
