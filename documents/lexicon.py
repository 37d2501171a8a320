"""Lexical search inside Postgres: term ids, term weights, and the statistics behind idf.

BM25 is split in two. What depends on the passage alone, the saturated and length-normalised term
frequency, is stored per passage as a sparse vector; what depends on the collection, idf, is in the
query's vector. Their inner product is the score. So an upload changes no other passage's row.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.utils import timezone

from documents.models import TERM_DIMENSIONS, Chunk, IndexGeneration, Term, TermStatistic

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from documents.querysets import ChunkQuerySet

LONGEST_TOKEN = 100
"""Characters of a token that count; ``Term.token`` holds no more."""
TOLERATED_GROWTH = 0.05
"""Statistics are stale when the number of passages has changed by a larger share than this."""
GROWTH_WHILE_MORE_COMES = 0.5
"""The same while more documents wait: counting all passages at every twentieth more of them would
take a growing share of the work, for weights of terms that hardly change.
"""
REFRESH_AFTER = timedelta(minutes=10)
"""Statistics older than this are stale when any passage was added or taken away."""
TOLERATED_DRIFT = 0.1
"""Weights are computed anew when the average length has changed by a larger share than this."""

_STATISTICS_LOCK = 4_150_001


@dataclass(frozen=True, slots=True)
class Weighing:
    """The parameters of BM25's term weight (Robertson and Zaragoza 2009).

    ``k1`` says how soon repeats of a term stop counting, ``b`` in [0, 1] how much long passages
    are held back, ``average_length`` is in tokens and above 0.
    """

    k1: float
    b: float
    average_length: float

    @classmethod
    def of(cls, generation: IndexGeneration) -> Weighing:
        return cls(generation.k1, generation.b, generation.average_length)

    def weight(self, frequency: int, length: int) -> float:
        """``tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average_length))``, below k1 + 1."""
        norm = self.k1 * (1 - self.b + self.b * length / self.average_length)
        return frequency * (self.k1 + 1) / (frequency + norm)


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """A term of a question. ``term_id`` is None when no passage was ever indexed with it."""

    token: str
    term_id: int | None
    count: int
    document_frequency: int
    idf: float


@dataclass(frozen=True, slots=True)
class QueryStatistics:
    """The terms of one question, each once, with their weight in the knowledge bases asked."""

    terms: tuple[QueryTerm, ...]
    passage_count: int


def count_terms(tokens: Iterable[str]) -> Counter[str]:
    """How often each token occurs, cut to ``LONGEST_TOKEN`` characters."""
    return Counter(token[:LONGEST_TOKEN] for token in tokens)


def idf(document_frequency: int, passage_count: int) -> float:
    """``ln(1 + (N - df + 0.5) / (df + 0.5))``: above 0, highest for a term in no passage."""
    others = max(passage_count - document_frequency, 0)
    return math.log1p((others + 0.5) / (document_frequency + 0.5))


def term_ids(tokens: Collection[str]) -> dict[str, int]:
    """The id of every token; those never seen before are given one.

    Call it outside the transaction that stores passages, so that no upload waits for another's.
    """
    found = _known_ids(tokens)
    missing = sorted(set(tokens) - found.keys())
    if missing:
        # Sorted, so that two workers that bring the same new terms cannot wait for each other.
        Term.objects.bulk_create(
            [Term(token=token) for token in missing], ignore_conflicts=True, batch_size=5_000
        )
        found |= _known_ids(missing)
    return found


def sparse_literal(weights: Mapping[int, float]) -> str:
    """The text form of a ``sparsevec`` whose places (counted from 1) are term ids."""
    entries = ",".join(f"{key}:{weight:.7g}" for key, weight in sorted(weights.items()) if weight)
    return f"{{{entries}}}/{TERM_DIMENSIONS}"


def vector_literal(tokens: Iterable[str], generation_id: int) -> str:
    """The text form of a passage's ``tsvector``: its tokens and the mark of its generation."""
    return " ".join(quoted(token) for token in sorted({*tokens, _mark(generation_id)}))


def any_of_literal(tokens: Iterable[str], generation_ids: Iterable[int]) -> str:
    """The text form of a ``tsquery``: any of the tokens, in a passage of any of the generations."""
    marks = " | ".join(quoted(_mark(pk)) for pk in generation_ids)
    return f"({marks}) & ({' | '.join(quoted(token) for token in tokens)})"


def _mark(generation_id: int) -> str:
    """What no token looks like. By it the term index finds passages of one knowledge base only,
    so that a search costs no more when others grow.
    """
    return f"#{generation_id}"


def quoted(token: str) -> str:
    """A token as a lexeme that Postgres reads literally."""
    escaped = token.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def query_statistics(
    generations: Sequence[IndexGeneration], tokens: Iterable[str]
) -> QueryStatistics:
    """Each token of a question with its idf from the counts of all ``generations`` together."""
    counts = count_terms(tokens)
    passage_count = sum(generation.chunk_count for generation in generations)
    known: dict[str, tuple[int, int]] = {}
    if counts:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT term.token, term.id, (
                    SELECT coalesce(sum(statistic.document_frequency), 0)
                    FROM documents_termstatistic statistic
                    WHERE statistic.term_id = term.id AND statistic.generation_id = ANY(%s)
                )
                FROM documents_term term WHERE term.token = ANY(%s)
                """,
                [[generation.pk for generation in generations], list(counts)],
            )
            known = {token: (pk, int(frequency)) for token, pk, frequency in cursor.fetchall()}
    terms = []
    for token, count in counts.items():
        term_id, frequency = known.get(token, (None, 0))
        terms.append(QueryTerm(token, term_id, count, frequency, idf(frequency, passage_count)))
    return QueryStatistics(tuple(terms), passage_count)


def adopt_average_length(generation: IndexGeneration, lengths: Sequence[int]) -> None:
    """Freeze the average length of a generation that has none yet: that of its first passages.

    ``rebuild_statistics`` corrects it once it proves wrong. Refreshes ``generation``.
    """
    if generation.average_length > 0 or not lengths:
        return
    average = max(sum(lengths) / len(lengths), 1.0)
    IndexGeneration.objects.filter(pk=generation.pk, average_length__lte=0).update(
        average_length=average
    )
    generation.refresh_from_db(fields=["average_length"])


def statistics_are_stale(generation_id: int, tolerated: float = TOLERATED_GROWTH) -> bool:
    """Whether more passages than ``tolerated``, a share, came or went since terms were counted."""
    generation = IndexGeneration.objects.filter(pk=generation_id).first()
    if generation is None:
        return False
    count = _counted_chunks(generation_id).count()
    if generation.statistics_at is None:
        return count > 0
    return abs(count - generation.chunk_count) > tolerated * generation.chunk_count


def stale_generations() -> list[int]:
    """Generations to count anew: much has changed, or something has and the count is old."""
    due = timezone.now() - REFRESH_AFTER
    found = []
    for generation in IndexGeneration.objects.exclude(state=IndexGeneration.State.RETIRED):
        is_old = generation.statistics_at is None or generation.statistics_at < due
        changed = _counted_chunks(generation.pk).count() != generation.chunk_count
        if (is_old and changed) or statistics_are_stale(generation.pk):
            found.append(generation.pk)
    return found


def rebuild_statistics(generation_id: int) -> None:
    """Count document frequencies and the average length anew, from enabled passages only.

    Readers see the old snapshot or the new one, whole. A generation that is gone is ignored.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_STATISTICS_LOCK, generation_id])
        generation = IndexGeneration.objects.filter(pk=generation_id).first()
        if generation is None:
            return
        TermStatistic.objects.filter(generation_id=generation_id).delete()
        cursor.execute(
            """
            WITH counted AS MATERIALIZED (
                SELECT chunk.term_frequencies AS frequencies, chunk.term_count AS length
                FROM documents_chunk chunk
                JOIN documents_document document ON document.id = chunk.document_id
                WHERE chunk.generation_id = %(generation)s AND chunk.is_enabled
                  AND document.is_enabled AND document.deleted_at IS NULL
            ), frequencies AS (
                SELECT term::bigint AS term_id, count(*) AS frequency
                FROM counted, jsonb_object_keys(counted.frequencies) AS term
                GROUP BY term
            ), stored AS (
                INSERT INTO documents_termstatistic (generation_id, term_id, document_frequency)
                SELECT %(generation)s, term_id, frequency FROM frequencies
            )
            UPDATE documents_indexgeneration
            SET chunk_count = (SELECT count(*) FROM counted), statistics_at = now()
            WHERE id = %(generation)s
            RETURNING (SELECT avg(length)::float FROM counted)
            """,
            {"generation": generation_id},
        )
        (average,) = cursor.fetchone()
        if average and _has_drifted(generation.average_length, average):
            IndexGeneration.objects.filter(pk=generation_id).update(average_length=average)
            _weigh_anew(generation_id)
    with connection.cursor() as cursor:
        # Until Postgres has looked at a table that just grew, it plans as if it were empty.
        cursor.execute("ANALYZE documents_termstatistic")


def _has_drifted(frozen: float, present: float) -> bool:
    return abs(present - frozen) > TOLERATED_DRIFT * frozen


def _weigh_anew(generation_id: int) -> None:
    """Recompute every passage's weights as ``Weighing.weight`` does, without leaving Postgres."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE documents_chunk chunk SET term_weights = weighed.vector
            FROM (
                SELECT chunk.id, (
                    '{{' || string_agg(
                        term.key || ':' || (
                            term.value::float * (generation.k1 + 1) / (
                                term.value::float + generation.k1 * (
                                    1 - generation.b
                                    + generation.b * chunk.term_count / generation.average_length
                                )
                            )
                        )::real,
                        ',' ORDER BY term.key::bigint
                    ) || '}}/{TERM_DIMENSIONS}'
                )::sparsevec AS vector
                FROM documents_chunk chunk
                JOIN documents_indexgeneration generation ON generation.id = chunk.generation_id
                CROSS JOIN jsonb_each_text(chunk.term_frequencies) AS term
                WHERE generation.id = %s
                GROUP BY chunk.id
            ) AS weighed
            WHERE chunk.id = weighed.id
            """,  # noqa: S608
            [generation_id],
        )


def _counted_chunks(generation_id: int) -> ChunkQuerySet:
    return Chunk.objects.filter(
        generation_id=generation_id,
        is_enabled=True,
        document__is_enabled=True,
        document__deleted_at=None,
    )


def _known_ids(tokens: Collection[str]) -> dict[str, int]:
    return dict(Term.objects.filter(token__in=tokens).values_list("token", "id"))
