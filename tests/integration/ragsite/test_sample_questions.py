"""The sample questions are asked of documents loaded as the demonstration loads them."""

from __future__ import annotations

import json
from datetime import date
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command

from documents.models import Chunk, Document, KnowledgeBase
from qa.evaluation import temporary_base
from qa.first_sources import read_counts
from ragsite.problems import DemoError
from ragsite.sample_questions import Question, ask_all, load, read_kinds, read_questions

if TYPE_CHECKING:
    from accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)

SAMPLES = Path(__file__).parents[3] / "samples"
ROWS: list[dict[str, str | None]] = [
    {"file": "lay/lay-1.md", "kind": "consumer", "date": "2021", "superseded_by": "lay-2.html"},
    {"file": "lay/lay-2.html", "kind": "lay", "date": "2024-05-02"},
    {"file": "abs-3.txt", "kind": "technical", "date": None},
]
TEXTS = {
    "lay/lay-1.md": "# Advice\n\nOld words about how to rest.\n",
    "lay/lay-2.html": "<html><body><p>Sleep better in a dark, quiet bedroom.</p></body></html>",
    "abs-3.txt": "Receptors in the sleep of rats: how can I sleep better was not asked.\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "collection"
    (made / "lay").mkdir(parents=True)
    for name, text in TEXTS.items():
        (made / name).write_text(text, encoding="utf-8")
    lines = (
        json.dumps({"title": f"Title of {row['file']}", "url": None, "licence": "MIT", **row})
        for row in ROWS
    )
    (made / "index.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return made


def test_documents_are_indexed_with_title_date_and_what_replaces_them(folder: Path) -> None:
    with temporary_base("collection") as (viewer, base):
        assert load(viewer, base, folder) == 3
        first, second = Document.objects.filter(title__startswith="Title of lay").order_by("title")
        assert first.effective_date == date(2021, 7, 1)
        assert first.superseded_by == second
        assert second.effective_date == date(2024, 5, 2)
        texts = " ".join(Chunk.objects.values_list("text", flat=True))
        assert "dark, quiet bedroom" in texts
        assert "<p>" not in texts
    assert Document.objects.count() == 0


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    (folder / "abs-3.txt").unlink()
    with (
        temporary_base("collection") as (viewer, base),
        pytest.raises(DemoError, match=r"abs-3\.txt"),
    ):
        load(viewer, base, folder)


def test_the_first_source_of_each_order_is_noted_with_its_kind(folder: Path) -> None:
    questions = [
        Question("sleep", "Receptors in the sleep of rats", "en"),
        Question("sleep", "a dark, quiet bedroom", "en"),
    ]
    with temporary_base("collection") as (viewer, base):
        load(viewer, base, folder)
        found = ask_all(viewer, base, questions, read_kinds(folder), collection="tiny")
    assert (found.collection, found.documents) == ("tiny", 3)
    technical, lay = found.questions
    assert {source.document for source in technical.first.values()} == {"abs-3.txt"}
    assert {source.kind for source in technical.first.values()} == {"technical"}
    assert lay.first["balanced"].document == "lay-2.html"
    assert lay.first["balanced"].kind == "lay"
    assert lay.reason == ""


def test_without_anything_above_the_floor_there_is_no_first_source(folder: Path) -> None:
    with temporary_base("collection") as (viewer, base):
        load(viewer, base, folder)
        KnowledgeBase.objects.filter(pk=base.pk).update(relevance_floor=1.0)
        base.refresh_from_db()
        asked = [Question("sleep", "why does the moon shine in Spain?", "en")]
        (question,) = ask_all(viewer, base, asked, read_kinds(folder), collection="tiny").questions
    assert question.first["balanced"].kind == "none"
    assert question.first["ordered"].kind != "none", "what stands first is told all the same"
    assert question.first["balanced"].document == ""
    assert question.first["fused"].document


def test_a_language_without_documents_is_not_asked(folder: Path) -> None:
    with temporary_base("collection") as (viewer, base):
        load(viewer, base, folder)
        found = ask_all(
            viewer,
            base,
            [Question("sleep", "怎样才能睡得更好", "zh")],
            read_kinds(folder),
            collection="tiny",
        )
    assert found.questions == []


def test_a_stranger_is_shown_no_source_of_a_private_knowledge_base(
    folder: Path, charlie: User
) -> None:
    with temporary_base("collection") as (viewer, base):
        load(viewer, base, folder)
        asked = [Question("sleep", "a dark, quiet bedroom", "en")]
        found = ask_all(charlie, base, asked, read_kinds(folder), collection="tiny")
        assert found.documents == 0
        assert {source.document for source in found.questions[0].first.values()} == {""}
        with pytest.raises(CommandError, match="no knowledge base"):
            call_command("evaluate_samples", "--kb", base.slug, "--user", "charlie")


def test_the_questions_are_twelve_and_ten_in_each_language() -> None:
    asked = [(each.group, each.language) for each in read_questions(SAMPLES)]
    assert asked.count(("health", "en")) == 12
    assert asked.count(("sleep", "en")) == asked.count(("sleep", "zh")) == 10
    assert len(asked) == 32
    texts = {each.text for each in read_questions(SAMPLES)}
    assert {"how can I sleep better", "怎样才能睡得更好"} <= texts


def test_the_documents_that_fit_a_question_are_samples_but_for_three() -> None:
    kinds = read_kinds(SAMPLES).by_name
    rows = map(json.loads, (SAMPLES / "health_questions.jsonl").read_text("utf-8").splitlines())
    named = [(kind, name) for row in rows for kind in ("lay", "technical") for name in row[kind]]
    assert len([name for _, name in named if name not in kinds]) == 3
    assert all(kinds[name] == kind for kind, name in named if name in kinds)


def test_the_command_prints_the_counts_and_writes_them(folder: Path, tmp_path: Path) -> None:
    out, counts, section = StringIO(), tmp_path / "counts.json", tmp_path / "section.md"
    call_command(
        "evaluate_samples",
        *("--folder", str(folder), "--json", str(counts), "--markdown", str(section)),
        stdout=out,
    )
    found = read_counts(counts)
    assert len(found.questions) == 22
    assert "collection: 3 documents" in out.getvalue()
    assert "health (en), 12 questions" in out.getvalue()
    assert section.read_text(encoding="utf-8").startswith("## First sources: collection")
    assert KnowledgeBase.objects.count() == 0


def test_the_counts_go_into_the_report_of_an_evaluation(folder: Path, tmp_path: Path) -> None:
    counts, report, tiny = tmp_path / "counts.json", tmp_path / "report.md", tmp_path / "tiny"
    call_command("evaluate_samples", "--folder", str(folder), "--json", str(counts))
    tiny.mkdir()
    (tiny / "corpus.jsonl").write_text('{"_id": "d", "text": "Sleep well."}\n', "utf-8")
    (tiny / "queries.jsonl").write_text('{"_id": "q", "text": "sleep"}\n', "utf-8")
    (tiny / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n", "utf-8")
    run = ("evaluate_retrieval", "--set", str(tiny), "--markdown", str(report))
    call_command(*run, "--samples", str(counts))
    assert "## First sources: collection, 3 documents" in report.read_text(encoding="utf-8")
    with pytest.raises(CommandError, match=r"corpus\.jsonl"):
        call_command(*run, "--samples", str(tiny / "corpus.jsonl"))


def test_a_folder_without_an_index_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="sample documents are missing"):
        call_command("evaluate_samples", "--folder", str(tmp_path))
