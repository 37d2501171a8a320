"""The bm25s library over the same passages and tokens, to compare our BM25 with. For developers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from documents.models import Chunk, Term
from documents.retrieval import search_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from documents.models import IndexGeneration


class Bm25sSearch:
    """Ranks a generation's passages by ``bm25s`` with the generation's own k1 and b.

    Term ids stand for tokens, repeated as often as the token occurs: BM25 reads nothing else.
    Raises ``ImportError`` where the library, a development dependency, is not installed.
    """

    def __init__(self, generation: IndexGeneration) -> None:
        from bm25s import BM25  # Not installed with the product.

        chunks = Chunk.objects.filter(generation=generation, is_enabled=True).order_by("pk")
        rows = list(chunks.values_list("pk", "term_frequencies"))
        self._chunk_ids = [pk for pk, _frequencies in rows]
        self._known = {term for _pk, frequencies in rows for term in frequencies}
        # "lucene" has our idf, ln(1 + (N - df + 0.5) / (df + 0.5)), and k1 + 1 left out of all
        # scores alike, which changes no order.
        self._index: Any = BM25(method="lucene", k1=generation.k1, b=generation.b)
        self._index.index(
            [
                [term for term, frequency in frequencies.items() for _ in range(frequency)]
                for _pk, frequencies in rows
            ],
            show_progress=False,
        )

    def search(self, question: str, limit: int) -> Sequence[int]:
        """Ids of the best passages that share a term with the question, best first, ties by id."""
        tokens = search_tokens(question)
        ids = dict(Term.objects.filter(token__in=tokens).values_list("token", "pk"))
        terms = [str(ids[token]) for token in tokens if token in ids]
        terms = [term for term in terms if term in self._known]
        if not terms:
            return []
        scores = self._index.get_scores(terms)
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        return [self._chunk_ids[place] for place in order[:limit] if scores[place] > 0]
