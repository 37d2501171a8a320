from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.db import connection

from documents import spaces
from documents.indexing import index_passages
from documents.models import EmbeddingSpace, KnowledgeBase
from documents.retrieval import nearest_in, search_dense
from documents.spaces import ensure_vector_index, has_vector_index, index_name, space_for
from documents.verifying import verify_index
from inference.conf import get_embedder
from inference.ports import EmbeddingRecipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.models import User

RECIPE = EmbeddingRecipe(provider="p", model="m", revision="1", dimension=8, languages=("en",))


@pytest.mark.django_db
def test_equal_recipes_share_a_space_and_others_do_not() -> None:
    space = space_for(RECIPE)
    assert space_for(RECIPE) == space
    others = [
        replace(RECIPE, revision="2"),
        replace(RECIPE, query_prefix="query: "),
        replace(RECIPE, passage_prefix="passage: "),
        replace(RECIPE, normalised=False),
        replace(RECIPE, dimension=16),
    ]
    assert len({space.pk, *(space_for(other).pk for other in others)}) == 6


@pytest.mark.django_db
def test_languages_are_brought_up_to_date_and_make_no_new_space() -> None:
    space = space_for(RECIPE)
    assert space_for(replace(RECIPE, languages=("en", "zh"))) == space
    space.refresh_from_db()
    assert space.languages == ["en", "zh"]


def test_a_halfvec_is_written_as_precisely_as_it_is_kept() -> None:
    vector = np.random.default_rng(3).standard_normal(64).astype(np.float32)
    read = np.array([float(x) for x in spaces.halfvec_literal(vector)[1:-1].split(",")])
    assert (read.astype(np.float16) == vector.astype(np.float16)).all()


@pytest.fixture
def space(transactional_db: None) -> EmbeddingSpace:
    """400 vectors in one knowledge base that everyone may ask, 40 in another."""
    for slug, count in (("large", 400), ("small", 40)):
        base = KnowledgeBase.objects.create(name=slug, slug=slug, visibility="signed_in")
        index_passages(
            base, [(str(n), "", f"{slug} passage w{n % 13} v{n % 29} u{n}") for n in range(count)]
        )
    return EmbeddingSpace.objects.get()


def test_a_small_space_gets_no_index(space: EmbeddingSpace) -> None:
    assert not ensure_vector_index(space)
    assert not has_vector_index(space)


def test_a_large_space_gets_one_index_and_the_search_uses_it(
    space: EmbeddingSpace, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ensure_vector_index(space, above=100)
    assert ensure_vector_index(space, above=100)
    monkeypatch.setattr("documents.retrieval.EXACT_SCAN_LIMIT", 10)
    embedder = get_embedder()
    assert embedder is not None
    vector = embedder.embed_query("passage w7 v3")
    bases = list(KnowledgeBase.objects.filter(slug="small"))
    with connection.cursor() as cursor:
        # So few vectors are sorted sooner than any index is read.
        cursor.execute("SET enable_sort = off")
    with connection.execute_wrapper(explain := _Explanation()):
        found = search_dense(bob, bases, vector, space, 10)
    with connection.cursor() as cursor:
        cursor.execute("RESET enable_sort")
    assert index_name(space) in explain.plan
    generation = bases[0].active_generation
    assert generation is not None
    exact = nearest_in(generation, vector, space, 10, approximate=False)
    assert len({hit.chunk_id for hit in found} & {hit.chunk_id for hit in exact}) >= 9


def test_what_an_interrupted_build_left_is_replaced(space: EmbeddingSpace) -> None:
    ensure_vector_index(space, above=100)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass",
            [index_name(space)],
        )
    assert not has_vector_index(space)
    assert ensure_vector_index(space, above=100)


def test_vectors_of_too_many_dimensions_are_compared_one_by_one(space: EmbeddingSpace) -> None:
    space.dimension = 5_000
    assert not ensure_vector_index(space, above=0)


def test_the_self_test_compares_approximate_with_exact(space: EmbeddingSpace) -> None:
    base = KnowledgeBase.objects.get(slug="large")
    without = verify_index(base, get_embedder())
    assert without is not None
    assert without.recall is None
    assert (without.chunks, without.vectors) == (400, 400)
    assert without.is_sound
    ensure_vector_index(space, above=100)
    with_index = verify_index(base, get_embedder(), samples=20)
    assert with_index is not None
    assert with_index.recall is not None
    assert with_index.recall > 0.8


class _Explanation:
    """Keeps the plan of the vector search."""

    plan = ""

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if "<=>" in sql and not self.plan:
            with connection.cursor() as cursor:
                cursor.cursor.execute("EXPLAIN " + sql, params)
                self.plan = "\n".join(row[0] for row in cursor.fetchall())
        return execute(sql, params, many, context)
