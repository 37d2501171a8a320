"""A question whose rerank server is well, killed, slow, wrong or closed: it is always answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qa.explanations import reason_sentences
from qa.models import Answer, RankedPassage, RerankerProfile
from qa.rerank_notes import notes_for
from tests.integration.qa.conftest import QUESTION
from tests.rerank_api import KEY, changed, hangs, hangs_up, rerank_api, status, trickles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accounts.models import User
    from documents.models import KnowledgeBase
    from tests.integration.qa.conftest import Ask
    from tests.rerank_api import RerankApi

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(indexed: KnowledgeBase, monkeypatch: pytest.MonkeyPatch) -> Iterator[RerankApi]:
    """The knowledge base's reranker: a server that wants a key, with more time than it needs."""
    monkeypatch.setattr("inference.rerank_servers.FIRST_PAUSE_S", 0.001)
    monkeypatch.setenv("OUR_API_KEY", KEY)
    with rerank_api("vllm", wants_key=True) as running:
        RerankerProfile.objects.create(
            name="ours",
            kind="server",
            dialect="vllm",
            model="BAAI/bge-reranker-v2-m3",
            url=running.url,
            key_variable="OUR_API_KEY",
            time_limit_ms=60_000,
        )
        indexed.reranker = "ours"
        indexed.save()
        yield running


def fused_order(answer: Answer) -> bool:
    ranks = RankedPassage.objects.filter(answer=answer).order_by("final_rank")
    return [each.fused_rank for each in ranks] == list(range(1, len(ranks) + 1))


def test_a_server_reranks_and_its_own_scores_are_stored(
    api: RerankApi, ask: Ask, bob: User
) -> None:
    answer = ask(bob)
    assert answer.was_reranked
    assert (answer.reranker, answer.reasons) == ("bge-reranker-v2-m3", ["chat_model_none"])
    (request,) = api.requests
    assert request["query"] == QUESTION
    for passage in RankedPassage.objects.filter(answer=answer):
        # The server's score, from 0 to 1, as it was, and what was made of it.
        assert passage.rerank_score is not None
        assert passage.relevance == passage.rerank_score
        assert passage.factor_inputs["relevance"]["method"] == "uncalibrated_unit"


@pytest.mark.parametrize(
    ("misfortune", "reason"),
    [
        (status(401), "rerank_refused"),
        (status(404), "rerank_refused"),
        (status(429), "rerank_rate_limited"),
        (status(429, Retry_After="3600"), "rerank_rate_limited"),
        (status(500), "rerank_unavailable"),
        (hangs_up, "rerank_unavailable"),
        (status(200, b"<html>"), "rerank_invalid"),
        (changed(lambda body: {**body, "results": body["results"][1:]}), "rerank_invalid"),
    ],
)
def test_a_server_that_fails_leaves_the_fused_order_with_its_reason(
    api: RerankApi, ask: Ask, bob: User, misfortune: Any, reason: str
) -> None:
    api.misfortunes = [misfortune] * 5
    answer = ask(bob)
    assert answer.state == Answer.State.DONE
    assert answer.text
    assert not answer.was_reranked
    assert reason in answer.reasons
    assert reason_sentences([reason])[0].startswith("Not reranked:")
    assert fused_order(answer)
    assert KEY not in str(Answer.objects.filter(pk=answer.pk).values())


@pytest.mark.parametrize("slow", [hangs, trickles])
def test_a_slow_server_is_left_at_the_time_limit(
    api: RerankApi, ask: Ask, bob: User, slow: Any
) -> None:
    RerankerProfile.objects.filter(name="ours").update(time_limit_ms=400)
    api.misfortunes = [slow] * 3
    answer = ask(bob)
    assert (answer.state, answer.was_reranked) == (Answer.State.DONE, False)
    assert "rerank_timeout" in answer.reasons
    assert answer.configuration["rerank_time_limit_s"] == 0.4
    assert fused_order(answer)


def test_the_key_that_is_gone_is_a_reason_too(
    api: RerankApi, ask: Ask, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUR_API_KEY")
    assert "rerank_refused" in ask(bob).reasons
    assert api.requests == []


def test_three_questions_without_rerank_are_told_to_curators_until_one_is_reranked(
    api: RerankApi, ask: Ask, bob: User, indexed: KnowledgeBase
) -> None:
    api.misfortunes = [status(503)] * 9
    for _ in range(3):
        assert notes_for(indexed).failing == ""
        ask(bob)
    assert "“ours” could not be used" in notes_for(indexed).failing
    assert ask(bob).was_reranked
    assert notes_for(indexed).failing == ""
