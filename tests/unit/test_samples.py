"""The sample documents: what the index promises, and that ours say that they are fictitious."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import docx
import pypdfium2
import pytest

from documents.dates import find_effective_date
from documents.parsing.base import ParserContext
from documents.parsing.registry import detect_media_type, parser_for

SAMPLES = Path(__file__).parents[2] / "samples"
FOLDERS = ("guidelines", "health", "zh")
FROZEN_CHINESE = (
    "睡眠障碍的神经生物学机制研究",
    "安眠药的药理作用分析",
    "改善睡眠质量的10个小贴士",
    "失眠患者的日常调理方法",
    "睡前放松技巧大全",
)


def index_entries() -> list[dict[str, Any]]:
    lines = (SAMPLES / "index.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def text_of(path: Path) -> str:
    """Return the words of a sample, read by the plainest means there is for its format."""
    if path.suffix == ".docx":
        return "\n".join(paragraph.text for paragraph in docx.Document(str(path)).paragraphs)
    if path.suffix == ".pdf":
        with pypdfium2.PdfDocument(path) as pdf:
            return "\n".join(page.get_textpage().get_text_bounded() for page in pdf)
    return path.read_text(encoding="utf-8")


ENTRIES = index_entries()
OURS = [entry for entry in ENTRIES if not entry["file"].startswith("health/")]


def test_every_file_is_in_the_index_and_every_entry_has_its_file() -> None:
    on_disk = {
        path.relative_to(SAMPLES).as_posix()
        for folder in FOLDERS
        for path in (SAMPLES / folder).iterdir()
    }
    listed = [entry["file"] for entry in ENTRIES]
    assert sorted(listed) == sorted(on_disk)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_an_entry_is_complete_and_its_text_is_readable(entry: dict[str, Any]) -> None:
    assert entry["title"]
    assert entry["kind"] in {"lay", "technical", "guideline"}
    assert entry["language"] in {"en", "zh"}
    assert entry["source"]
    assert entry["date"] is None or re.fullmatch(r"\d{4}(-\d\d-\d\d)?", entry["date"])
    text = text_of(SAMPLES / entry["file"])
    assert len(text.strip()) > 300
    assert "\ufffd" not in text


def test_every_licence_in_the_index_is_explained_beside_it() -> None:
    explained = (SAMPLES / "LICENSES.md").read_text(encoding="utf-8")
    for licence in {entry["licence"] for entry in ENTRIES}:
        assert f"| {licence}" in explained


def test_what_others_wrote_is_under_their_licence_with_an_address() -> None:
    for entry in ENTRIES:
        if entry in OURS:
            assert entry["licence"] == "Apache-2.0"
            continue
        expected = "CC BY 4.0" if entry["kind"] == "lay" else "MIT"
        assert entry["licence"] == expected
        assert entry["url"].startswith("http")


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry["file"])
def test_what_we_wrote_says_in_its_text_that_it_is_fictitious(entry: dict[str, Any]) -> None:
    text = text_of(SAMPLES / entry["file"])
    if entry["language"] == "zh":
        body = text.split("---\n", 2)[2].strip()
        assert body.splitlines()[0] == "# 虚构示例，非医疗建议"
    else:
        assert "Fictitious example, not medical advice" in text[:400]


@pytest.mark.parametrize("title", FROZEN_CHINESE)
def test_the_five_frozen_chinese_documents_are_a_page_each(title: str) -> None:
    text = (SAMPLES / "zh" / f"{title}.md").read_text(encoding="utf-8")
    assert f"title: {title}\n" in text
    assert 600 <= len(text) <= 1000


def test_the_newer_guideline_says_that_it_supersedes_the_older() -> None:
    guidelines = sorted(
        (entry for entry in ENTRIES if entry["kind"] == "guideline"),
        key=lambda entry: str(entry["date"]),
    )
    older, newer = guidelines
    assert str(older["date"])[:4] < str(newer["date"])[:4]
    text = text_of(SAMPLES / newer["file"])
    assert f"It supersedes the {older['title']}" in text
    assert older["superseded_by"] == Path(newer["file"]).name


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_the_product_reads_a_sample_and_finds_the_date_that_the_index_gives(
    entry: dict[str, Any],
) -> None:
    path = SAMPLES / entry["file"]
    parser = parser_for(detect_media_type(path.name, path.read_bytes()[:2048]))
    parsed = parser.parse(path, ParserContext())
    assert parsed.blocks
    found = find_effective_date(parsed, path.name)
    assert (str(found) if found else "").startswith(entry["date"] or "")
    assert bool(found) == bool(entry["date"])
