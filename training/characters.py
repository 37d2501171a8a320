"""New words for Chinese: one row for each character that the base vocabulary lacks.

A row starts from the company that its character keeps, not from noise: positive pointwise mutual
information of characters within a few places (Church and Hanks 1990), its best dimensions by SVD
(Levy and Goldberg 2014), turned at random into the width of the network and scaled like the rows
it joins. A traditional character starts where its simplified form does.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from opencc import OpenCC
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import svds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

WINDOW = 3
DIMENSIONS = 128


def characters_of(texts: Iterable[str], known: set[str], *, at_least: int = 2) -> list[str]:
    """Characters beyond ASCII that occur ``at_least`` times and are not ``known``, sorted."""
    counts = Counter(c for text in texts for c in text if c > "\x7f" and not c.isspace())
    return sorted(c for c, n in counts.items() if n >= at_least and c.lower() not in known)


def company_vectors(
    texts: Sequence[str], characters: Sequence[str], *, dimensions: int = DIMENSIONS
) -> NDArray[np.float32]:
    """A vector for each character, from the simplified form of all texts."""
    simplify = OpenCC("t2s").convert
    form = {c: (simplify(c) or c)[0] for c in characters}
    ids = {c: k for k, c in enumerate(sorted(set(form.values())))}
    together: Counter[tuple[int, int]] = Counter()
    for text in texts:
        line = [ids.get(c, -1) for c in simplify(text)]
        for place, one in enumerate(line):
            for other in line[place + 1 : place + 1 + WINDOW] if one >= 0 else ():
                if other >= 0:
                    together[one, other] += 1
                    together[other, one] += 1
    rows, columns = np.array(list(together)).T
    values = np.array(list(together.values()), np.float64)
    total = values.sum()
    of_row = np.bincount(rows, values, len(ids))
    information = np.log(values * total / (of_row[rows] * of_row[columns]))
    positive = information > 0
    matrix = coo_matrix(
        (information[positive], (rows[positive], columns[positive])), (len(ids), len(ids))
    ).tocsr()
    left, sizes, _ = svds(matrix, k=dimensions, random_state=20)
    vectors = left * np.sqrt(sizes)
    return np.array([vectors[ids[form[c]]] for c in characters], np.float32)


def first_rows(
    vectors: NDArray[np.float32], like: NDArray[np.float32], seed: int
) -> NDArray[np.float32]:
    """Rows of the width of ``like`` (rows of known Chinese characters) for the new characters."""
    chance = np.random.default_rng(seed)
    width = like.shape[1]
    turn, _ = np.linalg.qr(chance.standard_normal((width, vectors.shape[1])))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    spread = vectors / np.maximum(norms, 1e-6) @ turn.T
    spread += 0.3 * chance.standard_normal(spread.shape) / np.sqrt(width)
    spread /= np.linalg.norm(spread, axis=1, keepdims=True)
    mean = like.mean(0)
    size = float(np.linalg.norm(like - mean, axis=1).mean())
    rows: NDArray[np.float32] = (mean + size * spread).astype(np.float32)
    return rows
