"""The models page: who sees it, what its buttons do, and what it says of the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from documents.models import Document, DocumentVersion, KnowledgeBase, Membership
from qa import measurement_program
from qa.comparison import ground_of
from qa.evaluation import temporary_base
from qa.measured import Asked, figures_of
from qa.measuring import settings_of
from qa.models import EvaluationQuestion, RerankerMeasurement, RerankerProfile
from qa.rerankers import ensure_profiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings as SettingsWrapper

    from accounts.models import User
    from qa.measurement_claims import Claim

State = RerankerMeasurement.State


@pytest.fixture
def profile(db: None) -> RerankerProfile:
    """The reranker of the settings, which is the default."""
    seeded = ensure_profiles()
    assert seeded is not None
    return seeded


@pytest.fixture
def curator(client: Client, alice: User, knowledge_base: KnowledgeBase) -> User:
    """Alice, who owns ``knowledge_base``, signed in."""
    client.force_login(alice)
    return alice


@pytest.fixture
def never_run(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No program is started; the ids that would have been measured."""
    taken: list[int] = []

    def note(claim: Claim) -> None:
        taken.append(claim.job_id)
        claim.fail("crashed")

    monkeypatch.setattr(measurement_program, "make_apart", note)
    return taken


def rows(gain: float, *, count: int = 12, language: str = "en", **rest: Any) -> list[Asked]:
    values: dict[str, Any] = {
        "judged": 1.0,
        "reranked": True,
        "reason": "",
        "passages": 30,
        "rerank_ms": 412.0,
    } | rest
    return [
        Asked(
            key=f"{language}{n}",
            language=language,
            without=0.5,
            blended=0.5 + gain,
            relevance=0.5 + gain,
            **values,
        )
        for n in range(count)
    ]


def measured(
    profile: RerankerProfile,
    asked: list[Asked],
    *,
    base: KnowledgeBase | None = None,
    ms: float = 412.0,
    **origin: Any,
) -> RerankerMeasurement:
    values: dict[str, Any] = {
        "version": "0.1.0",
        "commit": "abcdef123456",
        "machine": {
            "processor": "Some Processor",
            "cores": 2,
            "instructions": ["avx2"],
            "memory_mb": 8000,
            "load": 0.1,
            "system": "Linux",
        },
        "settings": settings_of(profile),
        "basis": ground_of(base).basis,
        "memory": {"before_mb": 400, "after_mb": 520, "had_library": True},
        "disk": {"mb": 11.2, "base_mb": 87.4},
        "device": "CPU",
        "embedder": "fake",
        "reranker": "word overlap 1",
    }
    return RerankerMeasurement.objects.create(
        profile=profile,
        knowledge_base=base,
        state=State.DONE,
        figures=figures_of(asked, [(30, ms)] * 10),
        origin=values | origin,
        finished_at=timezone.now(),
    )


def page(client: Client, **query: str) -> str:
    response = client.get(reverse("qa:models"), query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


# ---- who may -------------------------------------------------------------------------------------
def test_the_page_is_for_curators_of_some_knowledge_base(
    client: Client, profile: RerankerProfile, alice: User, bob: User, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(bob)
    assert client.get(reverse("qa:models")).status_code == 404
    assert reverse("qa:models") not in client.get("/").content.decode()
    client.force_login(alice)
    assert client.get(reverse("qa:models")).status_code == 200
    assert f'href="{reverse("qa:models")}"' in client.get("/").content.decode()


@pytest.mark.parametrize("name", ["models", "models_guide", "measured"])
def test_a_curator_elsewhere_sees_nothing_of_a_knowledge_base(
    client: Client,
    profile: RerankerProfile,
    charlie: User,
    knowledge_base: KnowledgeBase,
    name: str,
) -> None:
    elsewhere = KnowledgeBase.objects.create(name="Elsewhere", slug="elsewhere")
    Membership.objects.create(
        knowledge_base=elsewhere, user=charlie, roles=[Membership.Role.CURATOR]
    )
    client.force_login(charlie)
    address = reverse(f"qa:{name}", args=[profile.pk] if name == "measured" else [])
    assert client.get(address, {"on": knowledge_base.slug}).status_code == 404
    assert client.get(address, {"on": "no-such-place"}).status_code == 404
    seen = client.get(address, {"on": elsewhere.slug}).content.decode()
    assert knowledge_base.name not in seen


@pytest.mark.parametrize("on_base", [True, False])
def test_a_stranger_measures_nothing_and_cancels_nothing(
    client: Client,
    profile: RerankerProfile,
    charlie: User,
    knowledge_base: KnowledgeBase,
    *,
    on_base: bool,
) -> None:
    running = RerankerMeasurement.objects.create(
        profile=profile, knowledge_base=knowledge_base if on_base else None
    )
    client.force_login(charlie)
    on = {"on": knowledge_base.slug if on_base else ""}
    for address in (
        reverse("qa:measure", args=[profile.pk]),
        reverse("qa:measure_all"),
        reverse("qa:measure_cancel", args=[running.pk]),
    ):
        assert client.post(address, on).status_code == 404
    running.refresh_from_db()
    assert running.state == State.PENDING
    assert RerankerMeasurement.objects.count() == 1


def test_figures_of_another_knowledge_base_are_neither_shown_nor_cancelled(
    client: Client, profile: RerankerProfile, charlie: User, knowledge_base: KnowledgeBase
) -> None:
    elsewhere = KnowledgeBase.objects.create(name="Elsewhere", slug="elsewhere")
    Membership.objects.create(
        knowledge_base=elsewhere, user=charlie, roles=[Membership.Role.CURATOR]
    )
    hidden = RerankerMeasurement.objects.create(profile=profile, knowledge_base=knowledge_base)
    client.force_login(charlie)
    assert "Waits for its turn" not in page(client)
    address = reverse("qa:measure_cancel", args=[hidden.pk])
    assert client.post(address).status_code == 404


# ---- measuring -----------------------------------------------------------------------------------
def test_the_button_hands_one_measurement_to_a_worker_however_often_it_is_pressed(
    client: Client,
    curator: User,
    profile: RerankerProfile,
    never_run: list[int],
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    address = reverse("qa:measure", args=[profile.pk])
    with run_tasks():
        for _ in range(2):
            response = client.post(address, {"on": ""})
            assert response.status_code == 302
    row = RerankerMeasurement.objects.get()
    assert never_run == [row.pk]
    assert row.requested_by == curator
    assert AuditEvent.objects.get(action="reranker.measure").data["reranker"] == profile.name


def test_a_row_polls_while_it_is_measured_and_rests_afterwards(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    row = RerankerMeasurement.objects.create(
        profile=profile, state=State.RUNNING, stage="ask", progress_done=5, progress_total=36
    )
    address = reverse("qa:measured", args=[profile.pk])
    response = client.get(address, {"on": ""}, headers={"HX-Request": "true"})
    content = response.content.decode()
    assert 'hx-trigger="every 2s"' in content
    assert 'max="36" value="5"' in content
    assert "Asking the questions · 5 / 36" in content
    assert "HX-Trigger" not in response
    RerankerMeasurement.objects.filter(pk=row.pk).update(state=State.CANCELLED)
    response = client.get(address, {"on": ""}, headers={"HX-Request": "true"})
    assert "every 2s" not in response.content.decode()
    assert response["HX-Trigger"] == "measured"


def test_a_change_is_announced_once(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    RerankerMeasurement.objects.create(profile=profile, state=State.RUNNING, stage="ask")
    address = reverse("qa:measured", args=[profile.pk])
    first = client.get(address, {"on": "", "said": "running-load"}).content.decode()
    assert "hx-swap-oob" in first
    assert "said=running-ask" in first
    again = client.get(address, {"on": "", "said": "running-ask"}).content.decode()
    assert "hx-swap-oob" not in again


def test_a_waiting_measurement_is_cancelled_at_once_and_a_running_one_is_asked_to_end(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    row = RerankerMeasurement.objects.create(profile=profile)
    address = reverse("qa:measure_cancel", args=[row.pk])
    client.post(address)
    row.refresh_from_db()
    assert row.state == State.CANCELLED
    RerankerMeasurement.objects.filter(pk=row.pk).update(
        state=State.RUNNING, cancel_requested_at=None
    )
    shown = client.post(address, headers={"HX-Request": "true"}).content.decode()
    row.refresh_from_db()
    assert row.state == State.RUNNING
    assert row.cancel_requested_at is not None
    assert "Cancelling…" in shown
    client.post(address)
    assert AuditEvent.objects.filter(action="reranker.cancel_measurement").count() == 2


def test_measure_all_takes_one_after_the_other(
    client: Client,
    curator: User,
    profile: RerankerProfile,
    never_run: list[int],
    run_tasks: Callable[[], AbstractContextManager[object]],
) -> None:
    RerankerProfile.objects.create(name="second", kind="fake")
    RerankerProfile.objects.create(name="off", kind="fake", is_enabled=False)
    with run_tasks():
        client.post(reverse("qa:measure_all"), {"on": ""})
    names = list(RerankerMeasurement.objects.order_by("pk").values_list("profile__name", flat=True))
    assert names == [profile.name, "second"]
    assert sorted(never_run) == sorted(RerankerMeasurement.objects.values_list("pk", flat=True))


def test_a_knowledge_base_without_test_questions_is_refused_with_a_sentence(
    client: Client, curator: User, profile: RerankerProfile, knowledge_base: KnowledgeBase
) -> None:
    address = reverse("qa:measure", args=[profile.pk])
    response = client.post(address, {"on": knowledge_base.slug}, follow=True)
    assert "has no test questions yet" in response.content.decode()
    assert not RerankerMeasurement.objects.exists()
    response = client.post(address, {"on": knowledge_base.slug}, headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == f"{reverse('qa:models')}?on={knowledge_base.slug}"


# ---- what it says --------------------------------------------------------------------------------
def test_before_anything_is_measured_the_page_says_what_to_do(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    shown = page(client)
    assert "Nothing is measured yet." in shown
    assert f"Not measured yet: {profile.name}." in shown
    assert "not measured yet" in shown


def test_a_knowledge_base_without_questions_leads_to_review_and_to_the_samples(
    client: Client, curator: User, profile: RerankerProfile, knowledge_base: KnowledgeBase
) -> None:
    shown = page(client, on=knowledge_base.slug)
    assert "No test questions yet" in shown
    assert reverse("qa:review") in shown
    assert "Measure all" not in shown


def test_without_samples_the_page_says_so(
    client: Client,
    curator: User,
    profile: RerankerProfile,
    tmp_path: Path,
    settings: SettingsWrapper,
) -> None:
    settings.BASE_DIR = tmp_path
    assert "The sample documents are missing" in page(client)


def test_without_rerankers_the_page_says_who_adds_one(
    client: Client, curator: User, settings: SettingsWrapper
) -> None:
    settings.RAGSITE_RERANKER = "none"
    assert "No reranker is configured" in page(client)


def test_a_certain_gain_is_recommended_with_its_figures(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    measured(profile, rows(0.25))
    shown = page(client)
    assert "Best measured" in shown
    assert "nDCG@10 0.750 instead of 0.500: +0.250 (95% interval +0.250 to +0.250); 412 ms" in shown
    assert "a certain gain" in shown
    assert "the program grew from 400 to 520 MB" in shown
    assert "120 MB more" in shown
    assert "11 MB, and 87 MB of the base model" in shown
    assert "memory of the GPU" not in shown
    assert "0.1.0 abcdef123456" in shown
    assert "Some Processor" in shown


def test_memory_on_a_gpu_is_said_to_be_left_out(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    measured(profile, rows(0.25), device="Some GPU")
    assert "memory of the GPU is not counted" in page(client)


def test_without_a_certain_gain_the_advice_is_off(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    measured(profile, [*rows(0.3, count=1), *rows(0.0, count=11, language="en")])
    shown = page(client)
    assert "Keep rerank off" in shown
    assert "no certain gain" in shown
    assert "Best measured" not in shown


def test_a_loss_is_called_one(client: Client, curator: User, profile: RerankerProfile) -> None:
    measured(profile, rows(-0.25))
    shown = page(client)
    assert "Makes it worse" in shown
    assert "a certain loss" in shown


def test_a_failed_measurement_says_why_and_keeps_the_older_figures(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    measured(profile, rows(0.25))
    RerankerMeasurement.objects.create(
        profile=profile, state=State.FAILED, error_code="model_key_missing"
    )
    shown = page(client)
    assert "should hold the key is empty" in shown
    assert "Ask an administrator to set it" in shown
    assert "a certain gain" in shown


def test_figures_under_other_settings_are_shown_and_not_compared(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    measured(profile, rows(0.25))
    RerankerProfile.objects.filter(pk=profile.pk).update(candidates=12)
    shown = page(client)
    assert "settings have changed since. Measure again." in shown
    assert "Best measured" not in shown
    assert f"Not measured yet: {profile.name}." in shown


def test_figures_on_other_questions_are_shown_and_not_compared(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    measured(profile, rows(0.25), basis="older questions")
    shown = page(client)
    assert "questions, the index or the weights have changed since" in shown
    assert "Best measured" not in shown


def test_what_weakens_the_figures_is_said(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    late = rows(0.0, count=3, reranked=False, reason="rerank_timeout", rerank_ms=None)
    row = measured(profile, [*rows(0.25, judged=0.4), *late])
    row.origin["machine"]["load"] = 7.5
    row.save()
    shown = page(client)
    assert "3 questions: Not reranked: the reranker exceeded its time limit." in shown
    assert "% were judged" in shown
    assert "The machine was busy" in shown


def test_a_language_of_a_knowledge_base_that_its_reranker_does_not_cover_is_flagged(
    client: Client, curator: User, profile: RerankerProfile, knowledge_base: KnowledgeBase
) -> None:
    english = RerankerProfile.objects.create(
        name="english", kind="server", url="http://127.0.0.1:9", languages=["en"]
    )
    KnowledgeBase.objects.filter(pk=knowledge_base.pk).update(reranker=english.name)
    for number, language in enumerate(["en", "zh", "zh"]):
        document = Document.objects.create(knowledge_base=knowledge_base, title=str(number))
        document.current_version = DocumentVersion.objects.create(
            document=document,
            knowledge_base=knowledge_base,
            language=language,
            size=1,
            sha256=str(number) * 64,
        )
        document.save()
    assert "“Health” uses it, and it does not cover Chinese: such" in page(client)
    RerankerProfile.objects.filter(pk=english.pk).update(languages=["en", "zh"])
    assert "does not cover" not in page(client)


def test_temporary_knowledge_bases_of_evaluations_are_not_named(
    client: Client, admin_user: User, profile: RerankerProfile, knowledge_base: KnowledgeBase
) -> None:
    client.force_login(admin_user)
    own = KnowledgeBase.objects.create(name="Own", slug="evaluation-own", created_by=admin_user)
    with temporary_base("Samples"):
        shown = page(client)
    assert "used by Health" in shown
    assert f"used by {own.name}" in shown, "a name alone makes none temporary"
    assert "Samples" not in shown


def test_a_knowledge_base_has_figures_of_its_own(
    client: Client, curator: User, profile: RerankerProfile, knowledge_base: KnowledgeBase
) -> None:
    EvaluationQuestion.objects.create(knowledge_base=knowledge_base, text="q", grades={"1:x": 3})
    measured(profile, rows(0.25))
    shown = page(client, on=knowledge_base.slug)
    assert "a certain gain" not in shown


def test_the_price_that_was_noted_is_shown(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    RerankerProfile.objects.filter(pk=profile.pk).update(
        price_note="2 dollars for 1,000 <searches>"
    )
    assert "2 dollars for 1,000 &lt;searches&gt;" in page(client)


def test_without_javascript_the_page_reloads_while_something_is_measured(
    client: Client, curator: User, profile: RerankerProfile
) -> None:
    assert 'http-equiv="refresh"' not in page(client)
    RerankerMeasurement.objects.create(profile=profile)
    assert 'http-equiv="refresh"' in page(client)
