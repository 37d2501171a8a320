from __future__ import annotations

from datetime import date
from pathlib import Path

from documents.parsing.markdown import split_front_matter
from tests.unit.documents.parsing.builders import kinds_and_texts, parse


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.md"
    path.write_text(text)
    return path


def test_structure_is_kept_and_markup_is_not(tmp_path: Path) -> None:
    parsed = parse(
        written(
            tmp_path,
            "# Sleep *well*\n\nRead [this](http://x.example) and `rest`.\n\n"
            "- one\n  - inner\n- two\n\n"
            "| Food | Grams |\n|---|---|\n| Apple | 12 |\n\n"
            "```\nif x:\n    y\n```\n\n> quoted\n",
        )
    )

    assert kinds_and_texts(parsed) == [
        ("heading", "Sleep well"),
        ("paragraph", "Read this and rest."),
        ("list_item", "one"),
        ("list_item", "inner"),
        ("list_item", "two"),
        ("table_row", "Food | Grams"),
        ("table_row", "Food: Apple | Grams: 12"),
        ("code", "if x:\n    y"),
        ("paragraph", "quoted"),
    ]
    assert parsed.blocks[1].heading_path == ("Sleep well",)


def test_front_matter_gives_title_date_and_metadata(tmp_path: Path) -> None:
    parsed = parse(
        written(
            tmp_path,
            '---\ntitle: "Better sleep"\nDate: 2024-05-01\nauthor: A. B.\ntags:\n  - x\n---\n# H\n',
        )
    )

    assert parsed.title == "Better sleep"
    assert parsed.author == "A. B."
    assert parsed.published == date(2024, 5, 1)
    assert parsed.metadata["date"] == "2024-05-01"
    assert parsed.text == "H"


def test_text_between_two_rules_is_no_front_matter() -> None:
    text = "---\nJust a sentence\n---\nmore"

    assert split_front_matter(text) == ({}, text)


def test_html_inside_is_read_and_scripts_are_not(tmp_path: Path) -> None:
    parsed = parse(
        written(
            tmp_path,
            "<div><p>Seen &amp; read</p><script>alert(1)</script></div>\n\nA<br>B <b>bold</b>\n",
        )
    )

    assert kinds_and_texts(parsed) == [("paragraph", "Seen & read"), ("paragraph", "A\nB bold")]


def test_a_picture_is_its_description(tmp_path: Path) -> None:
    assert parse(written(tmp_path, "![A sleeping cat](cat.png)")).text == "A sleeping cat"
