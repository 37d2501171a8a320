"""A test set is measured through the product's own path, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from documents.models import Chunk, Document, IndexGeneration, KnowledgeBase
from inference.fake import FakeReranker
from inference.ports import Calibration, RerankerCard
from qa.beir import read_test_set
from qa.configuration import pipeline_config
from qa.evaluation import document_order, evaluate, settings_of
from qa.evaluation_records import is_measured_with, read_record
from qa.figures import MEASURES
from qa.management.commands import evaluate_retrieval as command
from qa.models import EvaluationRun
from qa.replay import replay
from qa.score_dumps import SUFFIX, read_dump, read_dumps, writing
from qa.scoring import PRESETS
from qa.types import PipelineConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qa.beir import TestSet
    from qa.figures import Figures
    from qa.score_dumps import ScoredQuestion

pytestmark = pytest.mark.django_db(transaction=True)

SUBJECTS = {
    "sleep": "Good sleep needs a dark and quiet bedroom. Keep regular hours every night.",
    "fruit": "Berries and apples are fruit that a person with diabetes may eat in portions.",
    "snoring": "Snoring comes from a narrow airway. Lying on the side may help.",
    "pressure": "Blood pressure falls with less salt and more walking.",
}
QUESTIONS = {
    "q1": ("How do I sleep better at night?", {"sleep": 1}),
    "q2": ("Which fruit may a person with diabetes eat?", {"fruit": 2, "pressure": 0}),
    "q3": ("What helps against snoring?", {"snoring": 1}),
    "q4": ("Nobody judged this one", {}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tiny"
    made.mkdir()
    corpus = [{"_id": key, "title": "", "text": text} for key, text in SUBJECTS.items()]
    corpus.append({"_id": "long", "title": "Salt", "text": "Salt raises it. " * 300})
    queries = [{"_id": key, "text": text} for key, (text, _grades) in QUESTIONS.items()]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (made / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    judged = [
        f"{key}\t{document}\t{grade}\n"
        for key, (_text, grades) in QUESTIONS.items()
        for document, grade in grades.items()
    ]
    header = "query-id\tcorpus-id\tscore\n"
    (made / "qrels.tsv").write_text(header + "".join(judged), encoding="utf-8")
    return made


def test_every_stage_has_every_measure(folder: Path) -> None:
    figures = evaluate(read_test_set(folder))
    assert figures.questions == 3
    assert figures.language == "en"
    assert set(figures.stages) == {
        "dense",
        "lexical",
        "fused",
        "cross_encoder",
        "reranked",
        "blended",
        "relevance_only",
    }
    for measures in figures.stages.values():
        assert tuple(measures) == MEASURES
        assert all(0 <= value <= 1 for value in measures.values())


def test_passages_that_share_the_words_of_the_question_are_found(folder: Path) -> None:
    figures = evaluate(read_test_set(folder))
    assert figures.stages["lexical"]["mrr@10"] == 1.0
    assert figures.stages["fused"]["recall@30"] == 1.0


def test_nothing_is_left_of_the_temporary_knowledge_base(folder: Path) -> None:
    evaluate(read_test_set(folder))
    for model in (KnowledgeBase, Document, Chunk, IndexGeneration, User):
        assert model.objects.count() == 0


def test_nothing_is_left_when_the_measurement_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("qa.evaluation.rank", fail)
    with pytest.raises(RuntimeError):
        evaluate(read_test_set(folder))
    assert KnowledgeBase.objects.count() == 0
    assert User.objects.count() == 0


def test_the_knowledge_base_can_be_kept(folder: Path) -> None:
    evaluate(read_test_set(folder), keep=True)
    base = KnowledgeBase.objects.get()
    assert base.visibility == KnowledgeBase.Visibility.PRIVATE
    assert base.documents.count() == 5
    assert not User.objects.get().has_usable_password()


def test_a_run_is_saved_with_its_seed_and_commit(folder: Path) -> None:
    evaluate(read_test_set(folder), queries=2, seed=11, commit="abc123")
    run = EvaluationRun.objects.get()
    assert run.set_name == "tiny"
    assert run.commit == "abc123"
    assert run.figures["meta"]["queries"] == 2
    assert run.configuration["seed"] == 11
    assert run.finished_at is not None


def test_the_same_seed_draws_the_same_questions(folder: Path) -> None:
    test_set = read_test_set(folder)
    first = [question.key for question in test_set.sample(2, seed=3)]
    assert first == [question.key for question in test_set.sample(2, seed=3)]
    assert len(first) == 2


def test_our_bm25_ranks_as_the_bm25s_library_does(folder: Path) -> None:
    pytest.importorskip("bm25s")
    figures = evaluate(read_test_set(folder), with_bm25s=True)
    ours, theirs = figures.stages["lexical"], figures.stages["bm25s"]
    assert ours["ndcg@10"] == pytest.approx(theirs["ndcg@10"])


def test_the_command_writes_the_agreed_json(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "figures.json"
    call_command("evaluate_retrieval", "--set", str(folder), "--json", str(target))
    written = json.loads(target.read_text(encoding="utf-8"))
    assert written["blended"].keys() == set(MEASURES)
    assert set(written["intervals"]) == {
        "cross_encoder",
        "reranked",
        "blended",
        "relevance_only",
    }
    assert written["intervals"]["blended"].keys() == {"mean", "low", "high"}
    assert written["meta"]["set"] == "tiny"
    assert written["ms"]["rerank"] >= 0


def test_the_command_measures_all_sets_of_a_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "not-a-set").mkdir()
    report = tmp_path / "report.md"
    call_command("evaluate_retrieval", "--sets", str(tmp_path), "--markdown", str(report))
    text = report.read_text(encoding="utf-8")
    assert "## tiny" in text
    assert "| blended |" in text
    assert "not-a-set" not in text


def test_each_question_has_its_value_at_every_stage(folder: Path) -> None:
    figures = evaluate(read_test_set(folder))
    assert set(figures.ndcg) == set(figures.stages)
    for stage, values in figures.ndcg.items():
        assert len(values) == 3
        assert fmean(values) == pytest.approx(figures.stages[stage]["ndcg@10"])
    assert set(figures.against) == {"dense", "lexical"}


def test_a_replayed_dump_gives_the_figures_of_the_evaluation(folder: Path) -> None:
    dumped: list[ScoredQuestion] = []
    figures = evaluate(read_test_set(folder), dump=dumped.append)
    assert [question.key for question in dumped] == ["q1", "q2", "q3"]
    assert dumped[1].grades == {"fruit": 2.0, "pressure": 0.0}
    assert set(dumped[0].documents) <= {*SUBJECTS, "long"}
    for stage, values in replay(dumped, weights=PipelineConfig().weights).items():
        assert tuple(values) == pytest.approx(figures.ndcg[stage]), stage


def test_relevance_only_is_what_the_product_ranks_with_that_preset(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = evaluate(read_test_set(folder)).ndcg["relevance_only"]

    def only_relevance(*args: Any, **options: Any) -> PipelineConfig:
        return replace(pipeline_config(*args, **options), weights=PRESETS["relevance_only"])

    monkeypatch.setattr("qa.evaluation.pipeline_config", only_relevance)
    assert evaluate(read_test_set(folder)).ndcg["blended"] == measured


def test_a_rerank_that_the_product_would_not_wait_for_is_waited_for_and_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = evaluate(read_test_set(folder))
    assert patient.over_time == 0

    def impatient(*args: Any, **options: Any) -> PipelineConfig:
        return replace(pipeline_config(*args, **options), rerank_time_limit_s=0.0)

    monkeypatch.setattr("qa.evaluation.pipeline_config", impatient)
    found = evaluate(read_test_set(folder))
    assert (found.reranked_questions, found.over_time) == (3, 3)
    assert found.ndcg == patient.ndcg


def test_the_settings_are_told_before_anything_is_measured(folder: Path) -> None:
    test_set = read_test_set(folder)
    told = settings_of(test_set, queries=2, seed=5, commit="abc")
    assert told == evaluate(test_set, queries=2, seed=5, commit="abc").meta
    assert told["sampled"] is True
    assert settings_of(test_set)["sampled"] is False
    assert KnowledgeBase.objects.count() == 0


def test_a_recorded_set_is_not_measured_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    monkeypatch.setattr(command, "evaluate", noting(measured))
    run = partial(call_command, "evaluate_retrieval", "--set", str(folder))
    record = ("--record", str(tmp_path / "records"))
    run(*record)
    run(*record)
    assert measured == ["tiny"]
    run(*record, "--queries", "2")
    run(*record, "--queries", "2", "--fresh")
    assert measured == ["tiny"] * 3


def test_other_calibrations_rank_the_recorded_scores_again_without_a_new_reading(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    monkeypatch.setattr(command, "evaluate", noting(measured))
    kept = ("--record", str(tmp_path / "records"), "--dump", str(tmp_path / "dump"))
    run = partial(call_command, "evaluate_retrieval", "--set", str(folder), *kept)
    run()
    before = read_record(tmp_path / "records", "tiny")
    # The words of the question count against a passage now.
    recalibrate(monkeypatch, Calibration({"rerank": -1.0}, 0.0))
    run()
    assert measured == ["tiny"]
    again = read_record(tmp_path / "records", "tiny")
    assert before is not None
    assert again is not None
    assert again.ndcg["reranked"] != before.ndcg["reranked"]
    assert again.ndcg["cross_encoder"] == before.ndcg["cross_encoder"]
    fresh = evaluate(read_test_set(folder))
    assert again.ndcg == fresh.ndcg
    for stage, values in fresh.stages.items():
        assert again.stages[stage] == pytest.approx(values), stage
    assert again.intervals == fresh.intervals
    assert is_measured_with(again, fresh.meta)


def test_scores_of_another_run_are_not_taken_for_those_of_the_record(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    monkeypatch.setattr(command, "evaluate", noting(measured))
    kept = ("--record", str(tmp_path / "records"), "--dump", str(tmp_path / "dump"))
    run = partial(call_command, "evaluate_retrieval", "--set", str(folder), *kept)
    run()
    dump = tmp_path / "dump" / f"tiny{SUFFIX}"
    questions = read_dump(dump)
    with writing(dump) as write:
        write(questions[0])
    recalibrate(monkeypatch, Calibration({"rerank": -1.0}, 0.0))
    run()
    assert measured == ["tiny"] * 2


def test_a_set_that_has_changed_is_measured_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    monkeypatch.setattr(command, "evaluate", noting(measured))
    run = partial(call_command, "evaluate_retrieval", "--set", str(folder))
    run("--record", str(tmp_path / "records"))
    with (folder / "qrels.tsv").open("a", encoding="utf-8") as file:
        file.write("q4\tsleep\t1\n")
    run("--record", str(tmp_path / "records"))
    assert measured == ["tiny"] * 2


def test_a_record_without_its_dump_is_measured_again_when_a_dump_is_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    monkeypatch.setattr(command, "evaluate", noting(measured))
    run = partial(call_command, "evaluate_retrieval", "--set", str(folder))
    run("--record", str(tmp_path / "records"))
    for _ in range(2):
        run("--record", str(tmp_path / "records"), "--dump", str(tmp_path / "dump"))
    assert measured == ["tiny"] * 2
    assert [question.key for question in read_dumps(tmp_path / "dump")["tiny"]] == [
        "q1",
        "q2",
        "q3",
    ]


def test_two_runs_share_the_sets_and_the_report_has_all(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    report = tmp_path / "report.md"
    run = partial(
        call_command,
        "evaluate_retrieval",
        *("--sets", str(tmp_path), "--record", str(tmp_path / "records")),
        *("--markdown", str(report)),
    )
    run("--only", "other")
    assert "## tiny" not in report.read_text(encoding="utf-8")
    run("--only", "tiny")
    text = report.read_text(encoding="utf-8")
    assert "## other" in text
    assert "## tiny" in text
    with pytest.raises(CommandError, match="no set third"):
        run("--only", "tiny,third")


@pytest.mark.parametrize("everything", ["all", "0"])
def test_all_questions_are_asked_when_told_so(
    folder: Path, tmp_path: Path, everything: str
) -> None:
    target = tmp_path / "figures.json"
    call_command(
        "evaluate_retrieval", "--set", str(folder), "--queries", everything, "--json", str(target)
    )
    assert json.loads(target.read_text(encoding="utf-8"))["meta"]["queries"] == 3


@pytest.mark.parametrize("wrong", ["-3", "some"])
def test_a_number_of_questions_that_is_none_is_refused(folder: Path, wrong: str) -> None:
    with pytest.raises(CommandError, match="neither a number nor"):
        call_command("evaluate_retrieval", f"--set={folder}", f"--queries={wrong}")


def noting(measured: list[str]) -> Callable[..., Figures]:
    """``evaluate``, which also notes what it is asked to measure."""

    def evaluate_and_note(test_set: TestSet, **options: Any) -> Figures:
        measured.append(test_set.name)
        return evaluate(test_set, **options)

    return evaluate_and_note


def recalibrate(monkeypatch: pytest.MonkeyPatch, *calibrations: Calibration) -> None:
    """From now on the same reranker, as to its raw scores, has these calibrations."""

    class Recalibrated(FakeReranker):
        @property
        def card(self) -> RerankerCard:
            card = replace(super().card, calibrations=calibrations)
            return replace(card, scores_are_probabilities=False, unit_scores=False)

    monkeypatch.setattr("qa.evaluation.reranker_for", lambda _base: (Recalibrated(), None))


def test_a_folder_that_is_no_set_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"corpus\.jsonl"):
        call_command("evaluate_retrieval", "--set", str(tmp_path))


def test_a_document_ranks_where_its_best_passage_does() -> None:
    assert document_order(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]
