"""Erasing a document for good takes the copies that answers keep of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from documents import curating
from documents.purging import purge_document
from qa.claims import Claim
from qa.models import Answer, Citation, FitConsent, RankedPassage, SourceOpened
from qa.presentation import present_answer
from tests.integration.qa.conftest import document_of

if TYPE_CHECKING:
    from accounts.models import User
    from tests.integration.qa.conftest import Ask

TIPS = "Ten tips for better sleep"


def erase(actor: User, title: str) -> None:
    document = document_of(title)
    assert not purge_document(actor=actor, document=document), "it is not deleted yet"
    curating.delete_document(actor=actor, document=document)
    assert purge_document(actor=actor, document=document)
    assert not purge_document(actor=actor, document=document)


def test_an_answer_made_from_it_is_erased_and_says_why(alice: User, bob: User, ask: Ask) -> None:
    answer = ask(bob)
    document = document_of(TIPS)
    mine = RankedPassage.objects.filter(answer=answer, document=document)
    kept = set(mine.values_list("pk", "text_sha256", "start", "end", "final_score"))
    cited = set(Citation.objects.filter(answer=answer).values_list("pk", flat=True))
    assert "bedtime" in answer.text
    SourceOpened.objects.create(
        consent=FitConsent.objects.create(user=bob), passage=mine[0], document=document
    )

    erase(alice, TIPS)
    answer.refresh_from_db()
    assert (answer.text, "source_erased" in answer.reasons) == ("", True)
    assert {(p.title, p.text, *p.heading_path) for p in mine} == {("", "")}
    assert set(mine.values_list("pk", "text_sha256", "start", "end", "final_score")) == kept
    sentences = Citation.objects.filter(answer=answer).values_list("pk", "sentence")
    assert dict(sentences) == dict.fromkeys(cited, ""), "rows stay, for what was judged of them"
    assert not SourceOpened.objects.exists()
    shown = present_answer(bob, answer)
    assert shown.text == ""
    assert any("erased for good" in reason for reason in shown.reasons)


def test_an_answer_that_only_looked_at_it_keeps_its_text(alice: User, bob: User, ask: Ask) -> None:
    answer = ask(bob)
    text = answer.text
    passages = RankedPassage.objects.filter(answer=answer)
    aside = passages.order_by("final_rank").last()
    assert aside is not None
    passages.filter(pk=aside.pk).update(is_source=False)
    title = aside.title
    erase(alice, title)
    answer.refresh_from_db()
    aside.refresh_from_db()
    assert (answer.text, aside.text) == (text, "")
    assert "source_erased" not in answer.reasons
    others = passages.exclude(pk=aside.pk)
    assert all(others.values_list("text", flat=True))


def test_a_worker_that_still_writes_from_it_stores_nothing(
    alice: User, bob: User, ask: Ask
) -> None:
    answer = ask(bob)
    Answer.objects.filter(pk=answer.pk).update(state=Answer.State.RUNNING, attempt=4)
    claim = Claim(answer.pk, 4)
    assert claim.rows().exists()
    erase(alice, TIPS)
    assert not claim.rows().exists()
    answer.refresh_from_db()
    assert answer.state == Answer.State.STOPPED
