"""What the models page compares: figures of today's questions, and the languages of the bases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from documents.models import Document, DocumentVersion, KnowledgeBase, Membership
from qa.comparison import compare, ground_of, languages_of
from qa.measuring import settings_of
from qa.models import EvaluationQuestion, RerankerMeasurement, RerankerProfile
from tests.integration.qa.test_measuring import key_of

if TYPE_CHECKING:
    from accounts.models import User

pytestmark = pytest.mark.django_db

State = RerankerMeasurement.State


def done(profile: RerankerProfile, base: KnowledgeBase | None, basis: str) -> RerankerMeasurement:
    return RerankerMeasurement.objects.create(
        profile=profile,
        knowledge_base=base,
        state=State.DONE,
        finished_at=timezone.now(),
        origin={"basis": basis, "settings": settings_of(profile)},
    )


def document(base: KnowledgeBase, language: str) -> Document:
    made = Document.objects.create(knowledge_base=base, title="any")
    made.current_version = DocumentVersion.objects.create(
        document=made, knowledge_base=base, language=language, size=1, sha256="0" * 64
    )
    made.save()
    return made


def test_languages_are_those_of_a_tenth_of_the_documents_the_most_frequent_first(
    knowledge_base: KnowledgeBase,
) -> None:
    for language in ["zh"] * 12 + ["en"] * 6 + ["fr", ""]:
        document(knowledge_base, language)
    assert languages_of([knowledge_base]) == {knowledge_base.pk: ("zh", "en")}


def test_a_deleted_document_and_an_older_version_say_nothing_of_the_language(
    knowledge_base: KnowledgeBase,
) -> None:
    document(knowledge_base, "en")
    gone = document(knowledge_base, "zh")
    gone.deleted_at = timezone.now()
    gone.save()
    replaced = document(knowledge_base, "fr")
    replaced.current_version = None
    replaced.save()
    assert languages_of([knowledge_base]) == {knowledge_base.pk: ("en",)}


def test_another_grade_or_weight_makes_figures_incomparable(
    indexed: KnowledgeBase, alice: User
) -> None:
    question = EvaluationQuestion.objects.create(
        knowledge_base=indexed, text="q", grades={key_of("Caffeine and sleep"): 2}
    )
    before = ground_of(indexed)
    assert before.questions == 1
    assert ground_of(indexed).basis == before.basis
    question.grades = {key_of("Caffeine and sleep"): 3}
    question.save()
    regraded = ground_of(indexed).basis
    indexed.timeliness_weight = 0.9
    indexed.save()
    assert len({before.basis, regraded, ground_of(indexed).basis}) == 3


def test_the_newest_finished_one_is_shown_beside_a_newer_that_runs(
    indexed: KnowledgeBase, alice: User
) -> None:
    profile = RerankerProfile.objects.create(name="any", kind="fake")
    old, new = (done(profile, None, ground_of(None).basis) for _ in range(2))
    running = RerankerMeasurement.objects.create(profile=profile, state=State.RUNNING)
    (row,) = [each for each in compare(alice, None).rows if each.profile == profile]
    assert old.pk < new.pk
    assert (row.shown, row.newest) == (new, running)
    assert row.is_unfinished
    assert row.outdated == ""


def test_who_curates_elsewhere_is_told_nothing_of_a_knowledge_base(
    indexed: KnowledgeBase, charlie: User
) -> None:
    elsewhere = KnowledgeBase.objects.create(name="Elsewhere", slug="elsewhere")
    Membership.objects.create(
        knowledge_base=elsewhere, user=charlie, roles=[Membership.Role.CURATOR]
    )
    profile = RerankerProfile.objects.create(name="any", kind="fake")
    KnowledgeBase.objects.update(reranker=profile.name)
    done(profile, indexed, "any")
    (row,) = [each for each in compare(charlie, None).rows if each.profile == profile]
    assert row.used_by == (elsewhere,)
    assert row.shown is None


def test_a_viewer_reads_no_measurement(indexed: KnowledgeBase, bob: User, alice: User) -> None:
    profile = RerankerProfile.objects.create(name="any", kind="fake")
    samples, own = done(profile, None, "any"), done(profile, indexed, "any")
    assert not RerankerMeasurement.objects.readable_by(bob).exists()
    assert set(RerankerMeasurement.objects.readable_by(alice)) == {samples, own}
    alice.is_active = False
    assert not RerankerMeasurement.objects.readable_by(alice).exists()
