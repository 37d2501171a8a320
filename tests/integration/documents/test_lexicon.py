from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from documents import lexicon
from documents.indexing import index_passages
from documents.lexicon import Weighing
from documents.models import Chunk, Document, IndexGeneration, Term, TermStatistic

if TYPE_CHECKING:
    from documents.models import KnowledgeBase


def weights_of(chunk: Chunk) -> dict[int, float]:
    """Term id -> weight; pgvector's Python type counts places from 0, the text form from 1."""
    vector = chunk.term_weights
    return {
        place + 1: value for place, value in zip(vector.indices(), vector.values(), strict=True)
    }


def generation_of(base: KnowledgeBase) -> IndexGeneration:
    base.refresh_from_db()
    assert base.active_generation is not None
    return base.active_generation


# ---- pure parts ----------------------------------------------------------------------------------
def test_idf_falls_as_a_term_gets_common_and_never_below_zero() -> None:
    values = [lexicon.idf(frequency, 100) for frequency in (0, 1, 10, 50, 100)]
    assert values == sorted(values, reverse=True)
    assert values[-1] > 0
    assert values[1] == pytest.approx(math.log(1 + 99.5 / 1.5))


def test_idf_survives_statistics_that_lag_behind() -> None:
    assert lexicon.idf(7, 3) > 0


@given(
    frequency=st.integers(1, 1000),
    length=st.integers(1, 10_000),
    k1=st.floats(0.1, 3),
    b=st.floats(0, 1),
)
def test_a_weight_grows_with_repeats_and_stays_below_its_bound(
    frequency: int, length: int, k1: float, b: float
) -> None:
    weighing = Weighing(k1=k1, b=b, average_length=100)
    weight = weighing.weight(frequency, length)
    assert 0 < weight < k1 + 1
    assert weight < weighing.weight(frequency + 1, length)


def test_a_longer_passage_weighs_the_same_repeats_less() -> None:
    weighing = Weighing(k1=0.9, b=0.4, average_length=100)
    assert weighing.weight(2, 300) < weighing.weight(2, 100)
    assert weighing.weight(1, 100) == pytest.approx(1.0)


def test_overlong_tokens_are_cut_to_what_a_term_can_hold() -> None:
    assert lexicon.count_terms(["x" * 500, "x" * 400]) == {"x" * 100: 2}


# ---- in the database -----------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_token_keeps_its_id_and_only_new_ones_use_ids_up() -> None:
    first = lexicon.term_ids({"sleep", "coffee"})
    second = lexicon.term_ids({"coffee", "睡眠"})
    assert second["coffee"] == first["coffee"]
    assert Term.objects.count() == 3
    assert max(second.values()) <= min(first.values()) + 3


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["it's", "back\\slash", "'", "a & b | !c", "日本"])
def test_any_token_is_matched_literally(token: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT %s::tsvector @@ %s::tsquery, %s::tsvector @@ %s::tsquery",
            [
                lexicon.vector_literal([token, "other"], 7),
                lexicon.any_of_literal([token], [3, 7]),
                lexicon.vector_literal(["other"], 7),
                lexicon.any_of_literal([token], [3, 7]),
            ],
        )
        assert cursor.fetchone() == (True, False)


@pytest.mark.django_db
def test_passages_of_another_generation_do_not_match() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT %s::tsvector @@ %s::tsquery",
            [lexicon.vector_literal(["tea"], 17), lexicon.any_of_literal(["tea"], [1, 7])],
        )
        assert cursor.fetchone() == (False,)


def test_statistics_count_each_passage_once_per_term(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    generation = generation_of(knowledge_base)
    counts = dict(
        TermStatistic.objects.filter(generation=generation).values_list(
            "term__token", "document_frequency"
        )
    )
    assert generation.chunk_count == 5
    assert counts["sugar"] == 2
    assert counts["coffe"] == 1  # twice in one passage
    assert generation.statistics_at is not None


def test_disabled_and_deleted_text_does_not_count(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    generation = generation_of(knowledge_base)
    Document.objects.filter(pk=passages["sugar"].pk).update(is_enabled=False)
    Chunk.objects.filter(document=passages["coffee"]).update(is_enabled=False)
    lexicon.rebuild_statistics(generation.pk)
    statistics = lexicon.query_statistics([generation_of(knowledge_base)], ["sugar", "coffe"])
    assert statistics.passage_count == 3
    assert [term.document_frequency for term in statistics.terms] == [1, 0]


def test_a_rebuild_weighs_passages_as_python_does(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    generation = generation_of(knowledge_base)
    IndexGeneration.objects.filter(pk=generation.pk).update(average_length=500.0)
    lexicon.rebuild_statistics(generation.pk)
    generation.refresh_from_db()
    chunks = list(Chunk.objects.filter(generation=generation))
    assert generation.average_length == pytest.approx(
        sum(chunk.term_count for chunk in chunks) / len(chunks)
    )
    weighing = Weighing.of(generation)
    for chunk in chunks:
        expected = {
            int(term): weighing.weight(count, chunk.term_count)
            for term, count in chunk.term_frequencies.items()
        }
        assert weights_of(chunk) == pytest.approx(expected, rel=1e-5)


def test_a_small_drift_leaves_the_weights_alone(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    generation = generation_of(knowledge_base)
    frozen = generation.average_length * 1.05
    IndexGeneration.objects.filter(pk=generation.pk).update(average_length=frozen)
    lexicon.rebuild_statistics(generation.pk)
    assert generation_of(knowledge_base).average_length == pytest.approx(frozen)


def test_statistics_are_stale_from_the_first_passage_and_after_five_percent(
    knowledge_base: KnowledgeBase,
) -> None:
    index_passages(knowledge_base, [(str(n), "", f"passage number {n}") for n in range(40)])
    generation = generation_of(knowledge_base)
    assert not lexicon.statistics_are_stale(generation.pk)
    chunks = Chunk.objects.filter(generation=generation).order_by("pk")
    Chunk.objects.filter(pk__in=chunks.values("pk")[:2]).update(is_enabled=False)
    assert not lexicon.statistics_are_stale(generation.pk)
    Chunk.objects.filter(pk__in=chunks.values("pk")[:3]).update(is_enabled=False)
    assert lexicon.statistics_are_stale(generation.pk)
    assert not lexicon.statistics_are_stale(generation.pk, lexicon.GROWTH_WHILE_MORE_COMES)
    IndexGeneration.objects.filter(pk=generation.pk).update(statistics_at=None)
    assert lexicon.statistics_are_stale(generation.pk)


def test_a_small_change_is_counted_once_the_count_is_old(
    knowledge_base: KnowledgeBase,
) -> None:
    index_passages(knowledge_base, [(str(n), "", f"passage number {n}") for n in range(40)])
    generation = generation_of(knowledge_base)
    Chunk.objects.filter(generation=generation, text="passage number 7").update(is_enabled=False)
    assert lexicon.stale_generations() == []
    IndexGeneration.objects.filter(pk=generation.pk).update(
        statistics_at=timezone.now() - lexicon.REFRESH_AFTER * 2
    )
    assert lexicon.stale_generations() == [generation.pk]


@pytest.mark.django_db
def test_statistics_of_a_generation_that_is_gone_are_nobodys_concern() -> None:
    lexicon.rebuild_statistics(999_999)
    assert not lexicon.statistics_are_stale(999_999)


def test_counts_of_several_generations_are_summed(
    knowledge_base: KnowledgeBase, passages: dict[str, Document]
) -> None:
    other = type(knowledge_base).objects.create(name="Other", slug="other")
    index_passages(other, [("1", "", "sugar cane"), ("2", "", "beet")])
    statistics = lexicon.query_statistics(
        [generation_of(knowledge_base), generation_of(other)], ["sugar", "sugar", "unheard"]
    )
    sugar, unheard = statistics.terms
    assert statistics.passage_count == 7
    assert (sugar.document_frequency, sugar.count) == (3, 2)
    assert unheard.term_id is None
    assert unheard.idf > sugar.idf
