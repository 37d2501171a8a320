from __future__ import annotations

from pathlib import Path

from tests.unit.documents.parsing.builders import kinds_and_texts, parse


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "file.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_blank_lines_part_paragraphs_and_the_first_line_is_the_title(tmp_path: Path) -> None:
    parsed = parse(
        written(tmp_path, "Can I sleep better?\r\n\r\nYes,\r\nyou can.\r\n\r\nRest.\r\n")
    )

    assert kinds_and_texts(parsed) == [
        ("heading", "Can I sleep better?"),
        ("paragraph", "Yes,\nyou can."),
        ("paragraph", "Rest."),
    ]
    assert parsed.title == "Can I sleep better?"
    assert parsed.language == "en"


def test_a_sentence_at_the_start_is_no_title(tmp_path: Path) -> None:
    parsed = parse(written(tmp_path, "This is a sentence.\n\nAnd another one."))

    assert [kind for kind, _ in kinds_and_texts(parsed)] == ["paragraph", "paragraph"]
    assert parsed.title == ""


def test_lines_with_marks_are_list_items(tmp_path: Path) -> None:
    parsed = parse(written(tmp_path, "Do this:\n- rest\n  well\n- drink\n2) walk\n"))

    assert kinds_and_texts(parsed) == [
        ("paragraph", "Do this:"),
        ("list_item", "- rest\nwell"),
        ("list_item", "- drink"),
        ("list_item", "2) walk"),
    ]


def test_long_lines_are_paragraphs_of_their_own(tmp_path: Path) -> None:
    long = "睡眠很重要。" * 40

    parsed = parse(written(tmp_path, f"{long}\n{long}\n"))

    assert [kind for kind, _ in kinds_and_texts(parsed)] == ["paragraph", "paragraph"]


def test_chinese_lines_wrapped_by_hand_are_joined(tmp_path: Path) -> None:
    parsed = parse(written(tmp_path, "睡眠障\n碍的机制".encode("gb18030")))

    assert parsed.text == "睡眠障碍的机制"
