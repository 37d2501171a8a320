"""A reranker is measured by chat's own path, says where its figures come from, leaves nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from accounts.models import User
from documents.models import Chunk, Document, KnowledgeBase
from inference.errors import ModelTimeout, ModelUnavailable
from inference.fake import FakeReranker
from qa import measuring
from qa.measured import ALL, Asked, figures_of, milliseconds_in, scores_in
from qa.measurement_claims import claim
from qa.measuring import measure
from qa.models import EvaluationQuestion, RerankerMeasurement, RerankerProfile
from qa.own_questions import own_questions, passage_key
from qa.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_django import Settings as SettingsWrapper

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = {
    "sleep.md": "Good sleep needs a dark and quiet bedroom. Keep regular hours every night.",
    "fruit.txt": "Berries and apples are fruit that a person with diabetes may eat in portions.",
    "snoring.txt": "Snoring comes from a narrow airway. Lying on the side may help against it.",
    "old.txt": "Fruit was forbidden to people with diabetes in the older guideline of 2019.",
    "睡眠.md": "晚上睡不好的人应当每天同一时间起床，卧室要安静、黑暗、凉爽，睡前不看手机。",
}
QUESTIONS: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("en-1", "How do I sleep better at night?", {"sleep.md": 3}),
    ("en-2", "Which fruit may a person with diabetes eat?", {"fruit.txt": 3, "old.txt": 1}),
    ("en-3", "What helps against snoring?", {"snoring.txt": 3}),
    ("zh-1", "晚上睡不好应当怎么办？", {"睡眠.md": 3}),
)


@pytest.fixture
def samples(tmp_path: Path, settings: SettingsWrapper) -> Path:
    """An installation whose samples are five short documents with four judged questions."""
    settings.BASE_DIR = tmp_path
    folder = tmp_path / "samples"
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    for name, text in TEXTS.items():
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
        row: dict[str, Any] = {"file": name, "title": f"About {name}", "date": "2024"}
        rows.append(row | ({"superseded_by": "fruit.txt"} if name == "old.txt" else {}))
    asked = [{"id": key, "query": text, "grades": grades} for key, text, grades in QUESTIONS]
    for name, lines in (("index", rows), ("questions", asked)):
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def profile() -> RerankerProfile:
    return RerankerProfile.objects.create(name="overlap", kind="fake")


def run(measurement: RerankerMeasurement) -> RerankerMeasurement:
    taken = claim(measurement.pk)
    assert taken is not None
    measure(taken)
    measurement.refresh_from_db()
    return measurement


class _Broken(FakeReranker):
    """Loads, and then does what a reranker in trouble does."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def score(self, question: str, passages: Sequence[str], *, time_limit_s: float) -> list[float]:
        if question == "warm up":
            return [0.0]
        raise self.error


def test_every_question_is_asked_with_and_without_rerank(
    samples: Path, profile: RerankerProfile
) -> None:
    made = run(RerankerMeasurement.objects.create(profile=profile))
    assert made.state == RerankerMeasurement.State.DONE, made.error_detail
    scores = scores_in(made.figures)
    assert scores[ALL].questions == len(QUESTIONS)
    assert set(scores) == {ALL, "en", "zh"}
    assert scores[ALL].reranked == len(QUESTIONS)
    assert 0.5 < scores["en"].without <= 1
    assert 0.5 < scores["en"].blended <= 1
    assert scores["en"].gain.low <= scores["en"].gain.mean <= scores["en"].gain.high


def test_nothing_stays_behind_but_the_figures(samples: Path, profile: RerankerProfile) -> None:
    made = run(RerankerMeasurement.objects.create(profile=profile))
    assert not KnowledgeBase.objects.exists()
    assert not Document.objects.exists()
    assert not Chunk.objects.exists()
    assert not User.objects.exists()
    assert "scratch" not in made.origin


def test_the_figures_can_be_computed_again_from_what_is_stored(
    samples: Path, profile: RerankerProfile
) -> None:
    made = run(RerankerMeasurement.objects.create(profile=profile))
    asked = [Asked(**row) for row in made.inputs["asked"]]
    timed = [(passages, taken) for passages, taken in made.inputs["timed"]]
    assert json.loads(json.dumps(figures_of(asked, timed))) == made.figures
    assert [each.key for each in asked] == [key for key, _text, _grades in QUESTIONS]
    assert "sleep better" not in json.dumps(made.inputs)


def test_the_row_says_where_its_figures_come_from(samples: Path, profile: RerankerProfile) -> None:
    origin = run(RerankerMeasurement.objects.create(profile=profile)).origin
    assert origin["machine"]["cores"] >= 1
    assert origin["settings"]["candidates"] == profile.candidates
    assert origin["embedder"] == "fake"
    assert origin["reranker"] == "word overlap 1"
    assert origin["basis"]


def test_the_dates_and_successors_of_the_index_are_used(
    samples: Path, profile: RerankerProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int | None, bool]] = []

    def spy(question: str, recalled: Any, **rest: Any) -> Any:
        for each in recalled.passages:
            year = each.effective_date.year if each.effective_date else None
            seen.append((each.title, year, each.superseded))
        return rank(question, recalled, **rest)

    monkeypatch.setattr(measuring, "rank", spy)
    run(RerankerMeasurement.objects.create(profile=profile))
    assert {year for _title, year, _superseded in seen} == {2024}
    assert {title for title, _year, superseded in seen if superseded} == {"About old.txt"}


def test_a_question_that_takes_too_long_keeps_the_order_without_rerank_and_is_counted(
    samples: Path, profile: RerankerProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = _Broken(ModelTimeout("too slow"))
    monkeypatch.setattr(measuring, "get_reranker", lambda _spec: slow)
    made = run(RerankerMeasurement.objects.create(profile=profile))
    score = scores_in(made.figures)[ALL]
    assert made.state == RerankerMeasurement.State.DONE
    assert score.reranked == 0
    assert score.gain == (0.0, 0.0, 0.0)
    assert made.figures["reasons"] == {"rerank_timeout": len(QUESTIONS)}
    assert milliseconds_in(made.figures) is None


def test_a_slow_reranker_is_timed_with_more_patience(
    samples: Path, profile: RerankerProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Patient(FakeReranker):
        def score(
            self, question: str, passages: Sequence[str], *, time_limit_s: float
        ) -> list[float]:
            if time_limit_s < measuring.TIMING_LIMIT_S:
                raise ModelTimeout("too slow")
            return super().score(question, passages, time_limit_s=time_limit_s)

    monkeypatch.setattr(measuring, "get_reranker", lambda _spec: Patient())
    made = run(RerankerMeasurement.objects.create(profile=profile))
    taken = milliseconds_in(made.figures)
    assert scores_in(made.figures)[ALL].reranked == 0
    assert taken is not None
    assert taken.rankings == len(QUESTIONS)


def test_a_reranker_that_cannot_be_loaded_fails_with_its_reason(
    samples: Path, profile: RerankerProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Absent(FakeReranker):
        def score(self, *_args: object, **_rest: object) -> list[float]:
            raise ModelUnavailable("its files are missing")

    monkeypatch.setattr(measuring, "get_reranker", lambda _spec: Absent())
    made = run(RerankerMeasurement.objects.create(profile=profile))
    assert (made.state, made.error_code) == ("failed", "model_unavailable")
    assert made.figures == {}


def test_without_samples_it_fails_and_says_so(
    tmp_path: Path, settings: SettingsWrapper, profile: RerankerProfile
) -> None:
    settings.BASE_DIR = tmp_path
    made = run(RerankerMeasurement.objects.create(profile=profile))
    assert (made.state, made.error_code) == ("failed", "no_samples")


def test_a_wish_to_cancel_is_heard_between_questions_and_the_samples_are_removed(
    samples: Path, profile: RerankerProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = RerankerMeasurement.objects.create(profile=profile)

    def cancel_meanwhile(*args: Any, **rest: Any) -> Any:
        RerankerMeasurement.objects.filter(pk=made.pk).update(cancel_requested_at=made.created_at)
        return rank(*args, **rest)

    monkeypatch.setattr(measuring, "rank", cancel_meanwhile)
    assert run(made).state == RerankerMeasurement.State.CANCELLED
    assert made.progress_done == 1
    assert not KnowledgeBase.objects.exists()


# ---- a knowledge base's own questions ------------------------------------------------------------
def kept(base: KnowledgeBase, text: str, grades: dict[str, int]) -> EvaluationQuestion:
    return EvaluationQuestion.objects.create(knowledge_base=base, text=text, grades=grades)


def key_of(title: str) -> str:
    chunk = Chunk.objects.get(document__title=title)
    return passage_key(chunk.document_id, chunk.text)


def test_a_knowledge_base_is_measured_on_what_its_reviewers_judged(
    indexed: KnowledgeBase, alice: User, profile: RerankerProfile
) -> None:
    question = kept(indexed, "How can I sleep better?", {key_of("Ten tips for better sleep"): 3})
    made = run(
        RerankerMeasurement.objects.create(
            profile=profile, knowledge_base=indexed, requested_by=alice
        )
    )
    assert made.state == RerankerMeasurement.State.DONE, made.error_detail
    (asked,) = made.inputs["asked"]
    assert asked["key"] == str(question.pk)
    assert asked["blended"] == 1.0
    assert asked["judged"] == pytest.approx(1 / asked["passages"])


def test_grades_of_texts_that_are_not_searched_any_more_do_not_count(
    indexed: KnowledgeBase,
) -> None:
    chunk = Chunk.objects.get(document__title="Sleep apnea")
    kept(indexed, "What is sleep apnea?", {passage_key(chunk.document_id, "older words"): 3})
    good = kept(
        indexed,
        "Is coffee bad for sleep?",
        {key_of("Caffeine and sleep"): 2, passage_key(chunk.document_id, "older words"): 1},
    )
    (question,) = own_questions(indexed)
    assert question.key == str(good.pk)
    assert question.grades == {key_of("Caffeine and sleep"): 2.0}


def test_a_passage_of_a_disabled_document_cannot_be_asked_for(indexed: KnowledgeBase) -> None:
    kept(indexed, "Is coffee bad for sleep?", {key_of("Caffeine and sleep"): 2})
    Document.objects.filter(title="Caffeine and sleep").update(is_enabled=False)
    assert own_questions(indexed) == []


def test_who_does_not_curate_any_more_gets_no_figures(
    indexed: KnowledgeBase, bob: User, profile: RerankerProfile
) -> None:
    kept(indexed, "Is coffee bad for sleep?", {key_of("Caffeine and sleep"): 2})
    made = run(
        RerankerMeasurement.objects.create(
            profile=profile, knowledge_base=indexed, requested_by=bob
        )
    )
    assert (made.state, made.error_code) == ("failed", "not_allowed")


def test_rerank_is_measured_where_it_is_switched_off(
    indexed: KnowledgeBase, alice: User, profile: RerankerProfile
) -> None:
    kept(indexed, "How can I sleep better?", {key_of("Ten tips for better sleep"): 3})
    KnowledgeBase.objects.filter(pk=indexed.pk).update(rerank_enabled=False)
    made = run(
        RerankerMeasurement.objects.create(
            profile=profile, knowledge_base=indexed, requested_by=alice
        )
    )
    assert scores_in(made.figures)[ALL].reranked == 1
