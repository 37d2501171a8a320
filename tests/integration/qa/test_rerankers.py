"""The settings seed a reranker's profile; a knowledge base may choose another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inference.conf import get_reranker
from qa.configuration import pipeline_config, stored_form
from qa.models import RerankerProfile
from qa.rerankers import ensure_profiles, reranker_for
from qa.types import FactorWeights

if TYPE_CHECKING:
    from pytest_django import Settings as SettingsWrapper

    from documents.models import KnowledgeBase

pytestmark = pytest.mark.django_db


def test_the_reranker_of_the_settings_becomes_the_default_once() -> None:
    first = ensure_profiles()
    assert first is not None
    assert first.is_default
    assert ensure_profiles() == first
    assert RerankerProfile.objects.count() == 1


def test_a_changed_setting_takes_effect(settings: SettingsWrapper) -> None:
    ensure_profiles()
    settings.RAGSITE_RERANKER = "org/Some-Model.v2@main"
    changed = ensure_profiles()
    assert changed is not None
    assert (changed.kind, changed.model, changed.revision) == ("local", "org/Some-Model.v2", "main")
    assert RerankerProfile.objects.get(is_default=True) == changed


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


def test_a_kind_that_cannot_run_here_gives_its_profile_and_no_reranker(
    knowledge_base: KnowledgeBase,
) -> None:
    RerankerProfile.objects.create(name="away", kind="cohere")
    knowledge_base.reranker = "away"
    reranker, profile = reranker_for(knowledge_base)
    assert reranker is None
    assert profile is not None


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
