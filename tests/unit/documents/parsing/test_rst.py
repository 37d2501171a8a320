from __future__ import annotations

from pathlib import Path

import pytest

from documents.parsing.base import ParseError
from tests.unit.documents.parsing.builders import kinds_and_texts, parse


def read(tmp_path: Path, text: str) -> list[tuple[str, str]]:
    path = tmp_path / "a.rst"
    path.write_text(text, encoding="utf-8")
    return kinds_and_texts(parse(path))


def test_structure_is_kept_and_markup_is_not(tmp_path: Path) -> None:
    text = (
        "Sleep\n=====\n\nRest *well*, see `the page <http://x.example>`_.\n\nMore\n----\n\n"
        "- one\n- two\n\n====== =====\nFood   Grams\n====== =====\nApple  12\n====== =====\n\n"
        "Code::\n\n    if x:\n        y\n\n.. note:: Mind this.\n\n.. a comment\n"
    )

    assert read(tmp_path, text) == [
        ("heading", "Sleep"),
        ("paragraph", "Rest well, see the page."),
        ("heading", "More"),
        ("list_item", "one"),
        ("list_item", "two"),
        ("table_row", "Food | Grams"),
        ("table_row", "Food: Apple | Grams: 12"),
        ("paragraph", "Code:"),
        ("code", "if x:\n    y"),
        ("paragraph", "Mind this."),
    ]


def test_directives_and_roles_of_sphinx_are_read_as_the_text_inside(tmp_path: Path) -> None:
    text = (
        ".. versionadded:: 2.0\n\n   New and :ref:`good <x>`, see :py:class:`Sleep`.\n\n"
        ".. toctree::\n   :maxdepth: 2\n\n   other\n\n"
        ".. prompt:: bash\n\n   make test\n"
    )

    assert read(tmp_path, text) == [
        ("paragraph", "2.0"),
        ("paragraph", "New and good, see Sleep."),
        ("code", "make test"),
    ]


def test_the_fields_at_the_top_say_who_and_when(tmp_path: Path) -> None:
    path = tmp_path / "a.rst"
    path.write_text("Sleep\n=====\n\n:Author: A. B.\n:Date: 2024-05-01\n\nRest.\n")

    parsed = parse(path)

    assert (parsed.title, parsed.author) == ("Sleep", "A. B.")
    assert parsed.published is not None and parsed.published.year == 2024


@pytest.mark.parametrize(
    "directive",
    [
        ".. include:: /etc/passwd",
        ".. literalinclude:: /etc/passwd",
        ".. raw:: html\n   :file: /etc/passwd",
        ".. csv-table::\n   :file: /etc/passwd",
    ],
)
def test_no_file_that_the_text_names_is_opened(tmp_path: Path, directive: str) -> None:
    found = read(tmp_path, f"Rest well.\n\n{directive}\n")

    assert not any("root:" in text for _, text in found)


def test_errors_in_the_markup_cost_nothing_else(tmp_path: Path) -> None:
    assert read(tmp_path, "Title\n==\n\nRest |missing| well_.\n\n.. note\n\n*open")[-1] == (
        "paragraph",
        "*open",
    )


def test_blocks_inside_blocks_without_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParseError) as caught:
        read(tmp_path, "".join(" " * depth + "a\n\n" for depth in range(2_000)))

    assert caught.value.code == "nested"
