"""Which texts a model may be used on."""

from __future__ import annotations

import pytest

from inference.coverage import MOST_UNKNOWN, can_read


class Model:
    def __init__(self, unknown: float) -> None:
        self.unknown = unknown

    def unknown_share(self, text: str) -> float:
        return self.unknown


@pytest.mark.parametrize(
    ("languages", "language", "unknown", "readable"),
    [
        (("en",), "en", 0.0, True),
        (("en",), "zh", 0.0, False),
        ((), "zh", 0.0, True),
        (("en",), "", 0.0, True),
        (("en",), "", 0.9, False),
        (("en",), "en", MOST_UNKNOWN, True),
        (("en",), "en", MOST_UNKNOWN + 0.01, False),
    ],
)
def test_a_model_reads_its_languages_as_far_as_it_knows_the_words(
    languages: tuple[str, ...], language: str, unknown: float, readable: bool
) -> None:
    assert can_read(Model(unknown), languages, "text", language) is readable
