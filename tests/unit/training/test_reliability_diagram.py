"""The diagram and the section say what the dump says, and are put where they stood."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from qa.reliability import Judged, reliability
from qa.score_dumps import writing
from tests.unit.training.test_replay_dump import scored
from training.reliability import BEGIN, END, LEFT, SIDE, TOP, diagram, main, placed

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    with writing(tmp_path / "dump" / "squad.jsonl.gz") as write:
        write(scored("1", [-2.0, 3.0]))
    with writing(tmp_path / "dump" / "xquad_zh.jsonl.gz") as write:
        write(scored("2", [None, None], "zh"))
    return tmp_path / "dump"


def test_a_dot_stands_where_its_bin_does() -> None:
    found = reliability({"a": [Judged([0.25, 0.25, 0.75, 0.75], [False, True, True, True])]})
    root = ElementTree.fromstring(diagram(found, "Title & more"))  # noqa: S314 - our own
    dots = [(float(d.attrib["cx"]), float(d.attrib["cy"])) for d in root.iter(f"{SVG}circle")]
    assert dots == [
        (LEFT + SIDE * 0.25, TOP + SIDE * 0.5),
        (LEFT + SIDE * 0.75, TOP + SIDE * 0.0),
    ]
    assert root.findtext(f"{SVG}title") == "Title & more"
    told = root.findtext(f"{SVG}desc", "")
    assert "0.2 to 0.3: mean probability 0.25, 0.50 answer, 50.0%" in told


def test_every_mark_has_a_colour_for_a_dark_page_too() -> None:
    text = diagram(reliability({"a": [Judged([0.25], [True])]}), "Title")
    style = text.split("<style>")[1].split("</style>")[0]
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    used = set(re.findall(r'class="([a-z]+)', text)) - {"end", "middle", "title"}
    for name in used:
        assert f".{name} {{" in light
        assert f".{name} {{" in dark


def test_nothing_is_drawn_outside_of_the_picture() -> None:
    found = reliability({"a": [Judged([0.0, 1.0], [True, False])]})
    root = ElementTree.fromstring(diagram(found, "Title"))  # noqa: S314 - our own
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for mark in root.iter(f"{SVG}rect"):
        x, y = float(mark.get("x", 0)), float(mark.get("y", 0))
        assert 0 <= x <= x + float(mark.attrib["width"]) <= width
        assert 0 <= y <= y + float(mark.attrib["height"]) <= height


def test_the_command_writes_a_diagram_a_language_and_links_it_from_the_card(
    dump: Path, tmp_path: Path
) -> None:
    card = tmp_path / "weights" / "mini" / "CARD.md"
    card.parent.mkdir(parents=True)
    card.write_text("# Card\n", encoding="utf-8")
    main([str(dump), "--images", str(tmp_path / "images"), "--markdown", str(card)])
    text = card.read_text(encoding="utf-8")
    assert text.startswith("# Card\n\n## Reliability\n")
    assert "![Reliability, English](../../images/reliability-en.svg)" in text
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["reliability-en.svg"]
    assert "| squad | 1 | 2 | 0.500 | 0.250 |" in text
    assert "| Chinese: not reranked |" in text


def test_running_again_replaces_the_section_and_nothing_else(dump: Path, tmp_path: Path) -> None:
    card = tmp_path / "CARD.md"
    card.write_text(f"# Card\n\n{BEGIN}\nold\n{END}\n\n## After\n", encoding="utf-8")
    for _ in range(2):
        main([str(dump), "--markdown", str(card)])
    text = card.read_text(encoding="utf-8")
    assert "old" not in text
    assert text.count(BEGIN) == text.count("| squad |") == 1
    assert text.startswith("# Card\n\n")
    assert text.endswith(f"{END}\n\n## After\n")


def test_backslashes_in_the_section_stay_as_they_are() -> None:
    assert placed(f"{BEGIN}{END}", "a\\1b\n") == f"{BEGIN}\na\\1b\n{END}"
    assert placed("", "new\n") == f"## Reliability\n\n{BEGIN}\nnew\n{END}\n"
