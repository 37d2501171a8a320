"""A worker as a process of its own: ``worker_program DATABASE VERSION`` processes one version.

It says ``embedding`` when it has come so far, and waits for a line before it goes on.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import django

django.setup()

from django.db import connection  # noqa: E402

from documents import indexing  # noqa: E402
from inference.fake import FakeEmbedder  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Held(FakeEmbedder):
    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        sys.stdout.write("embedding\n")
        sys.stdout.flush()
        sys.stdin.readline()
        return super().embed_passages(texts)


def main() -> None:
    database, version = sys.argv[1:]
    connection.settings_dict["NAME"] = database
    setattr(indexing, "get_embedder", Held)  # noqa: B010 - it is imported there, not exported
    indexing.index_document(int(version))


if __name__ == "__main__":
    main()
