"""The settings seed a reranker's profile; a knowledge base may choose another."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from accounts.models import AuditEvent
from documents.models import KnowledgeBase
from inference.conf import get_reranker
from qa.configuration import pipeline_config, stored_form
from qa.models import RerankerProfile
from qa.rerankers import (
    ENOUGH_CANDIDATES,
    covers,
    ensure_profiles,
    lock_profiles,
    profile_of,
    reranker_for,
    reranker_of,
    settle_default,
    specs_in_use,
)
from qa.types import FactorWeights
from tests.rerank_api import KEY, rerank_api

if TYPE_CHECKING:
    from pytest_django import Settings as SettingsWrapper

pytestmark = pytest.mark.django_db


def finish_trial(row: RerankerProfile, **probe: object) -> None:
    """Store the result of a trial and draw the conclusion, as the worker does."""
    with transaction.atomic():
        lock_profiles()
        row.probe, row.probe_wanted_at = dict(probe), None
        row.save()
        settle_default(row, actor=None)


def test_the_reranker_of_the_settings_becomes_the_default_once() -> None:
    first = ensure_profiles()
    assert first is not None
    assert first.is_default
    assert ensure_profiles() == first
    assert RerankerProfile.objects.count() == 1


def test_a_changed_setting_takes_effect_once_its_trial_is_good(settings: SettingsWrapper) -> None:
    ensure_profiles()
    settings.RAGSITE_RERANKER = "org/Some-Model.v2@main"
    changed = ensure_profiles()
    assert changed is not None
    assert (changed.kind, changed.model, changed.revision) == ("local", "org/Some-Model.v2", "main")
    assert changed.wants_default
    assert changed.probe_wanted_at is not None
    assert RerankerProfile.objects.get(is_default=True).name == "fake"
    finish_trial(changed, candidates=ENOUGH_CANDIDATES)
    assert RerankerProfile.objects.get(is_default=True) == changed


def test_beside_a_reranker_that_must_be_tried_the_bundled_one_is_the_default(
    settings: SettingsWrapper, knowledge_base: KnowledgeBase
) -> None:
    settings.RAGSITE_RERANKER = "BAAI/bge-reranker-v2-m3"
    seeded = ensure_profiles()
    assert seeded is not None
    assert seeded.name == "baai-bge-reranker-v2-m3"
    assert not seeded.is_default
    profile = profile_of(knowledge_base)
    assert profile is not None
    assert profile.kind == "bundled"
    assert "en" in profile.languages


def test_cohere_is_seeded_with_the_name_of_its_key_and_not_the_key(
    settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COHERE_API_KEY", KEY)
    settings.RAGSITE_RERANKER = "cohere"
    seeded = ensure_profiles()
    assert seeded is not None
    assert (seeded.kind, seeded.model) == ("cohere", "rerank-multilingual-v3.0")
    assert seeded.key_variable == "COHERE_API_KEY"
    assert ensure_profiles() == seeded
    assert KEY not in str(list(RerankerProfile.objects.values()))
    assert KEY not in str(list(AuditEvent.objects.values()))


def test_seeding_is_on_record_as_the_systems_doing() -> None:
    ensure_profiles()
    event = AuditEvent.objects.get(action="reranker.seed")
    assert (event.actor, event.data) == (None, {"name": "fake"})


def test_what_administrators_changed_is_not_seeded_again() -> None:
    seeded = ensure_profiles()
    assert seeded is not None
    RerankerProfile.objects.update(time_limit_ms=777, is_default=False)
    ensure_profiles()
    assert RerankerProfile.objects.get().time_limit_ms == 777
    assert not RerankerProfile.objects.filter(is_default=True).exists()


def test_a_default_chosen_by_people_stays(knowledge_base: KnowledgeBase) -> None:
    ensure_profiles()
    RerankerProfile.objects.update(is_default=False)
    RerankerProfile.objects.create(
        name="chosen", kind="fake", is_default=True, time_limit_ms=1500, candidates=12
    )
    _reranker, profile = reranker_for(knowledge_base)
    assert profile is not None
    assert profile.name == "chosen"
    config = pipeline_config([knowledge_base], profile)
    assert config.rerank_time_limit_s == 1.5
    assert config.candidates == 12


def test_the_default_shares_the_model_that_was_warmed_up(knowledge_base: KnowledgeBase) -> None:
    reranker, _profile = reranker_for(knowledge_base)
    assert reranker is get_reranker()


def test_a_knowledge_base_uses_the_reranker_it_names(knowledge_base: KnowledgeBase) -> None:
    RerankerProfile.objects.create(name="other", kind="fake")
    knowledge_base.reranker = "other"
    _reranker, profile = reranker_for(knowledge_base)
    assert profile is not None
    assert profile.name == "other"


def test_a_disabled_or_unknown_choice_falls_back_to_the_default(
    knowledge_base: KnowledgeBase,
) -> None:
    RerankerProfile.objects.create(name="other", kind="fake", is_enabled=False)
    for name in ("other", "gone"):
        knowledge_base.reranker = name
        _reranker, profile = reranker_for(knowledge_base)
        assert profile is not None
        assert profile.name == "fake"


def test_a_row_that_cannot_be_used_gives_its_profile_and_no_reranker(
    knowledge_base: KnowledgeBase,
) -> None:
    RerankerProfile.objects.create(name="nameless", kind="local")
    knowledge_base.reranker = "nameless"
    reranker, profile = reranker_for(knowledge_base)
    assert reranker is None
    assert profile is not None


def test_a_server_is_what_its_row_says() -> None:
    with rerank_api("tei", wants_key=False) as api:
        row = RerankerProfile.objects.create(
            name="tei", kind="server", dialect="tei", url=api.url, documents_per_request=2
        )
        reranker = reranker_of(row)
        assert reranker is not None
        scores = reranker.score("sleep", ["fruit", "sleep", "sleep"], time_limit_s=10)
        assert scores == [-5.0, 5.0, 5.0]
        assert [len(request["texts"]) for request in api.requests] == [2, 1]


def test_an_edited_row_does_not_keep_its_former_model_in_memory() -> None:
    row = RerankerProfile.objects.create(name="tiny", kind="local", model="org/tiny")
    before = reranker_of(row)
    gone = weakref.ref(before)
    assert reranker_of(row) is before
    row.batch_tokens = 128
    after = reranker_of(row)
    assert after is not before
    del before
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("languages", "language", "covered"),
    [
        ([], "zh", True),
        (["en"], "zh", False),
        (["en", "zh"], "zh", True),
        (["en"], "en", True),
        (["en"], "", True),
    ],
)
def test_a_reranker_covers_the_languages_of_its_row(
    languages: list[str], language: str, covered: bool
) -> None:
    row = RerankerProfile(name="m", kind="local", model="m", languages=languages)
    assert covers(row, language) is covered


def test_the_bundled_reranker_covers_what_its_weights_say_and_not_what_an_old_row_says() -> None:
    row = RerankerProfile(name="bundled", kind="bundled", languages=["fi"])
    assert not covers(row, "fi")
    assert covers(row, "en")


def test_what_is_in_use_is_loaded_beforehand_and_nothing_else(
    knowledge_base: KnowledgeBase,
) -> None:
    ensure_profiles()
    for name in ("chosen", "idle", "off"):
        RerankerProfile.objects.create(
            name=name, kind="local", model=f"org/{name}", is_enabled=name != "off"
        )
    RerankerProfile.objects.create(name="far", kind="server", dialect="tei", url="http://far")
    knowledge_base.reranker = "chosen"
    knowledge_base.save()
    other = KnowledgeBase.objects.create(name="Other", slug="other", reranker="off")
    KnowledgeBase.objects.create(name="Far", slug="far", reranker="far")
    specs = specs_in_use()
    assert specs is not None
    assert [spec.model for spec in specs] == ["org/chosen"]
    assert other.reranker == "off"


def test_an_installation_may_have_no_reranker(
    knowledge_base: KnowledgeBase, settings: SettingsWrapper
) -> None:
    settings.RAGSITE_RERANKER = "none"
    assert reranker_for(knowledge_base) == (None, None)
    assert not RerankerProfile.objects.exists()


# ---- configuration -------------------------------------------------------------------------------
def test_the_configuration_follows_the_first_knowledge_base(
    knowledge_base: KnowledgeBase,
) -> None:
    knowledge_base.sources = 3
    knowledge_base.timeliness_weight = 0.5
    config = pipeline_config([knowledge_base], None)
    assert config.sources == 3
    assert config.weights.timeliness == 0.5
    assert config.rerank


def test_rerank_needs_both_the_knowledge_base_and_the_asker_to_want_it(
    knowledge_base: KnowledgeBase,
) -> None:
    assert not pipeline_config([knowledge_base], None, with_rerank=False).rerank
    knowledge_base.rerank_enabled = False
    assert not pipeline_config([knowledge_base], None).rerank


def test_weights_that_are_all_zero_mean_the_balanced_ones(
    knowledge_base: KnowledgeBase,
) -> None:
    for name in ("relevance", "completeness", "readability", "timeliness"):
        setattr(knowledge_base, f"{name}_weight", 0.0)
    assert pipeline_config([knowledge_base], None).weights == FactorWeights()


def test_the_stored_form_names_what_made_the_answer(knowledge_base: KnowledgeBase) -> None:
    stored = stored_form(pipeline_config([knowledge_base], None), [knowledge_base], None)
    assert stored["knowledge_bases"] == [knowledge_base.pk]
    assert stored["weights"] == {
        "relevance": 0.40,
        "completeness": 0.30,
        "readability": 0.20,
        "timeliness": 0.10,
    }
