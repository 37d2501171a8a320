from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bench import parsers
from bench.parsers import Reading, compared
from bench.reference import found, reference_text, words


def reading(
    file: str = "a.txt", tool: str = "ragsite", *, code: str = "", share: float | None = 1.0
) -> Reading:
    kind = file.rpartition(".")[2]
    return Reading(file, kind, tool, code, 10, share, share, seconds=2.0, memory_mb=50.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rest well, 8h!", ["rest", "well", "8h"]),
        ("睡眠ok", ["睡", "眠", "ok"]),
        ("寝るな 수면", ["寝", "る", "な", "수", "면"]),
        ("¡Él duerme_bien!", ["él", "duerme", "bien"]),
    ],
)
def test_words_are_counted_alike_in_all_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_found_counts_words_as_often_as_they_stand_and_order_their_neighbours() -> None:
    assert found("a b a c", "c a b x") == pytest.approx((0.75, 1 / 3))
    assert found("a b", "a b and more") == (1.0, 1.0)
    assert found("", "anything") == (1.0, 1.0)
    assert found("a b", "") == (0.0, 0.0)


def test_the_reference_reads_bytes_in_the_encoding_that_the_corpus_states(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("睡眠".encode("gbk"))

    assert reference_text(path, {"probe": {"enc": "GB18030"}}) == "睡眠"


def test_the_reference_of_a_packed_format_is_its_text_nodes(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<d><p><t>Re</t><t>st</t></p><p><t>well</t></p></d>")

    assert reference_text(path, {}) == "Rest\nwell"


def test_a_page_is_referred_to_without_its_scripts_and_navigation(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<html><body><nav>menu</nav><script>x()</script><p>Rest</p></body></html>")

    assert words(reference_text(path, {}) or "") == ["rest"]


def test_a_format_without_a_yardstick_has_none(tmp_path: Path) -> None:
    assert reference_text(tmp_path / "a.doc", {}) is None


def test_a_result_is_held_against_the_reference() -> None:
    result = {"text": "Rest", "error": "", "seconds": 1.5, "memory_mb": 40.0}

    assert compared(Path("a.TXT"), "x", "rest well", result) == Reading(
        "a.TXT", "txt", "x", "", 4, 0.5, 0.0, 1.5, 40.0
    )
    nothing = compared(Path("a.pdf"), "x", "", {**result, "text": ""})
    assert (nothing.code, nothing.found) == ("no_text", None)


def test_the_page_counts_what_was_read_and_names_what_was_not() -> None:
    ours = [
        reading("a.txt"),
        reading("b.txt", share=0.5),
        reading("c.pdf", code="encrypted", share=None),
        reading("d.exe", code="unsupported"),
    ]
    others = [reading("a.txt", "kreuzberg", share=0.8), reading("c.pdf", "pypdf")]

    text = parsers.page(ours, [*ours[:3], *others], "the command", "made here")

    assert "| txt | 2 | 2 | 0.750 | 0.750 | 2.0 |  |" in text
    assert "| pdf | 1 | 0 | – | – | 2.0 | c.pdf: encrypted |" in text
    assert "refused at upload with a sentence: d.exe." in text
    assert "| ragsite | 1 of 2 | 0.750 |" in text
    assert "| kreuzberg | 0 of 1 | 0.800 |" in text
    assert "| pypdf | 1 of 1 | 1.000 |" in text
    assert "the command" in text and "made here" in text
