"""A worker as a process of its own: ``build_program DATABASE BUILD`` works on an index build.

It says ``second`` when it embeds for the second time, and goes no further.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import django

django.setup()

from django.db import connection  # noqa: E402

from documents import rebuilding  # noqa: E402
from inference.fake import FakeEmbedder  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Held(FakeEmbedder):
    calls = 0

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        if self.calls == 2:
            sys.stdout.write("second\n")
            sys.stdout.flush()
            time.sleep(600)
        return super().embed_passages(texts)


def main() -> None:
    database, build = sys.argv[1:]
    connection.settings_dict["NAME"] = database
    held = Held()
    setattr(rebuilding, "get_embedder", lambda: held)  # noqa: B010 - imported there, not exported
    rebuilding.continue_build(int(build))


if __name__ == "__main__":
    main()
