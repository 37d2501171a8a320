"""Recall obeys access inside the SQL, fuses both searches, and says which it left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from django.contrib.auth.models import Group

from documents.corpora import index_passages
from documents.models import Chunk, KnowledgeBase
from inference.errors import ModelTimeout
from inference.fake import FakeEmbedder
from inference.ports import EmbeddingRecipe
from qa import recall
from qa.recall import PostgresRetriever
from tests.integration.qa.conftest import QUESTION, close_to_viewers, document_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytest_django import Settings as SettingsWrapper

    from accounts.models import User

pytestmark = pytest.mark.django_db

TIPS = "Ten tips for better sleep"


class Embedder(FakeEmbedder):
    """The fake, with one property changed."""

    def __init__(
        self,
        *,
        languages: tuple[str, ...] = (),
        unknown: float = 0.0,
        fails: bool = False,
        model: str = "word-hash",
    ) -> None:
        super().__init__()
        self.unknown, self.fails = unknown, fails
        self.changed = EmbeddingRecipe("fake", model, "1", 384, languages=languages)

    @property
    def recipe(self) -> EmbeddingRecipe:
        return self.changed

    def unknown_share(self, text: str) -> float:
        return self.unknown

    def embed_query(self, text: str) -> NDArray[np.float32]:
        if self.fails:
            raise ModelTimeout
        return super().embed_query(text)


def titles(viewer: User, *bases: KnowledgeBase, question: str = QUESTION) -> list[str]:
    recalled = PostgresRetriever(viewer, bases, FakeEmbedder()).recall(question, 30)
    return [passage.title for passage in recalled.passages]


# ---- access --------------------------------------------------------------------------------------
def test_a_member_finds_what_matches_best_first(indexed: KnowledgeBase, bob: User) -> None:
    assert titles(bob, indexed)[0] == TIPS


def test_a_stranger_finds_nothing_in_a_private_knowledge_base(
    indexed: KnowledgeBase, charlie: User
) -> None:
    assert titles(charlie, indexed) == []


def test_disabled_documents_are_found_by_nobody(
    indexed: KnowledgeBase, alice: User, bob: User, admin: User
) -> None:
    close_to_viewers(document_of(TIPS))
    for viewer in (alice, bob, admin):
        assert TIPS not in titles(viewer, indexed)


def test_a_document_for_groups_is_found_by_its_groups(indexed: KnowledgeBase, bob: User) -> None:
    group = Group.objects.create(name="night shift")
    document_of(TIPS).visible_to_groups.add(group)
    assert TIPS not in titles(bob, indexed)
    bob.groups.add(group)
    assert TIPS in titles(bob, indexed)


def test_a_disabled_passage_is_not_found(indexed: KnowledgeBase, bob: User) -> None:
    Chunk.objects.filter(document__title=TIPS).update(is_enabled=False)
    assert TIPS not in titles(bob, indexed)


def test_a_passage_closed_between_search_and_loading_is_not_loaded(
    indexed: KnowledgeBase, bob: User
) -> None:
    retriever = PostgresRetriever(bob, [indexed], FakeEmbedder())
    legs = retriever.search(QUESTION)
    close_to_viewers(document_of(TIPS))
    passages = retriever.recall_from(legs, 30).passages
    assert TIPS not in [passage.title for passage in passages]
    assert [passage.fused_rank for passage in passages] == list(range(1, len(passages) + 1))


def test_a_deleted_knowledge_base_is_left_out(indexed: KnowledgeBase, bob: User) -> None:
    indexed.deleted_at = indexed.created_at
    indexed.save()
    assert titles(bob, indexed) == []


# ---- both searches -------------------------------------------------------------------------------
def test_every_passage_has_both_scores_and_its_ranks(indexed: KnowledgeBase, bob: User) -> None:
    recalled = PostgresRetriever(bob, [indexed], FakeEmbedder()).recall(QUESTION, 30)
    for passage in recalled.passages:
        assert passage.cosine is not None
        assert passage.lexical_share is not None
        assert 0.0 <= passage.lexical_share <= 1.0
    first = recalled.passages[0]
    assert (first.fused_rank, first.dense_rank, first.lexical_rank) == (1, 1, 1)
    assert recalled.language == "en"
    assert recalled.reasons == ()
    assert {"embed", "dense", "lexical", "fuse", "load"} <= set(recalled.timings_ms)
    assert {term.surface for term in recalled.question_terms} >= {"sleep"}


def test_a_score_filled_in_equals_the_one_that_the_search_gives(
    indexed: KnowledgeBase, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever = PostgresRetriever(bob, [indexed], FakeEmbedder())
    whole = {p.chunk_id: p for p in retriever.recall(QUESTION, 30).passages}
    monkeypatch.setattr(recall, "LEG_LIMIT", 1)
    legs = retriever.search("sleep apnea doctor")
    assert len(legs.dense) == len(legs.lexical) == 1
    other = retriever.search(QUESTION)
    everything = [(pk, 0.0) for pk in whole]
    for passage in retriever.load(everything, other):
        full = whole[passage.chunk_id]
        assert passage.cosine == pytest.approx(full.cosine, abs=2e-3)
        assert passage.lexical_share == pytest.approx(full.lexical_share, abs=1e-4)


def test_the_limit_is_kept(indexed: KnowledgeBase, bob: User) -> None:
    recalled = PostgresRetriever(bob, [indexed], FakeEmbedder()).recall(QUESTION, 2)
    assert len(recalled.passages) == 2


def test_one_long_document_does_not_fill_the_candidates(indexed: KnowledgeBase, bob: User) -> None:
    text = " ".join(f"Good sleep habit number {n} helps you sleep better." for n in range(400))
    index_passages(indexed, [("long", "Four hundred habits", text)])
    assert Chunk.objects.filter(document__title="Four hundred habits").count() > 10
    found = titles(bob, indexed)
    assert found.count("Four hundred habits") == recall.CHUNKS_PER_DOCUMENT
    assert TIPS in found


def test_several_knowledge_bases_are_fused_into_one_order(
    indexed: KnowledgeBase, bob: User
) -> None:
    other = KnowledgeBase.objects.create(name="Other", slug="other", visibility="signed_in")
    index_passages(other, [("nap", "Naps", "A short nap can help you sleep better at night.")])
    found = titles(bob, indexed, other)
    assert {"Naps", TIPS} <= set(found)


# ---- legs left out -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("embedder", "question", "reason"),
    [
        (None, QUESTION, "dense_unavailable"),
        (Embedder(fails=True), QUESTION, "dense_unavailable"),
        (Embedder(model="another"), QUESTION, "dense_no_space"),
        (Embedder(languages=("en",)), "怎样才能睡得更好", "dense_language"),
        (Embedder(languages=("en",)), "Как лучше спать", "dense_language"),
        (Embedder(unknown=0.21), QUESTION, "dense_language"),
    ],
)
def test_vectors_are_left_out_with_a_reason_and_words_still_find(
    indexed: KnowledgeBase,
    bob: User,
    embedder: Embedder | None,
    question: str,
    reason: str,
) -> None:
    recalled = PostgresRetriever(bob, [indexed], embedder).recall(question, 30)
    assert recalled.reasons == (reason,)
    assert all(passage.dense_rank is None for passage in recalled.passages)
    if question == QUESTION:
        assert recalled.passages[0].title == TIPS


def test_an_embedder_that_reads_the_language_is_used(indexed: KnowledgeBase, bob: User) -> None:
    embedder = Embedder(languages=("en",), unknown=0.2)
    assert PostgresRetriever(bob, [indexed], embedder).recall(QUESTION, 30).reasons == ()


def test_a_knowledge_base_without_vectors_is_searched_by_words_beside_one_with(
    indexed: KnowledgeBase, bob: User, settings: SettingsWrapper
) -> None:
    other = KnowledgeBase.objects.create(name="Other", slug="other", visibility="signed_in")
    settings.RAGSITE_EMBEDDER = "none"
    index_passages(other, [("nap", "Naps", "A short nap can help you sleep better at night.")])
    recalled = PostgresRetriever(bob, [indexed, other], FakeEmbedder()).recall(QUESTION, 30)
    assert recalled.reasons == ("dense_no_space",)
    assert "Naps" in [passage.title for passage in recalled.passages]
    assert any(passage.dense_rank for passage in recalled.passages)


def test_an_empty_knowledge_base_gives_nothing(knowledge_base: KnowledgeBase, bob: User) -> None:
    assert titles(bob, knowledge_base) == []
